"""Refits at once where that is quick, beside the interface where it would be felt."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field

import numpy as np
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QObject, pyqtSignal

from ...core.contract import GCP, Flags, GcpTable, Reporter
from ...core.pipeline import Review
from ..run import BackgroundTask

FELT = 0.05
"""Seconds that a refit may take before the next ones are done in the background: showing it takes time, too."""

SLOW_MODEL, SLOW_FROM = "tps", 300
"""The model whose first fit prepares the next ones, and the GCPs, on or off, from which on one would be felt."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """A state of a run. enabled: (N,) the points that are on. model: name of the transform."""

    enabled: Flags
    model: str


@dataclass(eq=False)
class ListedRun:
    """A run in the table. wanted: its state to be, while the review has not followed yet.

    is_felt: model → whether its next refit is one for the background, by the last one.
    """

    title: str
    review: Review
    wanted: Wanted | None = None
    is_felt: dict[str, bool] = field(default_factory=dict)

    @property
    def is_fitting(self) -> bool:
        """Whether the review is not yet as the user wants it."""
        return self.wanted is not None

    @property
    def enabled(self) -> Flags:
        """(N,) the points that the user wants to be on."""
        return self.review.table.enabled if self.wanted is None else self.wanted.enabled

    @property
    def table(self) -> GcpTable:
        """The table as it is shown: ticks as wanted; no residuals where the points fix no transform."""
        table = self.review.table
        if self.wanted is not None:
            return table.with_columns(enabled=self.wanted.enabled)
        if self.review.problem:
            return table.with_columns(residual_px=np.full_like(table.residual_px, np.nan))
        return table

    def learn(self, model: str, seconds: float) -> None:
        """Remember how long a refit took; NaN teaches nothing."""
        if math.isfinite(seconds):
            self.is_felt[model] = seconds > FELT


class Refits(QObject):
    """Brings runs into the states that are asked for. Of several asked for one run the newest wins.

    fitted(ListedRun, str error): a refit in the background has ended; "" for no error. The run may want another
    one already (`is_fitting`).
    """

    fitted = pyqtSignal(object, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._task: BackgroundTask | None = None
        self._waiting: list[ListedRun] = []

    def ask(self, run: ListedRun, wanted: Wanted) -> None:
        """Bring a run into a state: now, or in the background (see `ListedRun.is_fitting`)."""
        if not run.is_fitting and not _would_be_felt(run, wanted):
            run.learn(wanted.model, _fit(run.review, wanted))
            return
        run.wanted = wanted
        if run not in self._waiting:
            self._waiting.append(run)
        self._start_next()

    def forget(self) -> None:
        """Start nothing more for the runs asked about so far."""
        self._waiting.clear()

    def shut_down(self) -> None:
        """Wait for what runs."""
        self.forget()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            task.wait()

    def _start_next(self) -> None:
        if self._task is not None or not self._waiting:
            return
        run = self._waiting.pop(0)
        wanted = run.wanted
        if wanted is None:
            return
        # A review replaces what it holds and changes nothing in place: the copy is the thread's alone.
        review = copy.copy(run.review)

        def work(_reporter: Reporter) -> tuple[Review, float]:
            return review, _fit(review, wanted)

        task = BackgroundTask("Fitting the transform", work)
        task.done.connect(lambda task: self._on_done(task, run, wanted))
        self._task = task
        task.start()

    def _on_done(self, task: BackgroundTask, run: ListedRun, fitted: Wanted) -> None:
        if sip.isdeleted(self) or task is not self._task:
            return
        self._task = None
        if task.result is not None:
            run.review, seconds = task.result
            run.learn(fitted.model, seconds)
        if run.wanted is fitted:
            run.wanted = None
        self._start_next()
        self.fitted.emit(run, "" if task.error is None else str(task.error))


def _would_be_felt(run: ListedRun, wanted: Wanted) -> bool:
    is_gcp = run.review.table.role == GCP
    if wanted.model == SLOW_MODEL and int((is_gcp & ~wanted.enabled).sum()) >= SLOW_FROM:
        return True  # its time grows with the cube of what is off, so that the last one says little
    is_slow = wanted.model == SLOW_MODEL and int(is_gcp.sum()) >= SLOW_FROM
    return run.is_felt.get(wanted.model, is_slow)


def _fit(review: Review, wanted: Wanted) -> float:
    """Bring a review into a state. Returns the seconds that its last refit took, NaN if they tell nothing."""
    started = time.perf_counter()
    review.choose_model(wanted.model)
    for is_on in (False, True):
        rows = np.flatnonzero((wanted.enabled != review.table.enabled) & (wanted.enabled == is_on))
        if len(rows):
            started = time.perf_counter()
            review.set_enabled(rows, is_on)
    is_fitted = review.is_changed and not review.problem  # else nothing had to be computed
    return time.perf_counter() - started if is_fitted else math.nan
