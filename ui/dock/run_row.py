"""The row that is always seen: what will happen, run or cancel, progress."""

from __future__ import annotations

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QAction, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from ..run import Progress
from .sentences import progress_sentence, waiting_sentence
from .tones import PLAIN, Banner, ToneLabel

_SHORTCUT = "Ctrl+Return"


class RunRow(QWidget):
    """Messages, forecast, progress and the buttons.

    run_clicked(): run, or queue behind the run in work. cancel_clicked(): stop the run in work.
    waiting_cancelled(): take the last of the waiting runs away.
    """

    run_clicked = pyqtSignal()
    cancel_clicked = pyqtSignal()
    waiting_cancelled = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.is_running = False
        self._is_ready, self._why_not = False, ""
        self.problem, self.result = Banner(self), Banner(self)
        self.forecast_label = ToneLabel(self, small=False)
        self.stage_label = ToneLabel(self)
        self.waiting_row = QWidget(self)
        self.waiting_label = QLabel(self.waiting_row)
        self.remove_button = QPushButton("Remove", self.waiting_row)
        self.bar = QProgressBar(self)
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setToolTip("How far the run is")
        self.run_button, self.queue_button = QPushButton(self), QPushButton("Queue", self)
        self._make_buttons()
        self._lay_out()
        self.show_running(None, 0)

    def _make_buttons(self) -> None:
        font = self.run_button.font()
        font.setBold(True)
        self.run_button.setFont(font)
        self.run_button.setMinimumHeight(round(1.5 * self.run_button.sizeHint().height()))
        self.run_button.setDefault(True)
        self.run_button.clicked.connect(self._on_clicked)
        self.queue_button.setMinimumHeight(self.run_button.minimumHeight())
        self.queue_button.clicked.connect(self.run_clicked)
        self.remove_button.setToolTip("Take the run that was queued last out of the queue")
        self.remove_button.clicked.connect(self.waiting_cancelled)
        self.run_action = QAction("Register", self)
        self.run_action.setShortcut(_SHORTCUT)
        self.run_action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self.run_action.triggered.connect(self._on_shortcut)

    def _lay_out(self) -> None:
        waiting = QHBoxLayout(self.waiting_row)
        waiting.setContentsMargins(0, 0, 0, 0)
        waiting.addWidget(self.waiting_label, 1)
        waiting.addWidget(self.remove_button)
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, 1)
        buttons.addWidget(self.queue_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 6, 0, 0)
        column.setSpacing(6)
        for widget in (self.problem, self.result, self.forecast_label, self.stage_label, self.bar):
            column.addWidget(widget)
        column.addWidget(self.waiting_row)
        column.addLayout(buttons)

    def set_ready(self, is_ready: bool, why_not: str = "") -> None:
        """Whether the settings allow a run; if not, why not, for the button's tooltip."""
        self._is_ready, self._why_not = is_ready, why_not
        self._show_buttons()

    @property
    def is_ready(self) -> bool:
        """Whether the settings allow a run."""
        return self._is_ready

    def show_running(self, title: str | None, waiting: int) -> None:
        """title: of the run in work, None for none. waiting: runs behind it."""
        started = title is not None and not self.is_running
        self.is_running = title is not None
        if started:
            self.bar.setValue(0)
            self.stage_label.say(title or "", PLAIN)
        elif not self.is_running:
            self.stage_label.say("", PLAIN)
        self.bar.setVisible(self.is_running)
        self.waiting_label.setText(waiting_sentence(waiting))
        self.waiting_row.setVisible(waiting > 0)
        self._show_buttons()

    def show_progress(self, progress: Progress) -> None:
        """Stage, share of the whole, and time left of the run in work."""
        if self.is_running:
            self.bar.setValue(round(1000 * min(1.0, max(0.0, progress.overall))))
            self.stage_label.say(progress_sentence(progress.stage, progress.seconds_left), PLAIN)

    def _show_buttons(self) -> None:
        if self.is_running:
            self.run_button.setText("Cancel")
            self.run_button.setToolTip("Stop the run. Nothing is left half-written.")
        else:
            self.run_button.setText("Register")
            ready = f"Register the SAR layer to the optical layer ({_SHORTCUT})"
            self.run_button.setToolTip(ready if self._is_ready else self._why_not)
        self.run_button.setEnabled(self.is_running or self._is_ready)
        self.queue_button.setVisible(self.is_running)
        self.queue_button.setEnabled(self._is_ready)
        queue = "Run this too, as soon as the run in work is done"
        self.queue_button.setToolTip(queue if self._is_ready else self._why_not)

    def _on_clicked(self) -> None:
        if self.is_running:
            self.run_button.setEnabled(False)
            self.run_button.setText("Cancelling…")
            self.cancel_clicked.emit()
        elif self._is_ready:
            self.run_clicked.emit()

    def _on_shortcut(self) -> None:
        if self._is_ready:
            self.run_clicked.emit()
