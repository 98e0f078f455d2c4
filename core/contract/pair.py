"""The prepared pair: what preparation hands to matching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np
import numpy.typing as npt

from .grid import Grid

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PreparedPair:
    """Two 8-bit images ready for matching; value 0 means NoData, valid pixels are 1…255.

    reference, moving: uint8 (rows, columns), possibly memory-mapped.
    reference_grid: the analysis grid, in the reference's CRS (or of pixels, if it has none).
    moving_grid: equal to `reference_grid` where the moving layer is georeferenced (it was then put there
        by its own georeference); else the moving image's own pixel grid, without CRS.
    notes: what was decided on the way, in plain words, for the log and the record.
    bands: uint8 (bands, rows, columns), the reference's bands, each stretched by itself, 0 where `reference` is 0;
        None where it has one only. What one band hides, another may show.
    land_use: uint8 (rows, columns) on `reference_grid`, the class of land use at each pixel (`matching.land_use`:
        1…7), 0 where nothing is known and where `reference` is 0; None where no land-cover layer was read.
    fills: of the reference and of the moving layer, the value that stands for NoData although the file does not
        declare it; None where none was found.
    """

    reference: Pixels
    moving: Pixels
    reference_grid: Grid
    moving_grid: Grid
    notes: tuple[str, ...] = ()
    bands: Optional[Pixels] = None
    land_use: Optional[Pixels] = None
    fills: tuple[Optional[float], ...] = (None, None)

    @property
    def is_georeferenced(self) -> bool:
        """Whether both layers share the reference's world, so that a displacement has a meaning."""
        return bool(self.reference_grid.crs) and self.moving_grid == self.reference_grid
