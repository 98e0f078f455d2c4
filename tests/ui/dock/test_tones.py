"""Coloured lines can be read on every theme."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from qgis.PyQt.QtGui import QColor, QPalette
from qgis.PyQt.QtWidgets import QApplication, QMainWindow, QVBoxLayout, QWidget
from sarto.ui.dock.tones import CARE, GOOD, PROBLEM, ToneLabel
from sarto.ui.theme import contrast, readable, window_colour

WINDOWS = ("#ffffff", "#efefef", "#9a9a9a", "#727272", "#535353", "#323232", "#000000")

# As QGIS's dark themes have it: widgets are transparent, and the palette's own colours are shown nowhere.
THEME = "QWidget { background: transparent; } QLabel { color: #0e0e0e; } QMainWindow { background-color: %s; }"


@pytest.fixture
def themed(qgis_app: Any) -> Iterator[Any]:
    """themed(colour): windows of this colour, in the way of QGIS's themes."""
    application = QApplication.instance()
    palette, sheet = application.palette(), application.styleSheet()

    def use(colour: str) -> None:
        changed = QPalette(palette)
        changed.setColor(QPalette.ColorRole.Window, QColor("#373737"))
        application.setPalette(changed)
        application.setStyleSheet(THEME % colour)

    yield use
    application.setStyleSheet(sheet)
    application.setPalette(palette)


@pytest.fixture
def label(qgis_app: Any, qtbot: Any) -> Iterator[ToneLabel]:
    """In a window, with a widget in between."""
    window, middle = QMainWindow(), QWidget()
    qtbot.addWidget(window)
    column = QVBoxLayout(middle)
    made = ToneLabel(middle, small=False)
    column.addWidget(made)
    window.setCentralWidget(middle)
    window.resize(300, 100)
    window.show()
    yield made
    window.close()


def seen_contrast(label: ToneLabel, background: str) -> float:
    """The highest contrast of a pixel of the label to its window."""
    picture = label.window().grab(label.geometry()).toImage()
    colours = {picture.pixel(x, y) for x in range(picture.width()) for y in range(picture.height())}
    return max(contrast(QColor(colour), QColor(background)) for colour in colours)


@pytest.mark.parametrize("tone", [PROBLEM, GOOD, CARE])
@pytest.mark.parametrize("colour", WINDOWS)
def test_a_line_can_be_read(themed: Any, label: ToneLabel, qtbot: Any, colour: str, tone: str) -> None:
    label.say("MMMM WWWW HHHH", tone)
    themed(colour)
    qtbot.wait(20)
    assert window_colour(label).name() == colour
    assert contrast(QColor(label._colour), QColor(colour)) >= 4.5
    assert seen_contrast(label, colour) >= 4.4


def test_usual_colours_stay_as_they_are() -> None:
    red = [QColor("#b3261e"), QColor("#ff9d94")]
    assert readable(red, QColor("#efefef")) == red[0]
    assert readable(red, QColor("#323232")) == red[1]


def test_contrast_is_that_of_wcag() -> None:
    assert contrast(QColor("black"), QColor("white")) == pytest.approx(21)
    assert contrast(QColor("#777777"), QColor("white")) == pytest.approx(4.48, abs=0.01)
