"""Finding out in the background what a run would do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from ...core.contract import RegisterJob, SartoError

_DEBOUNCE_MS = 300
_JOIN_SECONDS = 2.0


@dataclass(frozen=True)
class Answer:
    """What came of a question: a forecast and the planned folder, or an error."""

    job: RegisterJob
    forecast: Any = None
    folder: str = ""
    error: SartoError | None = None


@dataclass(frozen=True)
class Question:
    """A job, and what plans its folder: called in the background, may raise SartoError."""

    job: RegisterJob
    plan_folder: Callable[[], str]


class Forecaster(QObject):
    """Asks `foresee` about the latest job, one question at a time; answers to older ones are dropped.

    Files are opened in a thread, for a disk may be slow or asleep. It is a plain daemon thread: one that
    hangs on a dead network drive can neither block QGIS nor keep it from closing.

    answered(Answer): in the thread of this object.
    """

    answered = pyqtSignal(object)
    _found = pyqtSignal(int, object)

    def __init__(self, foresee: Callable[[RegisterJob], Any], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._foresee = foresee
        self._number = 0
        self._pending: Question | None = None
        self._thread: threading.Thread | None = None
        self._is_open = True
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DEBOUNCE_MS)
        self._timer.timeout.connect(self._start)
        self._found.connect(self._on_found)

    def ask(self, question: Question) -> None:
        """Ask about a job as soon as no other question has followed for a moment."""
        if self._is_open:
            self._number += 1
            self._pending = question
            self._timer.start()

    def forget(self) -> None:
        """No answer is wanted any more."""
        self._number += 1
        self._pending = None
        self._timer.stop()

    def shut_down(self) -> None:
        """Drop everything and wait a little for the thread."""
        self._is_open = False
        self.forget()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)

    def _start(self) -> None:
        if self._pending is None or self._thread is not None:
            return  # after a running question `_on_found` comes back here
        question, self._pending = self._pending, None
        self._thread = threading.Thread(
            target=self._work, args=(self._number, question), name="sarto-forecast", daemon=True
        )
        self._thread.start()

    def _work(self, number: int, question: Question) -> None:
        job = question.job
        try:
            folder = question.plan_folder()
            answer = Answer(job, self._foresee(job), folder)
        except SartoError as error:
            answer = Answer(job, error=error)
        except Exception as error:  # a defect of ours must be seen, and must not end the thread silently
            text = f"Unexpected error: {type(error).__name__}: {error}."
            answer = Answer(job, error=SartoError(text, "Please report it."))
        try:
            self._found.emit(number, answer)
        except RuntimeError:  # the dock was deleted meanwhile
            return

    def _on_found(self, number: int, answer: Answer) -> None:
        self._thread = None
        if self._pending is not None:
            if not self._timer.isActive():
                self._start()
        elif number == self._number and self._is_open:
            self.answered.emit(answer)
