"""Choosing bands: automatic, the mean of all, one, or several typed in."""

from __future__ import annotations

from qgis.core import QgsRasterLayer
from qgis.gui import QgsRasterBandComboBox
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QComboBox, QWidget

AUTO = "auto"


class BandCombo(QComboBox):
    """An editable box whose value is written as in `LayerSource.bands`.

    bands_changed(): the value is another one than before.
    """

    bands_changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setCompleter(None)  # completing '4' to '4,3,2' or to a band's name would only be in the way
        self._band_count = 0
        self._last = AUTO
        self.show_layer(None)
        self.currentTextChanged.connect(self._on_text)

    def show_layer(self, layer: QgsRasterLayer | None) -> None:
        """Offer the bands of another layer; the choice becomes automatic."""
        self.blockSignals(True)
        self.clear()
        self.addItem("Automatic", AUTO)
        self.addItem("Mean of all", "mean")
        provider = layer.dataProvider() if layer is not None else None
        self._band_count = layer.bandCount() if layer is not None and provider is not None else 0
        for number in range(1, self._band_count + 1):
            self.addItem(QgsRasterBandComboBox.displayBandName(provider, number), str(number))
        self.setCurrentIndex(0)
        self.blockSignals(False)
        self._on_text()

    @property
    def bands(self) -> str:
        """The choice, for example 'auto', 'mean', '2', '4,3,2' or 'VV'."""
        text = self.currentText().strip()
        index = self.findText(text)
        if index >= 0:
            return str(self.itemData(index))
        return ",".join(part.strip() for part in text.split(",")) if text else AUTO

    @bands.setter
    def bands(self, value: str) -> None:
        index = self.findData(value)
        if index >= 0:
            self.setCurrentIndex(index)
        else:
            self.setEditText(value)

    @property
    def problem(self) -> str:
        """What is wrong with the text as it stands, "" if nothing is. Names are left to the engine."""
        for part in self.bands.split(","):
            if not part:
                return "A band is missing between the commas. Write for example 4,3,2."
            if part.isdecimal() and self._band_count and not 1 <= int(part) <= self._band_count:
                return f"There is no band {part}. The layer has bands 1 to {self._band_count}."
        return ""

    def _on_text(self) -> None:
        if self.bands != self._last:
            self._last = self.bands
            self.bands_changed.emit()
