"""Which tiles large images are matched in."""

from __future__ import annotations

import math

import numpy as np

from ...contract import Floats, Points

LARGEST = 320
"""Most pixels of a tile's side."""
MARGIN = 32
"""Pixels by which neighbouring tiles overlap at least: windows need surroundings."""
MOST_TILES = 120


def tiling(shape: tuple[int, int], most: int = MOST_TILES) -> tuple[Points, tuple[int, int]]:
    """First pixels (N, 2), x and y, of the tiles that an image is matched in, and their (rows, columns).

    As few tiles of one size as cover it, or, where those are too many, `most` of them, evenly spread.
    """
    (y, rows), (x, columns) = (_starts(length) for length in shape)
    corners = np.stack([axis.ravel() for axis in np.meshgrid(x, y)], axis=1)
    return spread_evenly(corners, most), (rows, columns)


def _starts(length: int) -> tuple[Floats, int]:
    """First pixels of the tiles along one side of an image, and their length."""
    count = max(1, math.ceil((length - MARGIN) / (LARGEST - MARGIN)))
    side = math.ceil((length + (count - 1) * MARGIN) / count)
    starts: Floats = np.rint(np.linspace(0, length - side, count))
    return starts, side


def spread_evenly(corners: Points, most: int) -> Points:
    """At most so many of the tiles (N, 2), spread over all: every k-th along a line through near ones."""
    if len(corners) <= most:
        return corners
    x, y = (np.unique(corners[:, k], return_inverse=True)[1] for k in (0, 1))
    # Odd rows are run through backwards, so that picks of neighbouring rows do not line up.
    along = np.where(y % 2 == 0, x, x.max() - x)
    order = np.lexsort((along, y))
    picks = np.linspace(0, len(order) - 1, most).round().astype(int)
    chosen: Points = corners[np.sort(order[picks])]
    return chosen
