"""The columns of the GCP table: what they hold, how they are written, what their header explains."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.contract import CHECK, Floats, GcpTable

ON, NUMBER, ROLE = 0, 1, 2
MAP_X, MAP_Y, SOURCE_X, SOURCE_Y, DX, DY = 3, 4, 5, 6, 7, 8
RESIDUAL_PX, RESIDUAL_M, CONFIDENCE = 9, 10, 11

NONE = "–"
ROLE_WORDS = {False: "GCP", True: "Check point"}


@dataclass(frozen=True)
class Column:
    """title: of the header. tooltip: what the numbers are, and in which coordinate frame."""

    title: str
    tooltip: str


COLUMNS: tuple[Column, ...] = (
    Column("On", "Whether the point takes part. Space switches all selected points."),
    Column("No.", "Number of the point, as on the map and in the files."),
    Column("Role", "GCPs fix the transform; check points are held back and only measure it."),
    Column("Map X", "True position: coordinates of the optical layer (columns, if it has no CRS)."),
    Column("Map Y", "True position: coordinates of the optical layer (rows downwards, if it has no CRS)."),
    Column(
        "Source X",
        "Where the SAR layer shows the same thing now, in the CRS of the optical layer; columns of the SAR image "
        "if that has no georeference.",
    ),
    Column(
        "Source Y",
        "Where the SAR layer shows the same thing now, in the CRS of the optical layer; rows of the SAR image "
        "if that has no georeference.",
    ),
    Column("dX", "Map X minus source X: how far the point moves, in map units."),
    Column("dY", "Map Y minus source Y: how far the point moves, in map units."),
    Column("Residual (px)", "What the transform leaves over at the point, in pixels of the analysis."),
    Column("Residual (m)", "What the transform leaves over at the point, in metres on the ground."),
    Column("Confidence", "How sure the matching is that the point is right within 2 pixels, 0 to 1."),
)


class ColumnValues:
    """The values of a GCP table column by column, and their texts."""

    def __init__(self, table: GcpTable, metres_per_pixel: float) -> None:
        self._metres_per_pixel = metres_per_pixel
        self._is_check = table.role == CHECK
        place = decimals_for(table.reference_grid.gsd)
        source_place = decimals_for(table.moving_grid.gsd)
        (mx, my), (sx, sy), (dx, dy) = table.map_xy.T, table.source_xy.T, table.displacement.T
        numbers = np.arange(1, len(table) + 1, dtype=np.float64)
        blank = np.zeros(len(table))
        self.values: list[Floats] = [
            blank, numbers, self._is_check.astype(np.float64), mx, my, sx, sy, dx, dy, blank, blank,
            table.confidence,
        ]  # fmt: skip
        metre_place = decimals_for(metres_per_pixel) if math.isfinite(metres_per_pixel) else 2
        self._decimals = [0, 0, 0, place, place, source_place, source_place, place, place, 2, metre_place, 2]
        self.follow(table)

    def follow(self, table: GcpTable) -> None:
        """Take over what edits change: which points are on, and the residuals."""
        self.values[ON] = table.enabled.astype(np.float64)
        self.values[RESIDUAL_PX] = table.residual_length_px
        self.values[RESIDUAL_M] = self.values[RESIDUAL_PX] * self._metres_per_pixel

    def __len__(self) -> int:
        return len(self.values[ON])

    def is_on(self, row: int) -> bool:
        return bool(self.values[ON][row])

    def text(self, row: int, column: int) -> str:
        """What the table shows; a dash where there is no value."""
        if column == ON:
            return ""
        if column == ROLE:
            return ROLE_WORDS[bool(self._is_check[row])]
        value = float(self.values[column][row])
        return f"{value:.{self._decimals[column]}f}" if math.isfinite(value) else NONE

    def longest(self, column: int) -> tuple[str, ...]:
        """Texts of which one is the longest in a column, for its width."""
        if column == ROLE:
            return tuple(ROLE_WORDS.values())
        finite = np.flatnonzero(np.isfinite(self.values[column]))
        if not len(finite):
            return (NONE,)
        values = self.values[column][finite]
        return tuple(self.text(int(finite[i]), column) for i in (values.argmin(), values.argmax()))

    def copied(self, row: int, column: int) -> str:
        """What the clipboard gets: as shown, and words for the tick."""
        return ("yes" if self.is_on(row) else "no") if column == ON else self.text(row, column)

    def search_texts(self) -> npt.NDArray[np.str_]:
        """(N,) all that stays the same about a point, in small letters, for the search field."""
        roles = np.where(self._is_check, ROLE_WORDS[True], ROLE_WORDS[False]).astype(str)
        joined: Any = np.char.lower(roles)
        for column in (NUMBER, MAP_X, MAP_Y, SOURCE_X, SOURCE_Y, DX, DY, CONFIDENCE):
            texts = np.char.mod(f"%.{self._decimals[column]}f", self.values[column])
            joined = np.char.add(np.char.add(joined, "\t"), texts)
        return np.asarray(joined)


def decimals_for(pixel: float) -> int:
    """Decimals that tell a hundredth of a pixel of this size."""
    if not (math.isfinite(pixel) and pixel > 0):
        return 2
    return min(9, max(0, math.ceil(2 - math.log10(pixel))))
