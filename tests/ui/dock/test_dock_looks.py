"""What the dock looks like where QGIS's own style or boxes have their ways."""

from __future__ import annotations

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QWidget
from sarto.ui.dock.options_form import OptionRow
from sarto.ui.dock.tones import GOOD, Banner


def test_nothing_peeps_out_of_the_folded_box(dock):
    advanced = dock.advanced
    dock.show_engine("/usr/bin/python3 (chosen in the settings)", True)
    dock.show_engine("/usr/bin/python3 (the development environment)", True)
    assert advanced.isCollapsed()
    assert not advanced.engine_label.isVisible()
    advanced.setCollapsed(False)
    assert advanced.engine_label.isVisible()


def test_a_row_folds_before_its_choice_is_cut_off(dock):
    rows = dock.method.findChildren(OptionRow)
    for width in range(320, 800, 10):
        dock.resize(width, 700)
        QgsApplication.processEvents()
        beside = [row for row in rows if row.editor.y() < row.label.geometry().bottom()]
        for row in beside:
            for combo in row.findChildren(QComboBox):
                assert longest_text(combo) <= text_room(combo), f"{row.label.text()} at {width}"
    assert beside == rows


def longest_text(combo):
    return max(combo.fontMetrics().horizontalAdvance(combo.itemText(i)) for i in range(combo.count()))


def text_room(combo):
    option = QStyleOptionComboBox()
    option.initFrom(combo)
    kind, part = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
    return combo.style().subControlRect(kind, option, part, combo).width()


@pytest.mark.parametrize("side", ["left", "top", "right", "bottom"])
def test_a_banner_has_a_frame_on_all_sides(qtbot, side):
    window = QWidget()
    qtbot.addWidget(window)
    banner = Banner(window)
    banner.setGeometry(20, 20, 200, 60)
    banner.say("Trusted.", GOOD)
    window.resize(240, 100)
    window.show()
    picture = window.grab().toImage()
    ratio = picture.devicePixelRatio()
    x, y = {"left": (20, 50), "top": (120, 20), "right": (219, 50), "bottom": (120, 79)}[side]
    assert picture.pixelColor(round(x * ratio), round(y * ratio)) != picture.pixelColor(round(5 * ratio), 5)
