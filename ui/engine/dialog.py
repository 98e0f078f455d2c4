"""The dialog that chooses and checks the engine's Python."""

from __future__ import annotations

from qgis.gui import QgsFileWidget
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ...core.contract import EngineError, Reporter
from ...core.pipeline import check_engine
from ..run import BackgroundTask
from .find import chosen_engine, find_engine, remember_engine


class EngineDialog(QDialog):
    """Shows which Python the engine runs with, lets the user choose another one, and checks it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Sarto: matching engine")
        self.setMinimumWidth(560)
        self._task: BackgroundTask | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 12)
        layout.setSpacing(12)
        intro = QLabel(
            "Matching runs in a process of its own, with a Python that has torch and OpenCV. "
            "Leave the field empty to let Sarto look for one."
        )
        intro.setWordWrap(True)
        layout.addWidget(intro)
        self.path = QgsFileWidget()
        self.path.setStorageMode(QgsFileWidget.StorageMode.GetFile)
        self.path.setDialogTitle("Python of the matching engine")
        self.path.setFilePath(chosen_engine())
        self.path.lineEdit().setPlaceholderText("Look for one")
        self.path.setToolTip("The Python program (python, python3 or python.exe) of an environment with torch.")
        self.path.lineEdit().setToolTip(self.path.toolTip())
        self.check_button = QPushButton("Check")
        self.check_button.setToolTip("Start the engine once and see what it has. Takes some seconds.")
        self.check_button.clicked.connect(self.check)
        row = QHBoxLayout()
        row.addWidget(self.path, 1)
        row.addWidget(self.check_button)
        layout.addLayout(row)
        self.status = QLabel(_found())
        self.status.setWordWrap(True)
        self.status.setMinimumHeight(4 * self.status.fontMetrics().height())
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(self.status)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout.addStretch(1)
        layout.addWidget(buttons)
        self.path.fileChanged.connect(self._on_path)

    def _on_path(self, path: str) -> None:
        self.status.setText("Not checked yet." if path.strip() else _found())

    def check(self) -> None:
        """Start the chosen engine in the background and show what it says."""
        if self._task is not None:
            return
        try:
            python = self.path.filePath().strip() or find_engine().python
        except EngineError as error:
            self.status.setText(str(error))
            return
        self.check_button.setEnabled(False)
        self.status.setText("Starting the engine …")

        def work(reporter: Reporter) -> str:
            return check_engine(python, reporter)

        self._task = BackgroundTask("Checking Sarto's engine", work)
        self._task.done.connect(self._show)
        self._task.start()

    def _show(self, task: BackgroundTask) -> None:
        self._task = None
        self.check_button.setEnabled(True)
        if task.error is not None:
            self.status.setText(str(task.error))
        elif task.result:
            self.status.setText(f"It works: {task.result}.")

    def accept(self) -> None:
        """Remember the choice."""
        remember_engine(self.path.filePath().strip())
        super().accept()

    def done(self, result: int) -> None:
        """Close; a check that still runs is cancelled."""
        if self._task is not None:
            self._task.done.disconnect(self._show)
            self._task.cancel()
            self._task = None
        super().done(result)


def _found() -> str:
    """What Sarto takes by itself, or what it needs."""
    try:
        choice = find_engine()
    except EngineError as error:
        return str(error)
    return f"In use: {choice.python} ({choice.origin}). Not checked yet."
