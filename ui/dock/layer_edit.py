"""A raster layer of the project as an option, or none."""

from __future__ import annotations

from typing import Any, Optional

from qgis.core import QgsProject, QgsRasterLayer
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QWidget

from ...core.contract import LayerSource
from .facts import layer_problem, layer_source, raster_filter


class LayerEdit(QgsMapLayerComboBox):
    """Its value is the id of a layer, "" for none: what the project remembers of it.

    changed(): another layer is chosen than before, or it is gone.
    """

    changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFilters(raster_filter())
        self.setAllowEmptyLayer(True, "None")
        self.setMinimumContentsLength(8)
        self.setSizeAdjustPolicy(QgsMapLayerComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setLayer(None)
        self.layerChanged.connect(lambda *_: self.changed.emit())

    @property
    def problem(self) -> str:
        """Why the layer cannot be used, "" where nothing is known against it."""
        layer = self.currentLayer()
        found = None if layer is None else layer_problem(layer)
        return "" if found is None else str(found)

    def option_value(self) -> str:
        """The id of the layer, "" for none."""
        layer = self.currentLayer()
        return "" if layer is None else str(layer.id())

    def set_option_value(self, value: Any) -> None:
        """Choose a layer by its id; one that is not in the project becomes none."""
        self.setLayer(raster_layer(value))


def raster_layer(key: Any) -> Optional[QgsRasterLayer]:
    """The raster layer of the project with this id, None where there is none."""
    layer = QgsProject.instance().mapLayer(key) if isinstance(key, str) and key else None
    return layer if isinstance(layer, QgsRasterLayer) else None


def source_of(key: Any) -> Optional[LayerSource]:
    """The layer with this id as the engine takes it, None where there is none."""
    layer = raster_layer(key)
    return None if layer is None else layer_source(layer, "auto", None)
