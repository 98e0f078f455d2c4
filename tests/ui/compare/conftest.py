"""A canvas and two layers of plain colours; a third lies over both."""

from __future__ import annotations

import numpy as np
import pytest
from osgeo import gdal, osr
from qgis.core import QgsCoordinateReferenceSystem, QgsProject, QgsRasterLayer, QgsRectangle
from qgis.gui import QgsMapCanvas
from sarto.ui.compare import CompareBar

RED, BLUE, GREEN = "#ff0000", "#0000ff", "#00ff00"


def write(path, colour) -> str:
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32632)
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 100, 100, 3)
    dataset.SetGeoTransform((500_000, 10, 0, 5_500_000, 0, -10))
    dataset.SetProjection(reference.ExportToWkt())
    for number, value in enumerate(bytes.fromhex(colour[1:]), 1):
        dataset.GetRasterBand(number).WriteArray(np.full((100, 100), value, np.uint8))
    del dataset
    return str(path)


@pytest.fixture
def layers(tmp_path, qgis_app, qgis_new_project):
    """(red reference, blue aligned); the green one above them is in the project too."""
    made = []
    for name, colour in (("Above", GREEN), ("Optical", RED), ("SAR (aligned)", BLUE)):
        layer = QgsRasterLayer(write(tmp_path / f"{colour[1:]}.tif", colour), name)
        QgsProject.instance().addMapLayer(layer)
        made.append(layer)
    return made[1:]


@pytest.fixture
def canvas(layers, qtbot):
    """600 × 400 pixels, wholly within the layers; shows the green one."""
    canvas = QgsMapCanvas()
    qtbot.addWidget(canvas)
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:32632"))
    canvas.setLayers(QgsProject.instance().mapLayersByName("Above"))
    canvas.resize(600, 400)
    canvas.show()
    canvas.setExtent(QgsRectangle(500_300, 5_499_400, 500_600, 5_499_600))
    yield canvas
    canvas.stopRendering()


@pytest.fixture
def bar(canvas):
    bar = CompareBar(canvas)
    yield bar
    bar.shut_down()
