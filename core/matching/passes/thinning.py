"""Thinning of dense tie points: the best of each cell of a grid over the image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .tiles import Ties


def thinned(ties: Ties, points: int, spacing: float) -> Ties:
    """At most one tie point per cell of side `spacing` (full pixels): the one with the least predicted spread.

    points: nothing is thinned where there are no more than this.
    """
    if len(ties) <= points:
        return ties
    return ties.select(_best(ties, spacing))


def beside(others: Ties, ties: Ties, spacing: float) -> Ties:
    """Of `others`, at most one per cell, and none where `ties` have one."""
    taken = {*map(tuple, _cells(ties, spacing))}
    free = np.array([tuple(cell) not in taken for cell in _cells(others, spacing)], dtype=np.bool_)
    others = others.select(free)
    return others.select(_best(others, spacing)) if len(others) else others


def _cells(ties: Ties, spacing: float) -> npt.NDArray[np.int64]:
    return np.asarray(np.floor(ties.reference / spacing), dtype=np.int64)


def _best(ties: Ties, spacing: float) -> npt.NDArray[np.intp]:
    """Indices of the tie points that are the best of their cells."""
    cells = _cells(ties, spacing)
    cells -= cells.min(axis=0)
    key = cells[:, 1] * (cells[:, 0].max() + 1) + cells[:, 0]
    order = np.lexsort((ties.spread, key))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = key[order][1:] != key[order][:-1]
    return np.sort(order[first])
