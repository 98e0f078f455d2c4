"""The layer of the land cover that a method saw."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsPalettedRasterRenderer, QgsProject, QgsRasterLayer
from qgis.PyQt.QtGui import QColor

from ...core.pipeline import read_land_cover

NAME = "Land cover seen"
_OPACITY = 0.7  # the image below must be seen to judge it


def open_cover(path: Path, project: QgsProject) -> QgsRasterLayer:
    """The layer with its classes as legend, not in the project yet. Raises InputError where there is none."""
    classes = read_land_cover(path).classes
    # Not the default style: with two bands QGIS would take the raster for a picture in colours.
    options = QgsRasterLayer.LayerOptions(False, project.transformContext())
    options.skipCrsValidation = True
    layer = QgsRasterLayer(str(path), NAME, "gdal", options)
    entries = [QgsPalettedRasterRenderer.Class(c.value, QColor(c.colour), c.title) for c in classes]
    renderer = QgsPalettedRasterRenderer(layer.dataProvider(), 1, entries)
    renderer.setOpacity(_OPACITY)
    layer.setRenderer(renderer)
    return layer
