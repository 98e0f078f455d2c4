"""The land cover that a method saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Shares = npt.NDArray[np.float32]


@dataclass(frozen=True)
class CoverMap:
    """To which land cover a method that reads text paid attention, place by place.

    names, titles: (C,) the land covers, by their names in the prompt library and as people read them.
    share: (C, rows, columns) share of the attention that each land cover got, summing to 1 over the land covers;
        NaN or all 0 where the method did not look.
    lattice: (2, 3) affine map cell (column, row) → reference pixel (x, y), both with centres at integers.
    """

    names: tuple[str, ...]
    titles: tuple[str, ...]
    share: Shares
    lattice: npt.NDArray[np.float64]
