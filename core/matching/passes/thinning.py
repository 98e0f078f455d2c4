"""Thinning of dense tie points: the best of each cell of a grid over the image."""

from __future__ import annotations

import numpy as np

from .tiles import Ties


def thinned(ties: Ties, points: int, spacing: float) -> Ties:
    """At most one tie point per cell of side `spacing` (full pixels): the one with the least predicted spread.

    points: nothing is thinned where there are no more than this.
    """
    if len(ties) <= points:
        return ties
    cells = np.floor(ties.reference / spacing).astype(np.int64)
    cells -= cells.min(axis=0)
    key = cells[:, 1] * (cells[:, 0].max() + 1) + cells[:, 0]
    order = np.lexsort((ties.spread, key))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = key[order][1:] != key[order][:-1]
    return ties.select(np.sort(order[first]))
