"""Work in the background of QGIS."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from qgis.core import Qgis, QgsApplication, QgsMessageLog, QgsTask
from qgis.PyQt.QtCore import QTimer, pyqtSignal

from ...core.contract import Cancelled, EngineError, Reporter, SartoError
from ...core.pipeline import Overall
from .progress import Progress

LOG_TAG = "Sarto"
_held: set[BackgroundTask] = set()
"""Tasks that were started and have not ended."""


class BackgroundTask(QgsTask):
    """Does `work(reporter)` in a thread of its own; all signals arrive in the thread that made the task.

    title: shown by QGIS's task manager. expected_seconds: estimate of the whole, which the time left starts
    from (NaN = none). method: that matches in it, "" if none does. Afterwards one of `result` and `error` is set,
    or neither after a cancel.

    progressed(Progress): while it runs. logged(str): a line for the user. done(task): exactly once, at the
    end, whichever way that came.
    """

    progressed = pyqtSignal(object)
    logged = pyqtSignal(str)
    done = pyqtSignal(object)

    def __init__(
        self,
        title: str,
        work: Callable[[Reporter], Any],
        expected_seconds: float = float("nan"),
        method: str = "",
    ) -> None:
        flags = QgsTask.Flag.CanCancel | QgsTask.Flag.CancelWithoutPrompt
        # Sarto says itself what came out; QGIS before 3.26 cannot be told to be silent.
        super().__init__(title, flags | getattr(QgsTask.Flag, "Silent", flags))
        self.title = title
        self.result: Any = None
        self.error: SartoError | None = None
        self._work = work
        self._overall = Overall(expected_seconds, method)
        self._is_over = False
        self._is_unwanted = False

    def start(self) -> None:
        """Hand it to QGIS's task manager as soon as the event loop is free.

        Added while the manager still puts another task away (so from that one's `done`), a task may get the
        address of the other one's runnable, and the manager then takes it out of the pool: it waits forever
        (QGIS issue 53806). It is held until its thread has ended: the manager holds its C++ half only.
        """
        _held.add(self)
        QTimer.singleShot(0, self._begin)

    def _begin(self) -> None:
        if self._is_over:
            _held.discard(self)
        else:
            QgsApplication.taskManager().addTask(self)

    def wait(self, seconds: float = 5.0) -> None:
        """Wait until its thread has let go.

        A task that has not begun is cancelled: the event loop begins it, which stands still meanwhile.
        """
        if self.isActive():
            self.waitForFinished(round(1000 * seconds))
        else:
            self.cancel()

    def run(self) -> bool:
        """In the thread: never raises, for QGIS would show a traceback."""
        reporter = Reporter(self._on_progress, self._on_log, self._is_to_stop)
        try:
            reporter.check()
            self.result = self._work(reporter)
        except Cancelled:
            return False
        except SartoError as error:
            self.error = error
        except MemoryError:
            self.error = EngineError("The memory does not suffice.", "Use a smaller area or larger pixels.")
        except Exception as error:  # a defect of ours: shown like any other error, with the place in the log
            self._on_log(traceback.format_exc(), Qgis.MessageLevel.Critical)
            self.error = SartoError(
                f"Unexpected error: {type(error).__name__}: {error}",
                f"The log '{LOG_TAG}' shows where it happened.",
            )
        return self.error is None

    def cancel(self) -> None:
        """Stop as soon as possible.

        QGIS deletes a task that is cancelled before its thread has begun. The thread may begin all the same, with
        what is left of it, and QGIS crashes. So the task begins, and ends at once.
        """
        self._is_unwanted = True
        if self.status() != QgsTask.TaskStatus.Queued:
            super().cancel()
        else:
            self._end()  # for us it is over now, however long others keep QGIS's threads

    def _is_to_stop(self) -> bool:
        return self._is_unwanted or bool(self.isCanceled())

    def finished(self, _ok: bool) -> None:
        """In the main thread, called by QGIS after `run`, or instead of it where it was cancelled before."""
        _held.discard(self)
        self._end()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self.done.emit(self)

    @property
    def came_too_late(self) -> bool:
        """Whether the cancel came when the result was there already."""
        return self._is_unwanted and self.result is not None

    @property
    def was_cancelled(self) -> bool:
        """Whether it ended without result and without error."""
        return self.result is None and self.error is None

    def _on_progress(self, stage: str, fraction: float) -> None:
        overall, left = self._overall.update(stage, fraction)
        self.setProgress(100 * overall)
        self.progressed.emit(Progress(stage, overall, left))

    def _on_log(self, message: str, level: Qgis.MessageLevel = Qgis.MessageLevel.Info) -> None:
        QgsMessageLog.logMessage(message, LOG_TAG, level)
        self.logged.emit(message)
