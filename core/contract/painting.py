"""The moving image as a method imagines that an optical sensor would see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .pair import Pixels


@dataclass(frozen=True)
class Painting:
    """A synthetic picture, for the eye only: nothing in it was measured by an optical sensor.

    values: uint8 (rows, columns), 0 = NoData. Its grey says what is brighter than what, in no unit.
    lattice: (2, 3) affine map painting pixel (column, row) → moving pixel (x, y), both with centres at integers.
    """

    values: Pixels
    lattice: npt.NDArray[np.float64]
