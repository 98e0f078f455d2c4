"""The area of interest: drawing it, and putting it into the reference's CRS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from osgeo import ogr
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
)
from qgis.gui import QgsMapCanvas, QgsMapToolPan, QgsRubberBand
from qgis.PyQt.QtCore import QPoint, QSize, Qt
from sarto.core.contract import InputError
from sarto.ui.dock import RegisterDock
from sarto.ui.dock.area import Polygon, area_of_visible, area_wkt, check_polygon
from sarto.ui.dock.area_box import DRAWN, VISIBLE, WHOLE, AreaBox

from .conftest import Pair, write_raster

UTM, LONLAT = QgsCoordinateReferenceSystem("EPSG:32631"), QgsCoordinateReferenceSystem("EPSG:4326")
# write_raster's default layer: x 600000…602000, y 4998000…5000000, UTM 31.
MIDDLE = QgsRectangle(600_500, 4_998_500, 601_500, 4_999_500)


@pytest.fixture
def layer(tmp_path: Path, qgis_new_project: None) -> QgsRasterLayer:
    return QgsRasterLayer(str(write_raster(tmp_path / "reference.tif")), "reference")


@pytest.fixture
def canvas(qgis_app: Any, qtbot: Any) -> QgsMapCanvas:
    canvas = QgsMapCanvas()
    qtbot.addWidget(canvas)
    canvas.resize(QSize(400, 400))
    canvas.setDestinationCrs(UTM)
    canvas.show()
    canvas.setExtent(QgsRectangle(600_000, 4_998_000, 602_000, 5_000_000))
    qtbot.wait(50)
    return canvas


@pytest.fixture
def box(canvas: QgsMapCanvas, qtbot: Any) -> Iterator[AreaBox]:
    box = AreaBox(canvas)
    qtbot.addWidget(box)
    box.show()
    yield box
    box.shut_down()


def envelope(wkt: str) -> tuple[float, float, float, float]:
    shape = ogr.CreateGeometryFromWkt(wkt)
    assert shape.IsValid()
    xmin, xmax, ymin, ymax = shape.GetEnvelope()
    return xmin, ymin, xmax, ymax


def bands_on(canvas: QgsMapCanvas) -> list[QgsRubberBand]:
    return [item for item in canvas.scene().items() if isinstance(item, QgsRubberBand)]


def click(
    qtbot: Any, canvas: QgsMapCanvas, x: int, y: int, button: Qt.MouseButton = Qt.MouseButton.LeftButton
) -> None:
    qtbot.mouseClick(canvas.viewport(), button, pos=QPoint(x, y))


def test_same_crs_is_taken_as_it_is(layer: QgsRasterLayer) -> None:
    wkt = area_wkt(Polygon(QgsGeometry.fromRect(MIDDLE), UTM), layer)
    assert envelope(wkt) == (600_500, 4_998_500, 601_500, 4_999_500)


def test_other_crs_is_transformed_along_its_sides(layer: QgsRasterLayer) -> None:
    corners = QgsGeometry.fromRect(QgsRectangle(4.27, 45.12, 4.28, 45.13))
    wkt = area_wkt(Polygon(corners, LONLAT), layer)
    assert ogr.CreateGeometryFromWkt(wkt).GetGeometryRef(0).GetPointCount() > 100
    back = QgsGeometry.fromWkt(wkt)
    back.transform(QgsCoordinateTransform(UTM, LONLAT, QgsProject.instance()))
    box = back.boundingBox()
    assert [box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()] == pytest.approx(
        [4.27, 45.12, 4.28, 45.13], abs=1e-7
    )


def test_reference_without_crs_counts_rows_downwards(tmp_path: Path, qgis_new_project: None) -> None:
    layer = QgsRasterLayer(str(write_raster(tmp_path / "plain.tif", origin=None)), "plain")
    shown = QgsGeometry.fromRect(QgsRectangle(10, -70, 50, -20))  # rows 20…70 as QGIS shows them
    assert envelope(area_wkt(Polygon(shown, QgsCoordinateReferenceSystem()), layer)) == (10, 20, 50, 70)
    # A project has a CRS although the layer has none: QGIS shows the same coordinates then.
    assert envelope(area_wkt(Polygon(shown, UTM), layer)) == (10, 20, 50, 70)


def test_visible_part(layer: QgsRasterLayer) -> None:
    seen = Polygon(QgsGeometry.fromRect(MIDDLE), UTM)
    assert envelope(area_of_visible(seen, layer)) == (600_500, 4_998_500, 601_500, 4_999_500)
    everything = Polygon(QgsGeometry.fromRect(QgsRectangle(0, 0, 1e6, 1e7)), UTM)
    assert area_of_visible(everything, layer) == ""


def test_whole_world_is_seen(layer: QgsRasterLayer) -> None:
    """Most of it has no coordinates in the reference's CRS."""
    world = Polygon(QgsGeometry.fromRect(QgsRectangle(-180, -90, 180, 90)), LONLAT)
    assert area_of_visible(world, layer) == ""
    west = Polygon(QgsGeometry.fromRect(QgsRectangle(-180, -90, 4.28, 90)), LONLAT)
    xmin, ymin, xmax, ymax = envelope(area_of_visible(west, layer))
    assert (xmin, ymin, ymax) == pytest.approx((600_000, 4_998_000, 5_000_000), abs=20)
    assert 600_500 < xmax < 601_500


