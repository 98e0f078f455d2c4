"""Whether the optical and the SAR layer look as if the one had been given for the other: said, never refused."""

from __future__ import annotations

from ..contract import Flags
from .bands import has_colours
from .scene import Scene, Values

_NEGATIVE = 0.05
"""Share of values below zero from which they are no brightness."""


def colour_notes(reference: Scene, moving: Scene) -> list[str]:
    """What to say where only the SAR layer has red, green and blue bands."""
    if has_colours(reference.dataset) or not has_colours(moving.dataset):
        return []
    return [
        f"'{moving.label}', given as the SAR layer, has red, green and blue bands, and '{reference.label}', given "
        "as the optical layer, has not: if the two were exchanged, swap them."
    ]


def value_notes(reference: Scene, values: Values, valid: Flags) -> list[str]:
    """What to say where the optical layer has many values below zero, as backscatter in dB has.

    values: (bands, rows, columns) of a sample; valid: (rows, columns).
    """
    known = values[:, valid]
    share = float((known < 0).mean()) if known.size else 0.0
    if share <= _NEGATIVE:
        return []
    return [
        f"'{reference.label}', given as the optical layer, has values below zero in {share:.0%} of its pixels, as "
        "SAR layers in dB have: if the two layers were exchanged, swap them."
    ]
