"""Where the results go."""

from __future__ import annotations

from qgis.core import QgsProcessingUtils
from qgis.gui import QgsFileWidget
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QFormLayout, QToolButton, QVBoxLayout, QWidget

from .folders import check_folder, output_folder
from .tones import ToneLabel


class OutputBox(QWidget):
    """A folder, or none for a temporary one; each run gets a folder of its own in it.

    changed(): the folder is another one than before.
    """

    changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._taken: set[str] = set()
        self.file_widget = QgsFileWidget(self)
        self.file_widget.setStorageMode(QgsFileWidget.StorageMode.GetDirectory)
        self.file_widget.setDialogTitle("Folder for the results")
        edit = self.file_widget.lineEdit()
        edit.setPlaceholderText("Temporary folder")
        tip = (
            "Folder for the results. Each run gets a new folder in it, so nothing is overwritten. "
            "Left empty, a temporary folder is taken, which QGIS removes when it closes."
        )
        for widget in (self.file_widget, edit):
            widget.setToolTip(tip)
        for button in self.file_widget.findChildren(QToolButton):
            button.setToolTip("Choose the folder")
        self.note = ToneLabel(self)
        self.form = QFormLayout()
        self.form.setHorizontalSpacing(8)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.form.addRow("Results to", self.file_widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(self.form)
        column.addWidget(self.note)
        self.file_widget.fileChanged.connect(lambda _path: self.changed.emit())

    @property
    def folder(self) -> str:
        """The folder chosen, "" for a temporary one."""
        return str(self.file_widget.filePath()).strip()

    @folder.setter
    def folder(self, path: str) -> None:
        self.file_widget.setFilePath(path)

    def plan(self, name: str) -> str:
        """The folder that the next run of a SAR layer gets. Looks at the disk; may run in any thread.

        Raises OutputError where it could not be made.
        """
        return planned_folder(self.folder, name, frozenset(self._taken))

    def take(self, folder: str) -> None:
        """A run was promised this folder: the next one gets another."""
        self._taken.add(folder)

    def release(self, folder: str) -> None:
        """A run that was promised this folder is over: what it has not made may be given to the next."""
        self._taken.discard(folder)

    @property
    def taken(self) -> frozenset[str]:
        """The folders promised so far."""
        return frozenset(self._taken)


def planned_folder(base: str, name: str, taken: frozenset[str]) -> str:
    """The folder of the next run in `base`, or in QGIS's temporary folder for "". Raises OutputError."""
    if base:
        check_folder(base)
        return output_folder(base, name, taken)
    return output_folder(QgsProcessingUtils.tempFolder(), name, taken, prefix="sarto_")