def test_reference_is_not_seen(layer: QgsRasterLayer) -> None:
    elsewhere = Polygon(QgsGeometry.fromRect(QgsRectangle(10, 10, 11, 11)), LONLAT)
    with pytest.raises(InputError, match="does not show 'reference'") as caught:
        area_of_visible(elsewhere, layer)
    assert "Zoom to the layer" in caught.value.hint


def test_crossing_sides_are_refused() -> None:
    points = [QgsPointXY(0, 0), QgsPointXY(1, 1), QgsPointXY(1, 0), QgsPointXY(0, 1), QgsPointXY(0, 0)]
    with pytest.raises(InputError, match="crosses"):
        check_polygon(QgsGeometry.fromPolygonXY([points]))


def test_draw_with_the_mouse(box: AreaBox, canvas: QgsMapCanvas, layer: QgsRasterLayer, qtbot: Any) -> None:
    pan = QgsMapToolPan(canvas)
    canvas.setMapTool(pan)
    box.choose(DRAWN)
    assert box.is_missing
    assert canvas.mapTool() is box.tool
    assert box.guide.isVisible()
    for x, y in ((100, 100), (300, 100), (300, 300)):
        click(qtbot, canvas, x, y)
    with qtbot.waitSignal(box.changed):
        click(qtbot, canvas, 10, 10, Qt.MouseButton.RightButton)
    assert canvas.mapTool() is pan
    assert not box.is_missing
    assert len(bands_on(canvas)) == 1
    xmin, ymin, xmax, ymax = envelope(box.wkt(layer))
    per_pixel = canvas.mapUnitsPerPixel()
    assert (xmax - xmin) / per_pixel == pytest.approx(200, abs=1)
    assert (ymax - ymin) / per_pixel == pytest.approx(200, abs=1)
    box.remove_button.click()
    assert box.kind == WHOLE
    assert box.wkt(layer) == ""
    assert bands_on(canvas) == []


@pytest.mark.parametrize("how", ["enter", "double click"])
def test_other_ways_to_close(box: AreaBox, canvas: QgsMapCanvas, qtbot: Any, how: str) -> None:
    box.choose(DRAWN)
    for x, y in ((100, 100), (300, 100)):
        click(qtbot, canvas, x, y)
    click(qtbot, canvas, 300, 300)
    if how == "enter":
        qtbot.keyClick(canvas, Qt.Key.Key_Return)
    else:
        qtbot.mouseDClick(canvas.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(300, 300))
    assert box.polygon is not None
    assert len(box.polygon.geometry.asPolygon()[0]) == 4


def test_backspace_and_escape(box: AreaBox, canvas: QgsMapCanvas, qtbot: Any) -> None:
    box.choose(DRAWN)
    for x, y in ((100, 100), (300, 100), (300, 300)):
        click(qtbot, canvas, x, y)
    qtbot.keyClick(canvas, Qt.Key.Key_Backspace)
    assert len(box.tool.corners) == 2
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    assert box.polygon is None
    assert "three corners" in box.guide.plain_text
    qtbot.keyClick(canvas, Qt.Key.Key_Escape)
    assert canvas.mapTool() is not box.tool
    assert box.is_missing
    assert bands_on(canvas) == []
    assert not box.draw_button.isChecked()


def test_polygon_hides_with_the_dock(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    canvas = dock.area._canvas
    dock.area.set_polygon(Polygon(QgsGeometry.fromRect(MIDDLE), UTM))
    dock.area.choose(DRAWN)
    qtbot.waitUntil(lambda: dock.run_row.is_ready, timeout=5000)
    job = dock.job()
    assert job is not None
    assert envelope(job.area) == (600_500, 4_998_500, 601_500, 4_999_500)
    assert len(bands_on(canvas)) == 1
    dock.close()
    assert bands_on(canvas) == []
    dock.show()
    assert len(bands_on(canvas)) == 1
    dock.shut_down()
    assert bands_on(canvas) == []


def test_missing_polygon_keeps_from_running(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: dock.run_row.is_ready, timeout=5000)
    dock.area.choose(DRAWN)
    qtbot.waitUntil(lambda: not dock.run_row.is_ready, timeout=5000)
    assert dock.job() is None
    dock.area.stop_drawing()
    dock.area.changed.emit()
    qtbot.waitUntil(lambda: "No polygon is drawn" in dock.area.note.plain_text, timeout=5000)


def test_forecast_follows_the_map(box: AreaBox, canvas: QgsMapCanvas, qtbot: Any) -> None:
    box.choose(VISIBLE)
    with qtbot.waitSignal(box.changed):
        canvas.setExtent(MIDDLE)
    box.choose(WHOLE)
    with qtbot.assertNotEmitted(box.changed):
        canvas.setExtent(QgsRectangle(600_000, 4_998_000, 602_000, 5_000_000))


def test_state_there_and_back(box: AreaBox, canvas: QgsMapCanvas, qtbot: Any) -> None:
    box.set_polygon(Polygon(QgsGeometry.fromRect(MIDDLE), UTM))
    box.choose(DRAWN)
    state = box.state()
    box.restore({})
    assert (box.kind, box.polygon, box.state()) == (WHOLE, None, {})
    box.restore(state)
    assert box.state() == state
    box.restore({"kind": DRAWN, "polygon": "nonsense", "crs": "EPSG:32631"})
    assert box.kind == WHOLE
    assert canvas.mapTool() is not box.tool
