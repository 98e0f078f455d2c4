"""Small helpers for affine transforms kept as (2, 3) matrices; positions are (x, y), pixel centres at integers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..contract import Floats, Points


def apply(affine: Floats, points: npt.ArrayLike) -> Points:
    """Map points (..., 2)."""
    mapped: Points = np.asarray(points, dtype=np.float64) @ affine[:, :2].T + affine[:, 2]
    return mapped


def compose(outer: Floats, inner: Floats) -> Floats:
    """The affine that applies `inner` first, then `outer`."""
    return np.column_stack([outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def invert(affine: Floats) -> Floats:
    """The inverse affine."""
    linear = np.linalg.inv(affine[:, :2])
    return np.column_stack([linear, -linear @ affine[:, 2]])


def similarity(
    degrees: float, scale: float, origin: npt.ArrayLike = (0.0, 0.0), target: npt.ArrayLike | None = None
) -> Floats:
    """Rotation and scale that take the point `origin` to `target` (to itself if not given)."""
    start = np.asarray(origin, dtype=np.float64)
    end = start if target is None else np.asarray(target, dtype=np.float64)
    angle = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([linear, end - linear @ start])


def angle_and_scale(affine: Floats) -> tuple[float, float]:
    """Rotation in degrees and scale of the nearest similarity."""
    a, b = affine[0, 0] + affine[1, 1], affine[1, 0] - affine[0, 1]
    return float(np.rad2deg(np.arctan2(b, a))), float(np.hypot(a, b) / 2)


def centre(shape: tuple[int, ...]) -> Points:
    """Centre position (x, y) of an image with (rows, columns)."""
    return np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])


def reduce_by(affine: Floats, factor: float) -> Floats:
    """The same map between the two images after both were reduced by `factor`."""
    linear, half = affine[:, :2], np.array([0.5, 0.5])
    return np.column_stack([linear, (linear @ (half * factor - half) + affine[:, 2] + half) / factor - half])


def enlarge_by(affine: Floats, factor: float) -> Floats:
    """The inverse of `reduce_by`."""
    return reduce_by(affine, 1.0 / factor)


def grid_distance(first: Floats, second: Floats, shape: tuple[int, ...], n: int = 16) -> float:
    """Root mean square distance in pixels between two affines over a dense grid of an image (rows, columns).

    The grid has n × n points, corners included. It need not be walked: the difference is affine too, so that its
    mean square is that at the centre plus the grid's variance along each axis times the square of its slope.
    """
    difference = first - second
    middle = difference[:, :2] @ centre(shape) + difference[:, 2]
    variance = (np.array([shape[1], shape[0]]) - 1.0) ** 2 * (n + 1) / (12 * (n - 1))
    return float(np.sqrt(np.sum(middle**2) + np.sum(difference[:, :2] ** 2 @ variance)))
