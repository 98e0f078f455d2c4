"""A finished run under review: GCPs are switched on and off, the transform follows at once."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..contract import CHECK, GCP, GcpTable, InputError, RegisterResult, from_dict
from ..geometry import LiveFit, Summary, Transform, from_record, minimum_points, summary
from ..report import Ruler

ROWS_OFF = "rows switched off by hand"
"""Key in the steps of a run that was delivered again: rows (from 0) of its table."""


def is_edited(result: RegisterResult) -> bool:
    """Whether a run was delivered again after its GCPs or its transform were chosen by hand."""
    return ROWS_OFF in result.steps


@dataclass(frozen=True)
class EditedRun:
    """A snapshot of a review, safe to hand to another thread. transform: reference pixel → moving pixel."""

    result: RegisterResult
    table: GcpTable
    model: str
    transform: Transform

    @property
    def rows_off(self) -> list[int]:
        """The rows that are off by hand, in this edit or in one before that this run was made by."""
        off = self.result.gcps.enabled & ~self.table.enabled
        off[np.array(self.result.steps.get(ROWS_OFF, []), dtype=np.int64)] = True
        return [int(row) for row in np.flatnonzero(off & ~self.table.enabled)]

    @property
    def switched_off(self) -> dict[str, int]:
        """How many points of each role are off by hand."""
        roles = self.table.role[np.array(self.rows_off, dtype=np.int64)]
        return {role: int((roles == role).sum()) for role in (GCP, CHECK)}

    @property
    def switched_on(self) -> int:
        """How many points the user switched on that had not taken part."""
        return int((self.table.enabled & ~self.result.gcps.enabled).sum())


class Review:
    """The GCPs of one run while they are edited. Imports nothing heavy; for one thread.

    result: the run as it was. table: the GCPs now; its residuals follow every edit. model: the transform now.
    problem: why the enabled GCPs do not suffice, else ""; the residuals are then the last good ones.
    """

    def __init__(self, result: RegisterResult) -> None:
        self.result = result
        self.reset()

    @classmethod
    def load(cls, record: Path) -> Review:
        """The review of a run whose record.json is on the disk. Raises InputError.

        A folder that was moved is taken as it lies now: what is written next goes beside it.
        """
        result, folder = load_result(record), Path(record).absolute().parent
        if Path(result.job.output.directory) != folder:
            job = replace(result.job, output=replace(result.job.output, directory=str(folder)))
            files = {kind: str(folder / Path(path.replace("\\", "/")).name) for kind, path in result.files.items()}
            result = replace(result, job=job, files=files)
        return cls(result)

    def reset(self) -> None:
        """Back to the run as it was."""
        self.table = self.result.gcps
        self.model = self.result.transform.model
        self.problem = ""
        self._transform = from_record(self.result.transform)
        self._live = self._live_fit(self.model)

    @property
    def is_changed(self) -> bool:
        """Whether anything differs from the run as it was."""
        return self._differs(self.table.enabled)

    @property
    def fit(self) -> Summary:
        """Residuals of the enabled GCPs, analysis pixels."""
        return summary(self.table.residual_px, self.table.used(GCP))

    @property
    def check(self) -> Summary:
        """Residuals of the enabled check points, which the fit has not seen, analysis pixels."""
        return summary(self.table.residual_px, self.table.used(CHECK))

    @property
    def metres_per_pixel(self) -> float:
        """Size of an analysis pixel on the ground; NaN without a projected CRS."""
        return Ruler.of(self.table.reference_grid).metres_per_pixel

    def prime(self) -> None:
        """Do in advance what the first edit of a thin-plate spline would wait for (a second for 2,000 GCPs)."""
        self._live.prime()

    def set_enabled(self, rows: npt.ArrayLike, enabled: bool) -> None:
        """Switch rows (indices or flags) on or off and refit."""
        flags = self.table.enabled.copy()
        flags[np.asarray(rows)] = enabled
        if not np.array_equal(flags, self.table.enabled):
            self._refit(flags)

    def choose_model(self, model: str) -> None:
        """Fit another transform. Raises OptionError for an unknown one or 'auto'."""
        minimum_points(model)  # which knows the models
        if model != self.model:
            self._live, self.model = self._live_fit(model), model
            self._refit(self.table.enabled)

    def edited(self) -> EditedRun:
        """What is there now. Raises InputError where the enabled GCPs do not suffice."""
        if self.problem:
            raise InputError(self.problem)
        return EditedRun(self.result, self.table, self.model, self._transform)

    def _live_fit(self, model: str) -> LiveFit:
        return LiveFit(self.result.gcps, model, self.result.job.model.smoothing)

    def _refit(self, enabled: npt.NDArray[np.bool_]) -> None:
        if not self._differs(enabled):
            self.table, self.problem = self.result.gcps, ""
            self._transform = from_record(self.result.transform)
            return
        try:
            self._transform, self.table = self._live.refit(enabled)
            self.problem = ""
        except InputError as error:
            self.table = self.table.with_columns(enabled=enabled)
            self.problem = str(error)

    def _differs(self, enabled: npt.NDArray[np.bool_]) -> bool:
        same = np.array_equal(enabled, self.result.gcps.enabled)
        return not same or self.model != self.result.transform.model


def load_result(record: Path) -> RegisterResult:
    """The result of a run from its record.json. Raises InputError naming the file."""
    try:
        return from_dict(RegisterResult, json.loads(Path(record).read_text(encoding="utf-8")))
    except (OSError, ValueError, InputError) as error:
        raise InputError(f"'{record}' is not a record of a run: {error}", "Give a record.json.") from error


def displacement_left(result: RegisterResult) -> Summary:
    """How far the two layers are apart at the tie points, pixels; all NaN where they share no grid.

    Only meaningful for layers that lie on each other nominally, as an assessment takes them.
    """
    table = result.gcps
    if result.moving_grid != result.reference_grid:
        return summary(np.zeros((0, 2)))
    return summary(table.moving_px - table.reference_px, table.enabled)
