"""An editor for the name of a file that exists, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qgis.gui import QgsFileWidget
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QHBoxLayout, QToolButton, QWidget

if TYPE_CHECKING:
    from .editors import OptionSpec

_LETTERS = 30
"""Room for a file's name."""


class FileEdit(QWidget):
    """A file of weights; empty for those that come with Sarto."""

    changed = pyqtSignal()

    def __init__(self, spec: OptionSpec, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.file_widget = QgsFileWidget(self)
        self.file_widget.setStorageMode(QgsFileWidget.StorageMode.GetFile)
        self.file_widget.setDialogTitle(spec.label)
        self.file_widget.setFilter("Weights (*.safetensors)")
        self.file_widget.lineEdit().setPlaceholderText("Those of Sarto")
        for button in self.file_widget.findChildren(QToolButton):
            button.setToolTip("Choose the file")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.file_widget)
        self.setMinimumWidth(_LETTERS * self.fontMetrics().averageCharWidth())
        self.setFocusProxy(self.file_widget.lineEdit())
        self.set_option_value(spec.default)
        self.file_widget.fileChanged.connect(lambda _path: self.changed.emit())

    def setToolTip(self, text: str) -> None:  # noqa: N802 - Qt's name
        """What the file is for is said where it is typed."""
        self.file_widget.lineEdit().setToolTip(text)

    def option_value(self) -> str:
        """The file, "" for none."""
        return str(self.file_widget.filePath()).strip()

    def set_option_value(self, value: Any) -> None:
        """Show a file, or none."""
        self.file_widget.setFilePath(str(value or ""))
