"""Refits while the user switches GCPs on and off: the same as `refit`, but fast for thin-plate splines too."""

from __future__ import annotations

import numpy as np

from ..contract import GCP, Flags, GcpTable, InputError, ModelOptions, Points
from .curved import ThinPlate, kernel
from .frame import frames
from .refit import refit
from .thin_plate import ThinPlateModel
from .transform import Transform

MOST_GCPS = 3000  # of a spline that is refitted by its inverse, which takes 8 N² bytes


class LiveFit:
    """One table and one model, refitted for any choice of enabled points.

    A polynomial takes about a millisecond for 2,000 GCPs. A thin-plate spline takes a second, so its inverse
    is computed once (`prime`) and updated: with M the system of all GCPs and x = M⁻¹ b, leaving out the GCPs D
    gives x' = x - M⁻¹[:, D] (M⁻¹[D, D])⁻¹ x_D, which is exact (adding an infinite weight to the diagonal at D).
    The smoothing refers to the frame of all GCPs, also while some are switched off.
    """

    def __init__(self, table: GcpTable, model: str, smoothing: float = ModelOptions.smoothing) -> None:
        self.table, self.model, self.smoothing = table, model, smoothing
        self._spline: _Spline | None = None

    def prime(self) -> None:
        """Do what takes long; without it the first `refit` does. Does nothing where nothing takes long."""
        count = int((self.table.role == GCP).sum())
        if self.model == "tps" and self.smoothing > 0 and self._spline is None and 3 < count <= MOST_GCPS:
            self._spline = _Spline(self.table, self.smoothing)

    def refit(self, enabled: Flags) -> tuple[Transform, GcpTable]:
        """Fit to the enabled GCPs; (N,) flags. Raises InputError where they do not suffice."""
        table = self.table.with_columns(enabled=np.asarray(enabled, dtype=np.bool_))
        self.prime()
        if self._spline is None:
            return refit(table, self.model, self.smoothing)
        transform, residual = self._spline.without(~table.enabled[self._spline.rows])
        return transform, table.with_columns(residual_px=residual)


class _Spline:
    """A thin-plate smoothing spline of all GCPs of a table, of which some can be left out.

    rows: (K,) the table's rows that are GCPs.
    """

    def __init__(self, table: GcpTable, smoothing: float) -> None:
        self.rows = np.flatnonzero(table.role == GCP)
        reference, moving = table.reference_px[self.rows], table.moving_px[self.rows]
        self._source, self._target = frames(reference, moving)
        self._model = ThinPlateModel(smoothing)
        self._knots = self._source.normalise(reference)
        self._inverse = np.linalg.inv(self._model.system(self._knots, np.ones(len(self.rows))))
        goal = np.concatenate([self._target.normalise(moving), np.zeros((3, 2))])
        self._solution: Points = self._inverse @ goal
        everywhere = self._source.normalise(table.reference_px)
        plane = np.column_stack([np.ones(len(everywhere)), everywhere])
        self._values = np.concatenate([kernel(everywhere, self._knots), plane], axis=1)
        self._observed = table.moving_px

    def without(self, left_out: Flags) -> tuple[Transform, Points]:
        """The spline of the other GCPs, and the residuals (N, 2) of all rows. left_out: (K,)."""
        dropped, kept = np.flatnonzero(left_out), np.flatnonzero(~left_out)
        if len(kept) < self._model.minimum_points:
            raise InputError(
                f"A tps transform needs at least {self._model.minimum_points} GCPs; there are {len(kept)}.",
                "Switch some on, or choose a simpler transform.",
            )
        self._model.check_spread(self._knots[kept])
        solution = self._solution
        if len(dropped):
            columns = self._inverse[:, dropped]
            solution = solution - columns @ np.linalg.solve(columns[dropped], solution[dropped])
            solution[dropped] = 0.0
        transform = ThinPlate(self._source, self._target, self._knots[kept], solution[kept], solution[-3:])
        predicted = self._target.restore(self._values @ solution)
        return transform, np.asarray(predicted - self._observed)
