"""The two layer boxes: optical and SAR, with their bands, kept apart and guessed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from qgis.core import QgsMapLayer, QgsProject, QgsRasterLayer
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ...core.contract import LayerSource, SartoError
from .band_combo import AUTO, BandCombo
from .facts import facts_of, layer_problem, layer_source, raster_filter
from .guess import guess_pair, is_sar
from .tones import ToneLabel

BOXES = ("reference", "moving")
_TITLES = {"reference": "Optical layer (stays)", "moving": "SAR layer (is moved)"}
_TIPS = {
    "reference": "The optical layer. It is where it should be, and stays; the SAR layer is moved onto it.",
    "moving": "The SAR layer. A moved copy of it is written; the layer itself is never changed.",
}
_BANDS_TIP = (
    "Bands that are compared. Automatic takes {auto}. Choose one band, or write several, for example {several}."
)
_BANDS_WORDS = {
    "reference": {"auto": "red, green and blue", "several": "8,4,3: up to four are looked at one by one"},
    "moving": {"auto": "the mean of VV and VH", "several": "1,2: their mean is taken"},
}


class LayerRow(QWidget):
    """A layer, its bands, and what is wrong with them.

    changed(): layer or bands are others than before, or the layer's name, CRS or file is.
    chosen(): the user, not the program, chose the layer.
    """

    changed = pyqtSignal()
    chosen = pyqtSignal()

    def __init__(self, box: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = box
        self.is_chosen = False
        self._watched: QgsMapLayer | None = None
        self.title = QLabel(_TITLES[box], self)
        self.layer_combo = QgsMapLayerComboBox(self)
        self.layer_combo.setFilters(raster_filter())
        self.layer_combo.setAllowEmptyLayer(True, "Choose a layer")
        self.layer_combo.setMinimumContentsLength(8)
        self.layer_combo.setSizeAdjustPolicy(
            QgsMapLayerComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.layer_combo.setLayer(None)
        self.layer_combo.setToolTip(_TIPS[box])
        self.title.setBuddy(self.layer_combo)
        self.band_combo = BandCombo(self)
        self.band_combo.setToolTip(_BANDS_TIP.format(**_BANDS_WORDS[box]))
        self.layer_note, self.band_note = ToneLabel(self), ToneLabel(self)
        self._lay_out()
        self.layer_combo.layerChanged.connect(self._on_layer)
        self.layer_combo.activated.connect(self._on_activated)
        self.band_combo.bands_changed.connect(self.changed)

    def _lay_out(self) -> None:
        self.header = QHBoxLayout()
        self.header.addWidget(self.title, 1)
        bands = QFormLayout()
        bands.setContentsMargins(0, 0, 0, 0)
        bands.setHorizontalSpacing(8)
        bands.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        bands.addRow("Bands", self.band_combo)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(self.header)
        column.addWidget(self.layer_combo)
        column.addWidget(self.layer_note)
        column.addLayout(bands)
        column.addWidget(self.band_note)

    @property
    def layer(self) -> QgsRasterLayer | None:
        """The chosen layer."""
        return self.layer_combo.currentLayer()

    @property
    def is_kept(self) -> bool:
        """Whether guesses leave the layer alone: the user chose it, or bands of it."""
        return self.layer is not None and (self.is_chosen or self.band_combo.bands != AUTO)

    def set_layer(self, layer: QgsMapLayer | None, is_chosen: bool) -> None:
        """Show a layer. is_chosen: as the user's choice, which guesses leave alone."""
        self.layer_combo.setLayer(layer)
        self.is_chosen = is_chosen and layer is not None

    def _on_activated(self, *_: object) -> None:
        self.is_chosen = self.layer is not None
        self.chosen.emit()

    def _on_layer(self, *_: object) -> None:
        self._watch(self.layer)
        if self.layer is None:
            self.is_chosen = False
        self.band_combo.show_layer(self.layer)
        self.changed.emit()

    def _watch(self, layer: QgsMapLayer | None) -> None:
        """Notice when the layer shown gets another name, CRS or file."""
        if self._watched is not None:
            for signal in self._signals(self._watched):
                with suppress(TypeError, RuntimeError):  # it is gone with its layer
                    signal.disconnect(self.changed)
            with suppress(TypeError, RuntimeError):
                self._watched.willBeDeleted.disconnect(self._forget)
        self._watched = layer
        if layer is not None:
            for signal in self._signals(layer):
                signal.connect(self.changed)
            layer.willBeDeleted.connect(self._forget)

    @staticmethod
    def _signals(layer: QgsMapLayer) -> tuple[Any, ...]:
        try:
            return layer.nameChanged, layer.crsChanged, layer.dataSourceChanged
        except RuntimeError:  # the layer was deleted meanwhile
            return ()

    def _forget(self) -> None:
        self._watched = None


