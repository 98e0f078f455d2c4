"""Numbers, units and user text as HTML."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape as _escape

from ..contract import Grid, InputError
from ..raster.crs import crs_name, map_stretch, spatial_reference

DASH = '<span class="none" title="not measured">–</span>'


def escape(value: object) -> str:
    """Any text of the user's as safe HTML, also inside attributes."""
    return _escape(str(value), quote=True)


def number(value: float, digits: int = 2) -> str:
    """A plain number with a real minus sign; a dash if it was not measured."""
    if not math.isfinite(value):
        return DASH
    text = f"{value:,.{digits}f}".replace(",", "\u202f")
    return ("−" + text[1:] if text.startswith("-") else text) if text.strip("-0.") else text.lstrip("-")


def sensible(value: float) -> str:
    """About three significant digits."""
    if not math.isfinite(value):
        return DASH
    magnitude = abs(value)
    return number(value, 0 if magnitude >= 100 else 1 if magnitude >= 10 else 2)


def percent(share: float) -> str:
    if not math.isfinite(share):
        return DASH
    return "&gt; 99\u202f%" if 0.995 <= share < 1 else f"{100 * share:.0f}\u202f%"


def definition_list(rows: list[tuple[str, str]]) -> str:
    """Rows (plain name, HTML value)."""
    inner = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in rows)
    return f'<dl class="facts">{inner}</dl>'


@dataclass(frozen=True)
class Ruler:
    """Turns analysis pixels into lengths on the ground.

    metres_per_pixel, metres_per_unit: on the ground at the grid's centre, where a Mercator's 'metre' may be
        much shorter; NaN where the grid is not in a projected CRS.
    """

    metres_per_pixel: float
    metres_per_unit: float
    crs: str

    @staticmethod
    def of(grid: Grid) -> Ruler:
        if not grid.crs:
            return Ruler(math.nan, math.nan, "none")
        try:
            name, reference = crs_name(grid.crs), spatial_reference(grid.crs)
        except InputError:
            return Ruler(math.nan, math.nan, "unknown")
        per_unit = math.nan
        if reference.IsProjected():
            per_unit = float(reference.GetLinearUnits()) * map_stretch(grid)
        return Ruler(grid.gsd * per_unit, per_unit, name)

    @property
    def is_metric(self) -> bool:
        return math.isfinite(self.metres_per_pixel)

    def metres(self, pixels: float) -> str:
        """A length in pixels as '12.4 m', '' without a projected CRS or if not measured."""
        length = pixels * self.metres_per_pixel
        if not math.isfinite(length):
            return ""
        return f"{number(length / 1000, 2)} km" if abs(length) >= 10_000 else f"{sensible(length)} m"

    def both(self, pixels: float) -> str:
        """'1.24 px (12.4 m)'."""
        if not math.isfinite(pixels):
            return DASH
        metres = self.metres(pixels)
        return f"{sensible(pixels)} px" + (f' <span class="minor">({metres})</span>' if metres else "")
