"""The map follows the table, the table follows the map."""

from __future__ import annotations

import statistics
import time

import numpy as np
from qgis.core import QgsCoordinateReferenceSystem, QgsRectangle
from qgis.gui import QgsMapToolPan
from qgis.PyQt.QtCore import QPoint, Qt
from qgis.PyQt.QtTest import QTest
from sarto.ui.gcps import GcpDock
from sarto.ui.gcps.columns import NUMBER, ON, RESIDUAL_PX
from sarto.ui.gcps.filtering import CHECKS

from .dock_helpers import LEFT, click_cell, pixel_of


def test_a_click_on_a_row_centres_and_flashes(dock, review, canvas, monkeypatch):
    flashed = []
    monkeypatch.setattr(type(dock.overlay), "flash", lambda _self, row: flashed.append(row))
    dock.show_run(review, "one")
    dock.view.sortByColumn(RESIDUAL_PX, Qt.SortOrder.DescendingOrder)
    row = dock.model.row_at(1)
    click_cell(dock, 1, NUMBER)
    centre = canvas.center()
    np.testing.assert_allclose((centre.x(), centre.y()), review.table.map_xy[row], atol=0.01)
    assert flashed == [row]
    click_cell(dock, 2, ON)  # a tick moves nothing
    assert canvas.center() == centre


def test_a_click_on_the_map_selects_the_row(dock, review, canvas):
    earlier = QgsMapToolPan(canvas)
    canvas.setMapTool(earlier)
    dock.show_run(review, "one")
    dock.controls.kind.setCurrentIndex(dock.controls.kind.findData(CHECKS))
    dock.controls.pick.click()
    assert canvas.mapTool() is dock.pick_tool
    for row in (3, 12):  # 12 is a GCP, which the filter hides
        QTest.mouseClick(canvas.viewport(), LEFT, pos=pixel_of(dock, row) + QPoint(4, -5))
        assert dock.view.selected_rows().tolist() == [row]
    assert dock.controls.kind.currentIndex() == 0
    away = pixel_of(dock, 12) + QPoint(300, 0)
    if dock.positions.nearest(away.x(), away.y(), 12) < 0:
        QTest.mouseClick(canvas.viewport(), LEFT, pos=away)
        assert dock.view.selected_rows().tolist() == [12]
    dock.controls.pick.click()
    assert canvas.mapTool() is earlier


def test_another_tool_releases_the_button(dock, review, canvas):
    dock.show_run(review, "one")
    dock.controls.pick.click()
    other = QgsMapToolPan(canvas)
    canvas.setMapTool(other)
    assert not dock.controls.pick.isChecked()
    assert canvas.mapTool() is other


def test_positions_in_another_crs_and_turned(dock, review, canvas):
    dock.show_run(review, "one")
    for epsg, angle in ((4326, 0.0), (3857, 30.0)):
        canvas.setDestinationCrs(QgsCoordinateReferenceSystem(f"EPSG:{epsg}"))
        canvas.setRotation(angle)
        expected = [canvas.getCoordinateTransform().transform(*xy) for xy in dock.positions.on_map().tolist()]
        pixels = [(point.x(), point.y()) for point in expected]
        np.testing.assert_allclose(dock.positions.in_pixels(), pixels, atol=1e-3)
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    longitude, latitude = dock.positions.on_map()[0]
    assert 9.0 <= longitude < 9.2
    assert 49.5 < latitude < 49.7


def test_points_without_crs_lie_below_zero(dock, make_review):
    review = make_review(20, epsg=0)
    dock.show_run(review, "one")
    np.testing.assert_allclose(dock.positions.on_map(), review.table.map_xy * (1, -1))


def test_overlay_shows_crosses_and_a_ring(dock, review, canvas, qtbot):
    canvas.setExtent(QgsRectangle(500_000, 5_490_000, 510_000, 5_500_000))
    dock.show_run(review, "one")
    row = int(np.argmin(np.abs(review.table.reference_px - 500).sum(axis=1)))
    place = pixel_of(dock, row)
    dock.view.clearSelection()

    def colours():
        image = canvas.grab().toImage()
        ratio = round(image.devicePixelRatio())
        x, y, reach = ratio * place.x(), ratio * place.y(), range(-14 * ratio, 15 * ratio)
        near = [(x + i, y + j) for i in reach for j in reach]
        return {image.pixelColor(x, y).name() for x, y in near}

    dock.view.switch_requested.emit(np.array([row]), True)
    plain = colours()
    dock.view.switch_requested.emit(np.array([row]), False)
    crossed = colours() - plain
    assert "#ff5c8a" in crossed
    dock.view.select_row(row)
    assert "#ffe94a" in colours() - crossed
    dock.hide()
    assert not {"#ff5c8a", "#ffe94a"} & colours()


def test_ten_thousand_points_are_painted_in_time(dock, make_review, canvas):
    review = make_review(10_000)
    dock.show_run(review, "one")
    review.set_enabled(np.arange(10_000)[10:], False)
    dock._refresh()
    times = []
    for _ in range(5):
        started = time.perf_counter()
        canvas.grab()
        times.append(time.perf_counter() - started)
    assert statistics.median(times) < 0.3


def test_nothing_is_left_on_the_canvas(canvas, qtbot, review):
    before = len(canvas.scene().items())
    dock = GcpDock(canvas)
    qtbot.addWidget(dock)
    dock.show_run(review, "one")
    dock.controls.pick.click()
    tool = dock.pick_tool
    dock.shut_down()
    assert len(canvas.scene().items()) == before
    assert canvas.mapTool() is not tool
