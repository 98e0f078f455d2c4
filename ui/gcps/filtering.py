"""Which rows of the GCP table are shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...core.contract import Flags
from .columns import ON, RESIDUAL_PX, ROLE, ColumnValues

ALL, GCPS, CHECKS, OFF, ABOVE = "all", "gcps", "checks", "off", "above"

FILTERS: dict[str, str] = {
    ALL: "All points",
    GCPS: "GCPs",
    CHECKS: "Check points",
    OFF: "Switched off",
    ABOVE: "Residual above",
}
"""Kind of filter → what the box shows."""


@dataclass(frozen=True)
class RowFilter:
    """kind: one of FILTERS. above_px: for ABOVE. text: must occur in a row's number, role or coordinates."""

    kind: str = ALL
    above_px: float = 1.0
    text: str = ""

    def keep(self, values: ColumnValues, search_texts: npt.NDArray[np.str_] | None) -> Flags:
        """(N,) the rows to show. search_texts: `values.search_texts()`, needed only where there is a text."""
        kept: Flags = np.ones(len(values), dtype=np.bool_)
        if self.kind in (GCPS, CHECKS):
            kept = values.values[ROLE] == (self.kind == CHECKS)
        elif self.kind == OFF:
            kept = values.values[ON] == 0
        elif self.kind == ABOVE:
            kept = values.values[RESIDUAL_PX] > self.above_px
        if self.text.strip() and search_texts is not None:
            found = np.char.find(search_texts, self.text.strip().lower()) >= 0
            kept = kept & found
        return np.asarray(kept, dtype=np.bool_)
