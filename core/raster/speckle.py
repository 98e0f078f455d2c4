"""Refined Lee speckle filter: averages along edges, never across them.

J.-S. Lee, "Refined filtering of image noise using local statistics", CGIP 15 (1981) 380-389: in a 7×7
window the strongest gradient of nine 3×3 means tells the edge's direction; local mean and variance are
taken over the half window on the centre's side of the edge, and the pixel is moved towards that mean as far
as its variance is speckle (multiplicative, coefficient of variation 1/√ENL).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import Flags

Plane = npt.NDArray[np.float64]

MARGIN = 3
"""Pixels around a block that the filter looks at: read that much more and cut it off afterwards."""

# Opposite pairs of sub-windows (row, column in the 3×3 of means) on both sides of an edge, per direction;
# the half windows in `_half_windows` have the same order.
_SIDES = (
    (((0, 0), (1, 0), (2, 0)), ((0, 2), (1, 2), (2, 2))),  # left | right
    (((0, 0), (0, 1), (0, 2)), ((2, 0), (2, 1), (2, 2))),  # above | below
    (((0, 0), (0, 1), (1, 0)), ((2, 2), (2, 1), (1, 2))),  # upper left | lower right
    (((0, 2), (0, 1), (1, 2)), ((2, 0), (2, 1), (1, 0))),  # upper right | lower left
)


def refined_lee(power: npt.NDArray[np.floating[Any]], valid: Flags, looks: float) -> npt.NDArray[np.float32]:
    """Filter linear power (rows, columns); invalid pixels (NaN allowed) neither count nor change.

    looks: equivalent number of looks (see `estimate_looks`).
    Returns float32, NaN where not valid. A pixel depends on neighbours within `MARGIN` pixels only.
    """
    values = np.where(valid, power, 0.0).astype(np.float64)
    weight = valid.astype(np.float64)
    values, weight = np.pad(values, MARGIN), np.pad(weight, MARGIN)
    direction = _edge_direction(values, weight)
    mean, variance = _aligned_statistics(values, weight, direction)
    centre = np.where(valid, power, 0.0)
    noise = 1.0 / max(looks, 0.5)
    signal = np.maximum(variance - mean * mean * noise, 0.0) / (1.0 + noise)
    gain = np.divide(signal, variance, out=np.zeros_like(signal), where=variance > 0)
    return np.where(valid, mean + np.minimum(gain, 1.0) * (centre - mean), np.nan).astype(np.float32)


def estimate_looks(power: npt.NDArray[np.floating[Any]], valid: Flags) -> float:
    """Equivalent number of looks of (rows, columns) power: mean²/variance where the scene is most even.

    The 90th percentile over 7×7 windows, whose own scatter makes it slightly high, never low; 1…50.
    """
    values = np.where(valid, power, 0.0).astype(np.float64)
    rows = [(row, -3, 3) for row in range(-3, 4)]
    padded, weight = np.pad(values, MARGIN), np.pad(valid.astype(np.float64), MARGIN)
    count, total, squares = (_run_sums(_prefix(p), rows) for p in (weight, padded, padded * padded))
    full = count == 49
    if not full.any():
        return 1.0
    mean = total[full] / 49
    variance = np.maximum(squares[full] / 49 - mean * mean, 1e-30) * (49 / 48)
    return float(np.clip(np.percentile(mean * mean / variance, 90), 1.0, 50.0))


def _prefix(padded: Plane) -> Plane:
    """Cumulated rows with a leading zero: the sum over columns a…b-1 is prefix[b] - prefix[a]."""
    return np.pad(np.cumsum(padded, axis=1), ((0, 0), (1, 0)))


def _run_sums(prefix: Plane, runs: list[tuple[int, int, int]]) -> Plane:
    """Sum over runs (row offset, first, last column offset) around each pixel of the unpadded image."""
    rows, columns = prefix.shape[0] - 2 * MARGIN, prefix.shape[1] - 1 - 2 * MARGIN
    total = np.zeros((rows, columns))
    for row, first, last in runs:
        band = prefix[MARGIN + row : MARGIN + row + rows]
        total += band[:, MARGIN + last + 1 : MARGIN + last + 1 + columns]
        total -= band[:, MARGIN + first : MARGIN + first + columns]
    return total


def _half_windows() -> list[list[tuple[int, int, int]]]:
    """The eight half windows as runs: for each direction of `_SIDES` first and second side."""
    offsets = range(-3, 4)
    return [
        [(r, -3, 0) for r in offsets],
        [(r, 0, 3) for r in offsets],
        [(r, -3, 3) for r in range(-3, 1)],
        [(r, -3, 3) for r in range(4)],
        [(r, -3, -r) for r in offsets],
        [(r, -r, 3) for r in offsets],
        [(r, r, 3) for r in offsets],
        [(r, -3, r) for r in offsets],
    ]


def _edge_direction(values: Plane, weight: Plane) -> npt.NDArray[np.int8]:
    """(rows, columns) index into `_half_windows`: the side of the strongest edge that the centre is on."""
    prefixes = _prefix(values), _prefix(weight)

    def mean3(row: int, column: int) -> Plane:
        runs = [(2 * (row - 1) + r, 2 * (column - 1) - 1, 2 * (column - 1) + 1) for r in (-1, 0, 1)]
        total, count = (_run_sums(prefix, runs) for prefix in prefixes)
        return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0.5)

    means = {(r, c): mean3(r, c) for r in range(3) for c in range(3)}
    centre = means[1, 1]
    means = {place: np.where(np.isnan(mean), centre, mean) for place, mean in means.items()}
    strongest = np.full(centre.shape, -1.0)
    direction = np.zeros(centre.shape, dtype=np.int8)
    for number, (first, second) in enumerate(_SIDES):
        one, other = (sum(means[place] for place in side) / 3 for side in (first, second))
        gradient = np.nan_to_num(np.abs(one - other))
        nearer = (np.abs(other - centre) < np.abs(one - centre)).astype(np.int8)
        better = gradient > strongest
        direction[better] = 2 * number + nearer[better]
        strongest = np.maximum(strongest, gradient)
    return direction


def _aligned_statistics(values: Plane, weight: Plane, direction: npt.NDArray[np.int8]) -> tuple[Plane, Plane]:
    """Mean and variance (rows, columns) over each pixel's own half window."""
    prefixes = [_prefix(plane) for plane in (weight, values, values * values)]
    sums = [np.zeros(direction.shape) for _ in prefixes]
    for number, runs in enumerate(_half_windows()):
        here = direction == number
        if here.any():
            for chosen, prefix in zip(sums, prefixes):
                np.copyto(chosen, _run_sums(prefix, runs), where=here)
    count = np.maximum(sums[0], 1.0)
    mean = sums[1] / count
    return mean, np.maximum(sums[2] / count - mean * mean, 0.0)
