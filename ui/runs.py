"""What happens in the background: the work of each kind of task, and what it brings back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qgis.PyQt.QtCore import QCoreApplication

from ..core.contract import RegisterJob, RegisterResult, Reporter
from ..core.pipeline import EditedRun, Review, apply_edits, display_limits, register_in_worker
from .results import open_aligned


@dataclass(frozen=True)
class Outcome:
    """A finished run with all that its display needs, so that the main thread has nothing left to compute.

    aligned: layer of the aligned raster, opened but in no project yet.
    """

    result: RegisterResult
    aligned: Any
    review: Review


def registration(job: RegisterJob, python: str) -> Callable[[Reporter], Outcome]:
    """The work of a registration with the engine in `python`."""

    def work(reporter: Reporter) -> Outcome:
        return outcome_of(register_in_worker(job, python, reporter))

    return work


def delivery(edited: EditedRun, directory: str) -> Callable[[Reporter], Outcome]:
    """The work of writing a run again with its edited GCPs."""

    def work(reporter: Reporter) -> Outcome:
        return outcome_of(apply_edits(edited, directory, reporter))

    return work


def outcome_of(result: RegisterResult) -> Outcome:
    """Read what is shown, in the task's thread."""
    aligned = open_aligned(result, display_limits(result.files["aligned"]))
    aligned.moveToThread(QCoreApplication.instance().thread())
    return Outcome(result, aligned, Review(result))
