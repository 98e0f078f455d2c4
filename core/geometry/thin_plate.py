"""Fit of a thin-plate smoothing spline (Wahba 1990, ch. 2): Σ wᵢ |f(rᵢ) - mᵢ|² + λ ∫ |D²f|² → min."""

from __future__ import annotations

import contextlib

import numpy as np
import numpy.typing as npt

from ..contract import Floats, InputError, OptionError, Points
from .curved import ThinPlate, kernel
from .frame import frames
from .least_squares import Groups, Model, degenerate
from .transform import Transform

# λ for smoothing = 1, in the frame where the GCPs span -1…1 and with mean weight 1. Found by simulation
# (40…400 GCPs, noise of 0.7…1.5 px, distortions of 0…5 px over one or two image sides): close to the best
# in each case, and never so smooth that a distortion is lost.
_UNIT_SMOOTHING = 3e-3

_SAME_PLACE = 1e-6  # of the frame's half side: GCPs closer than this are one place


class ThinPlateModel(Model):
    """Thin-plate spline; smoothing 0 passes through every GCP, infinity would be affine."""

    name, minimum_points = "tps", 3

    def __init__(self, smoothing: float) -> None:
        if not (np.isfinite(smoothing) and smoothing >= 0):
            raise OptionError(
                f"Smoothing {smoothing:g} makes no sense.", "Use 0 or a positive number, for example 1."
            )
        self.penalty = 8 * np.pi * _UNIT_SMOOTHING * smoothing  # 8π: r² log r is 8π times the Green's function

    def fit(self, reference: Points, moving: Points, weights: Floats) -> Transform:
        """GCPs at the same place count as one at their weighted mean, so that they cannot contradict."""
        source, target = frames(reference, moving)
        r, m, w, _ = _merge(source.normalise(reference), target.normalise(moving), weights / weights.mean())
        solution = _solved(self.system(r, w), np.concatenate([m, np.zeros((3, 2))]))
        return ThinPlate(source, target, r, solution[:-3], solution[-3:])

    def leave_out(self, reference: Points, moving: Points, weights: Floats, groups: Groups) -> Points:
        """Exact: e' = -(M⁻¹)ᵢᵢ⁻¹ cᵢ with c = M⁻¹ m the spline's weights and i the group's rows (Rippa 1999), frame
        and λ kept. Without smoothing, by fits without each group: GCPs may share a place.

        Takes one inverse of an (N + 3)² matrix: some 50 ms for 400 GCPs, a few seconds for 2,000.
        """
        if self.penalty == 0:
            return self._refitted(reference, moving, weights, groups)
        source, target = frames(reference, moving)
        r, m = source.normalise(reference), target.normalise(moving)
        return np.asarray(self._deleted(r, m, weights / weights.mean(), groups) * target.scale)

    def leave_one_out(self, reference: Points, moving: Points, weights: Floats) -> Points:
        """As `leave_out`, and without smoothing, GCPs at the same place count as in `fit`."""
        if self.penalty > 0:
            return super().leave_one_out(reference, moving, weights)
        source, target = frames(reference, moving)
        r, m = source.normalise(reference), target.normalise(moving)
        w = weights / weights.mean()
        merged_r, merged_m, merged_w, group = _merge(r, m, w)
        residual = self._deleted(merged_r, merged_m, merged_w, np.arange(len(merged_r)))[group]
        rest = merged_w[group] - w
        shared = np.bincount(group)[group] > 1
        mean_of_others = (merged_m[group] * merged_w[group, None] - m * w[:, None])[shared] / rest[shared, None]
        residual[shared] = mean_of_others - m[shared]
        return np.asarray(residual * target.scale)

    def _deleted(self, r: Points, m: Points, w: Floats, groups: Groups) -> Points:
        residual = np.full_like(r, np.nan)
        if len(r) <= self.minimum_points:
            return residual
        inverse = _solved(self.system(r, w), np.eye(len(r) + 3))
        spline_weights = inverse[:-3, :-3] @ m
        for members in _members(groups):
            if len(members) == 1 or self._spread(np.delete(r, members, axis=0)):
                residual[members] = -np.linalg.solve(inverse[np.ix_(members, members)], spline_weights[members])
        return residual

    def _refitted(self, reference: Points, moving: Points, weights: Floats, groups: Groups) -> Points:
        residual = np.full_like(reference, np.nan)
        for members in _members(groups):
            rest = np.setdiff1d(np.arange(len(reference)), members)
            with contextlib.suppress(InputError):
                fitted = self.fit(reference[rest], moving[rest], weights[rest])
                residual[members] = fitted.residuals(reference[members], moving[members])
        return residual

    def _spread(self, r: Points) -> bool:
        """Whether positions (N, 2) are enough, and not on one line."""
        if len(r) < self.minimum_points:
            return False
        s = np.linalg.svd(np.column_stack([np.ones(len(r)), r]), compute_uv=False)
        return bool(s[-1] > 1e-6 * s[0])

    def check_spread(self, r: Points) -> None:
        """Raises InputError where normalised positions (N, 2) are too few or on one line."""
        if not self._spread(r):
            raise degenerate()

    def system(self, r: Points, w: Floats) -> Points:
        """(N + 3, N + 3) matrix [[K + λ W⁻¹, P], [Pᵀ, 0]] of normalised positions (N, 2) and weights (N,)."""
        self.check_spread(r)
        n = len(r)
        plane = np.column_stack([np.ones(n), r])
        system = np.zeros((n + 3, n + 3))
        system[:n, :n] = kernel(r, r)
        system[np.arange(n), np.arange(n)] += self.penalty / w
        system[:n, n:] = plane
        system[n:, :n] = plane.T
        return system


def _members(groups: Groups) -> list[Groups]:
    """Which points are in each group (N,)."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def _merge(r: Points, m: Points, w: Floats) -> tuple[Points, Points, Floats, npt.NDArray[np.int64]]:
    """Weighted means of the GCPs at each distinct reference place, and each GCP's place (N,)."""
    cells = np.round(r / _SAME_PLACE).astype(np.int64)
    _, group = np.unique(cells, axis=0, return_inverse=True)
    group = group.reshape(-1)
    total: Floats = np.bincount(group, w).astype(np.float64)
    mean = [np.bincount(group, w * column) / total for column in (*r.T, *m.T)]
    return np.stack(mean[:2], axis=1), np.stack(mean[2:], axis=1), total, group.astype(np.int64)


def _solved(system: Points, right: Points) -> Points:
    try:
        solution = np.linalg.solve(system, right)
    except np.linalg.LinAlgError:
        solution = np.full(1, np.nan)
    if not np.isfinite(solution).all():
        raise InputError(
            "The thin-plate spline cannot be solved: some GCPs are almost at the same place.",
            "Remove one of them or use some smoothing.",
        )
    return np.asarray(solution)
