"""Which tie points are held back as check points, and spatial blocks for cross-validation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..contract import Flags, OptionError, Points
from .frame import as_points

_FEWEST_GCPS = 6  # twice what an affine transform needs: without them, no check points
_NEIGHBOURS = 4
_AT_ONCE = 256  # points whose distances to all others are held at once


def spatial_blocks(xy: npt.ArrayLike, count: int) -> npt.NDArray[np.int64]:
    """(N,) number 0…count-1 of the compact block that each point falls in, all about equally full.

    xy: (N, 2). The points are bisected recursively across their longer extent.
    """
    points = as_points(xy, "tie point")
    labels = np.zeros(len(points), dtype=np.int64)
    _bisect(points, np.arange(len(points)), 0, min(count, len(points)), labels)
    return labels


def _bisect(
    points: Points, members: npt.NDArray[np.int64], first: int, count: int, labels: npt.NDArray[np.int64]
) -> None:
    """Give `members` the labels first…first + count - 1."""
    if count <= 1:
        labels[members] = first
        return
    part = points[members]
    axis = int(np.argmax(np.ptp(part, axis=0)))
    # the other coordinate breaks ties, so that the order of the input does not matter
    order = members[np.lexsort((part[:, 1 - axis], part[:, axis]))]
    half = count // 2
    cut = round(len(order) * half / count)
    _bisect(points, order[:cut], first, half, labels)
    _bisect(points, order[cut:], first + half, count - half, labels)


def independent_count(xy: npt.ArrayLike, reach: float) -> int:
    """How many points (N, 2) tell something of their own: cells of side `reach` pixels that hold one.

    Points closer than `reach` were measured on shared pixels. reach = 0: every point counts.
    """
    points = as_points(xy, "tie point")
    if reach <= 0 or not len(points):
        return len(points)
    cells = np.floor((points - points.min(axis=0)) / reach)
    return len(np.unique(cells, axis=0))


def split_check_points(xy: npt.ArrayLike, share: float, seed: int = 0) -> Flags:
    """(N,) true for the points to hold back as check points: one at random from each of N · share blocks.

    xy: (N, 2) pixels. At least 6 GCPs are left, and among the four nearest neighbours of every point is a
    GCP. The same points, share and seed give the same answer.
    Raises OptionError unless 0 <= share <= 0.5.
    """
    if not 0 <= share <= 0.5:
        raise OptionError(f"A share of check points of {share:g} is not possible.", "Use a value from 0 to 0.5.")
    points = as_points(xy, "tie point")
    count = min(round(share * len(points)), len(points) - _FEWEST_GCPS)
    is_check = np.zeros(len(points), dtype=np.bool_)
    if count <= 0:
        return is_check
    blocks = spatial_blocks(points, count)
    lottery = np.random.default_rng(seed).permutation(len(points))
    order = np.lexsort((lottery, blocks))
    is_check[order[np.unique(blocks[order], return_index=True)[1]]] = True
    return _spread(points, is_check)


def _spread(points: Points, is_check: Flags) -> Flags:
    """Give back check points until every point has a GCP among its nearest neighbours."""
    spread = is_check.copy()
    for i in _crowded(points, is_check):
        distance = ((points - points[i]) ** 2).sum(axis=1)
        distance[i] = np.inf
        near = np.argsort(distance, kind="stable")[:_NEIGHBOURS]
        if spread[near].all():
            spread[near[0]] = False
    return spread


def _crowded(points: Points, is_check: Flags) -> npt.NDArray[np.intp]:
    """Points with enough others no further than the nearest GCP; all others have one among their neighbours."""
    found = []
    for start in range(0, len(points), _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, len(points)))
        distance = (points[rows, None, 0] - points[:, 0]) ** 2 + (points[rows, None, 1] - points[:, 1]) ** 2
        distance[np.arange(len(rows)), rows] = np.inf
        nearest = distance[:, ~is_check].min(axis=1, keepdims=True)
        found.append(rows[(distance <= nearest).sum(axis=1) > _NEIGHBOURS])
    return np.concatenate(found)
