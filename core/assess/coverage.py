"""How much of the overlap the GCPs speak for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..contract import Flags, Pixels, Points

CELLS = 24
REACH = 1 / 8
"""A GCP speaks for its surroundings up to this share of the image's longer side."""


def coverage(reference: Pixels, moving: Pixels, to_moving: Callable[[Points], Points], points: Points) -> float:
    """Share of the overlap within reach of a point, 0…1. points: (N, 2) reference pixels."""
    rows, columns = reference.shape
    x, y = np.meshgrid((np.arange(CELLS) + 0.5) * columns / CELLS, (np.arange(CELLS) + 0.5) * rows / CELLS)
    cells = np.stack([x.ravel(), y.ravel()], axis=1) - 0.5
    overlap = cells[_is_valid(reference, cells) & _is_valid(moving, to_moving(cells))]
    if not len(overlap) or not len(points):
        return 0.0
    nearest = np.full(len(overlap), np.inf)
    for start in range(0, len(points), 512):
        part = points[start : start + 512]
        distance = np.linalg.norm(overlap[:, None] - part[None], axis=2)
        nearest = np.minimum(nearest, distance.min(axis=1))
    return float((nearest <= REACH * max(rows, columns)).mean())


def _is_valid(image: Pixels, positions: Points) -> Flags:
    rows, columns = image.shape
    finite = np.isfinite(positions).all(axis=1)
    nearest = np.rint(np.where(finite[:, None], positions, -1)).astype(np.intp)
    inside = finite & (nearest >= 0).all(axis=1) & (nearest[:, 0] < columns) & (nearest[:, 1] < rows)
    values = np.asarray(image[nearest[:, 1].clip(0, rows - 1), nearest[:, 0].clip(0, columns - 1)])
    valid: Flags = inside & (values > 0)
    return valid
