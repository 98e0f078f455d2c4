"""Fit of a homography: normalised DLT, refined by Gauss–Newton (Hartley & Zisserman 2004, 4.1 and 4.5)."""

from __future__ import annotations

import numpy as np

from ..contract import Floats, InputError, Points
from .frame import frames
from .least_squares import Groups, Model, degenerate, left_out
from .transform import Projective, Transform

_STEPS = 30


class Homography(Model):
    """Eight parameters; minimises the distance in the moving image."""

    name, minimum_points = "homography", 4

    def fit(self, reference: Points, moving: Points, weights: Floats) -> Transform:
        source, target = frames(reference, moving)
        h = _fit_normalised(source.normalise(reference), target.normalise(moving), weights)
        return Projective(self.name, target.inverse_matrix @ h @ source.matrix)

    def leave_out(self, reference: Points, moving: Points, weights: Floats, groups: Groups) -> Points:
        """First-order: e' = (I - H)⁻¹ e with H the group's block of the hat matrix of the linearised fit.

        The model is not linear in its parameters, so this differs from a refit by second-order terms (below 2 % of
        the residual of a single point out of 20 or more).
        """
        source, target = frames(reference, moving)
        r, m = source.normalise(reference), target.normalise(moving)
        h = _fit_normalised(r, m, weights)
        residual, jacobian = _residual_and_jacobian(h, r, m)
        root = np.sqrt(np.repeat(weights, 2))[:, None]
        basis = np.linalg.qr(jacobian.reshape(-1, 8) * root)[0]
        result = left_out(basis, residual.reshape(-1, 1) * root, np.repeat(groups, 2)) / root
        return np.asarray(result.reshape(-1, 2) * target.scale)


def _fit_normalised(r: Points, m: Points, weights: Floats) -> Points:
    """(3, 3) homography between normalised points (N, 2), its denominator positive at all of them."""
    h = _direct_linear(r, m, weights)
    cost = _cost(h, r, m, weights)
    if not np.isfinite(cost):
        raise InputError(
            "The GCPs contradict each other: the horizon of their homography runs between them.",
            "Correct the worst GCPs or choose an affine transform.",
        )
    root = np.sqrt(np.repeat(weights, 2))
    for _ in range(_STEPS):
        residual, jacobian = _residual_and_jacobian(h, r, m)
        step = np.linalg.lstsq(jacobian.reshape(-1, 8) * root[:, None], residual.reshape(-1) * root, rcond=None)[0]
        trial = h - np.append(step, 0.0).reshape(3, 3)
        new_cost = _cost(trial, r, m, weights)
        if not new_cost < cost * (1 - 1e-12):
            break
        h, cost = trial, new_cost
    return h


def _direct_linear(r: Points, m: Points, weights: Floats) -> Points:
    """Algebraic solution, scaled to last element 1 (the frame's centre lies this side of the horizon)."""
    x, y = r.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    rows_x = np.stack([x, y, one, zero, zero, zero, -m[:, 0] * x, -m[:, 0] * y, -m[:, 0]], axis=1)
    rows_y = np.stack([zero, zero, zero, x, y, one, -m[:, 1] * x, -m[:, 1] * y, -m[:, 1]], axis=1)
    system = np.concatenate([rows_x, rows_y]) * np.sqrt(np.tile(weights, 2))[:, None]
    _, s, vh = np.linalg.svd(system, full_matrices=len(system) < 9)
    if s[7] <= 1e-6 * s[0] or abs(vh[-1, 8]) < 1e-9:
        raise degenerate()
    return np.asarray(vh[-1].reshape(3, 3) / vh[-1, 8])


def _residual_and_jacobian(h: Points, r: Points, m: Points) -> tuple[Points, Points]:
    """Predicted minus observed (N, 2) and its derivative (N, 2, 8) by the first eight elements of h."""
    p = np.column_stack([r, np.ones(len(r))])
    u, v, w = (p @ h.T).T
    px, py = u / w, v / w
    q = p / w[:, None]
    zero = np.zeros_like(q)
    by_x = np.concatenate([q, zero, -px[:, None] * q[:, :2]], axis=1)
    by_y = np.concatenate([zero, q, -py[:, None] * q[:, :2]], axis=1)
    return np.column_stack([px, py]) - m, np.stack([by_x, by_y], axis=1)


def _cost(h: Points, r: Points, m: Points, weights: Floats) -> float:
    """Weighted sum of squared residuals; infinite if a point lies on or behind the horizon."""
    image = np.column_stack([r, np.ones(len(r))]) @ h.T
    if (image[:, 2] <= 1e-9).any():
        return float("inf")
    return float((weights * ((image[:, :2] / image[:, 2:] - m) ** 2).sum(axis=1)).sum())
