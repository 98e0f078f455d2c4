"""A CRS that was set in QGIS, of which the engine, which reads the file, knows nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from osgeo import gdal
from qgis.core import QgsCoordinateReferenceSystem, QgsProject, QgsRasterLayer
from sarto.ui.dock import RegisterDock
from sarto.ui.dock.facts import layer_problem

from .conftest import Pair

UTM31, UTM32 = (QgsCoordinateReferenceSystem(f"EPSG:{code}") for code in (32631, 32632))


def without_crs(path: Path, is_placed: bool) -> QgsRasterLayer:
    """A file without CRS; is_placed: it has coordinates (as from a world file)."""
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 50, 50)
    if is_placed:
        dataset.SetGeoTransform((600_000, 10, 0, 5_000_000, 0, -10))
    del dataset
    layer = QgsRasterLayer(str(path), "scan")
    layer.setCrs(QgsCoordinateReferenceSystem())
    return layer


def test_another_crs_is_refused_and_can_be_set_back(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: dock.run_row.is_ready, timeout=5000)
    pair.sar.setCrs(UTM32)
    qtbot.waitUntil(lambda: not dock.run_row.is_ready, timeout=5000)
    text = dock.layers.moving.layer_note.plain_text
    assert text.startswith("Layer 'S1 VV' has EPSG:32632 in QGIS, but its file states EPSG:32631.")
    assert "Save As…" in text
    assert "set the layer's CRS back" in text
    assert dock.job() is None
    dock.layers.guess()  # the layer does not vanish from its box
    assert dock.layers.moving.layer is pair.sar
    pair.sar.setCrs(UTM31)
    qtbot.waitUntil(lambda: dock.run_row.is_ready, timeout=5000)


def test_a_crs_for_a_file_without_one(tmp_path: Path, qgis_new_project: None) -> None:
    layer = without_crs(tmp_path / "scan.tif", is_placed=True)
    assert layer_problem(layer, "moving") is None
    layer.setCrs(UTM31)
    problem = layer_problem(layer, "moving")
    assert problem is not None
    assert problem.message == "Layer 'scan' has EPSG:32631 in QGIS, but its file states no CRS."
    assert "set the layer's CRS back" not in problem.hint


def test_a_plain_image_stays_one(tmp_path: Path, qgis_new_project: None) -> None:
    """QGIS can be told to give the project's CRS to all that has none; nobody has placed the image with that."""
    layer = without_crs(tmp_path / "scan.tif", is_placed=False)
    assert layer_problem(layer, "moving") is None
    layer.setCrs(UTM31)
    assert layer_problem(layer, "moving") is None


def test_a_crs_that_was_taken_away(pair: Pair) -> None:
    pair.sar.setCrs(QgsCoordinateReferenceSystem())
    problem = layer_problem(pair.sar, "moving")
    assert problem is not None
    assert "has no CRS in QGIS, but its file states EPSG:32631" in problem.message


@pytest.mark.parametrize("how", ["wkt", "proj"])
def test_the_same_definition_under_another_name(pair: Pair, how: str) -> None:
    text = UTM31.toWkt() if how == "wkt" else UTM31.toProj()
    make = QgsCoordinateReferenceSystem.fromWkt if how == "wkt" else QgsCoordinateReferenceSystem.fromProj
    pair.sar.setCrs(make(text))
    assert layer_problem(pair.sar, "moving") is None


def test_layers_of_all_kinds_in_a_project_are_as_their_files(pair: Pair) -> None:
    layers = QgsProject.instance().mapLayers().values()
    assert [layer_problem(layer, "moving") for layer in layers] == [None, None]
