"""How tests use the GCP dock."""

from __future__ import annotations

from qgis.PyQt.QtCore import QPoint, Qt
from qgis.PyQt.QtTest import QTest
from sarto.ui.gcps.columns import ON

LEFT = Qt.MouseButton.LeftButton


def click_cell(dock, line, column, **more):
    view = dock.view
    place = view.visualRect(dock.model.index(line, column))
    point = place.center() if column != ON else QPoint(place.left() + 10, place.center().y())
    QTest.mouseClick(view.viewport(), LEFT, pos=point, **more)


def on(dock):
    return dock.review.table.enabled


def pixel_of(dock, row):
    x, y = dock.positions.in_pixels()[row]
    return QPoint(round(x), round(y))


def wait_fitted(dock, qtbot):
    qtbot.waitUntil(lambda: not dock._shown.is_fitting, timeout=60_000)


def figures(dock):
    return "\n".join(dock.controls.figures.lines)


def choose_model(dock, name):
    box = dock.controls.model
    box.setCurrentIndex(box.findData(name))
    box.activated.emit(box.currentIndex())
