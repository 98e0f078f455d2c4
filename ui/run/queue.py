"""One run at a time: several would only fight for the same memory and the same graphics card."""

from __future__ import annotations

from collections import deque

from qgis.PyQt.QtCore import QObject, pyqtSignal

from .task import BackgroundTask


class RunQueue(QObject):
    """Runs tasks in the order in which they were submitted.

    changed(): the running or the waiting ones are others than before.
    """

    changed = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._running: BackgroundTask | None = None
        self._waiting: deque[BackgroundTask] = deque()
        self._is_open = True

    @property
    def running(self) -> BackgroundTask | None:
        """The task in work."""
        return self._running

    @property
    def waiting(self) -> tuple[BackgroundTask, ...]:
        """The tasks that wait, the next one first."""
        return tuple(self._waiting)

    def submit(self, task: BackgroundTask) -> None:
        """Run it now, or when those before it are done."""
        self._waiting.append(task)
        self._start_next()
        self.changed.emit()

    def cancel(self, task: BackgroundTask) -> None:
        """Cancel a running or waiting task; its `done` follows."""
        if task in self._waiting:
            self._waiting.remove(task)
            task.cancel()
            task.finished(False)
            self.changed.emit()
        elif task is self._running:
            task.cancel()

    def cancel_all(self) -> None:
        """Cancel what runs and what waits."""
        for task in (*self._waiting, *([self._running] if self._running else [])):
            self.cancel(task)

    def shut_down(self, seconds: float = 5.0) -> None:
        """Cancel everything and wait until the running task has let go, so that nothing outlives QGIS."""
        self._is_open = False
        running = self._running
        self.cancel_all()
        if running is not None:
            running.wait(seconds)

    def _start_next(self) -> None:
        if self._running is not None or not self._waiting or not self._is_open:
            return
        self._running = self._waiting.popleft()
        self._running.done.connect(self._on_done)
        self._running.start()

    def _on_done(self, task: BackgroundTask) -> None:
        if task is self._running:
            self._running = None
            self._start_next()
            self.changed.emit()