class LayersBox(QWidget):
    """Both layers; never the same one twice by a guess, and never a guess against the user's choice.

    changed(): what is chosen is another than before.
    """

    changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = {box: LayerRow(box, self) for box in BOXES}
        self.reference, self.moving = self.rows["reference"], self.rows["moving"]
        self.swap_button = QPushButton("Swap", self)
        self.swap_button.setToolTip("Exchange the optical and the SAR layer")
        self.moving.header.addWidget(self.swap_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.reference)
        column.addWidget(self.moving)
        QWidget.setTabOrder(self.reference.band_combo, self.swap_button)
        QWidget.setTabOrder(self.swap_button, self.moving.layer_combo)
        self.swap_button.clicked.connect(self.swap)
        for row in self.rows.values():
            row.changed.connect(self.changed)
            row.chosen.connect(self.guess)

    def guess(self) -> None:
        """Fill the boxes that the user has not filled."""
        layers = raster_layers()
        chosen = [row.layer.id() if row.is_kept and row.layer else None for row in self.rows.values()]
        if all(chosen):
            return
        pair = guess_pair([facts_of(layer) for layer in layers], *chosen)
        by_id = {layer.id(): layer for layer in layers}
        for row, key in zip(self.rows.values(), pair):
            if not row.is_kept and (row.layer.id() if row.layer else None) != key:
                row.set_layer(by_id.get(key or ""), is_chosen=False)

    def choose_layer(self, layer: QgsMapLayer) -> None:
        """Put a layer where it seems to belong, as the user's choice; the other box makes room for it."""
        is_moving = isinstance(layer, QgsRasterLayer) and is_sar(facts_of(layer))
        row, other = (self.moving, self.reference) if is_moving else (self.reference, self.moving)
        row.set_layer(layer, is_chosen=True)
        if other.layer is not None and other.layer.id() == layer.id():
            other.set_layer(None, is_chosen=False)
        self.guess()

    def swap(self) -> None:
        """Exchange the layers with their bands; this counts as the user's choice."""
        first, second = self.reference, self.moving
        layers, bands = (first.layer, second.layer), (first.band_combo.bands, second.band_combo.bands)
        first.set_layer(layers[1], is_chosen=True)
        second.set_layer(layers[0], is_chosen=True)
        first.band_combo.bands, second.band_combo.bands = bands[1], bands[0]

    def keep(self) -> None:
        """What is shown now is the user's choice, for example because it was run."""
        for row in self.rows.values():
            row.is_chosen = row.layer is not None

    def clear(self) -> None:
        """Forget what was chosen."""
        for row in self.rows.values():
            row.set_layer(None, is_chosen=False)

    def source(self, box: str, nodata: float | None) -> LayerSource | None:
        """The layer of a box as the engine takes it, None while there is none."""
        row = self.rows[box]
        return None if row.layer is None else layer_source(row.layer, row.band_combo.bands, nodata)

    def problems(self) -> dict[str, SartoError]:
        """Place → what is wrong, as far as is known without opening files."""
        found: dict[str, SartoError] = {}
        for box, row in self.rows.items():
            problem = layer_problem(row.layer, box)
            if problem is not None:
                found[box] = problem
            elif row.band_combo.problem:
                found[f"{box}.bands"] = SartoError(row.band_combo.problem)
        reference, moving = self.reference.layer, self.moving.layer
        if reference is not None and moving is not None and not found and reference.id() == moving.id():
            message = f"Layer '{moving.name()}' is chosen twice."
            found["moving"] = SartoError(message, "Choose another layer here.")
        return found

    def note_at(self, place: str) -> ToneLabel | None:
        """The line for problems of a layer ("moving") or its bands ("moving.bands")."""
        box, _, part = place.partition(".")
        if box not in self.rows or part not in ("", "bands"):
            return None
        return self.rows[box].band_note if part else self.rows[box].layer_note

    def clear_problems(self) -> None:
        """Empty these lines."""
        for row in self.rows.values():
            row.layer_note.say("")
            row.band_note.say("")

    def state(self) -> dict[str, str]:
        """What the user chose, for the project's settings."""
        found = {}
        for box, row in self.rows.items():
            if row.is_kept and row.layer is not None:
                found[box] = row.layer.id()
            if row.band_combo.bands != AUTO:
                found[f"{box}_bands"] = row.band_combo.bands
        return found

    def restore(self, state: dict[str, str]) -> None:
        """Take over a state; what does not fit the project is ignored."""
        for box, row in self.rows.items():
            layer = QgsProject.instance().mapLayer(state.get(box, ""))
            if isinstance(layer, QgsRasterLayer):
                row.set_layer(layer, is_chosen=True)
        self.guess()
        for box, row in self.rows.items():
            bands = state.get(f"{box}_bands", "")
            if bands and row.layer is not None:
                row.band_combo.bands = bands


def raster_layers() -> list[QgsRasterLayer]:
    """The project's raster layers, as they lie in the layer tree from the top."""
    project = QgsProject.instance()
    ordered = project.layerTreeRoot().layerOrder()
    known = {layer.id() for layer in ordered}
    rest = [layer for key, layer in project.mapLayers().items() if key not in known]
    return [layer for layer in (*ordered, *rest) if isinstance(layer, QgsRasterLayer)]
