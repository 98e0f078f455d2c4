"""The best keypoints, but not all in one corner of the image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...contract import Floats

PER_CELL = 4
"""Keypoints that a cell of the bucket grid is to hold. Fewer force weak ones in, more leave the plain parts of an
image empty; 4 repeats better between optical and SAR training pairs than 1 or 2."""


def evenly(positions: Floats, strength: Floats, area: float, count: int) -> npt.NDArray[np.intp]:
    """Indices of at most `count` keypoints, evenly spread, the best first.

    A bucket grid: the image is divided into square cells, and the strongest keypoint of each cell comes first,
    then the second strongest of each, and so on; within a round the strongest come first. Hence the first n are
    evenly spread for any n. Ties go by row, then column: the order of the input does not matter.

    positions: (N, 2) x, y; strength: (N,); area: pixels that can hold keypoints.
    """
    side = max(1.0, float(np.sqrt(PER_CELL * area / count)))
    x, y = positions[:, 0], positions[:, 1]
    across, down = np.floor((x + 0.5) / side).astype(np.int64), np.floor((y + 0.5) / side).astype(np.int64)
    cell = down * (across.max(initial=0) + 1) + across
    by_cell = np.lexsort((x, y, -strength, cell))
    first = np.searchsorted(cell[by_cell], cell[by_cell])
    round_ = np.empty(len(cell), np.int64)
    round_[by_cell] = np.arange(len(cell)) - first
    best: npt.NDArray[np.intp] = np.lexsort((x, y, -strength, round_))[:count]
    return best
