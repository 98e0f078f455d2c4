"""What a method can tell besides tie points, delivered on request: the land cover it saw, a synthetic picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ..contract import MatchResult, Painting, PreparedPair, RegisterJob
from ..raster import LandCover, classify_cover

ON_REQUEST = ("land_cover", "painted")
"""Kinds of result that are written on request only; each has an option of its name in `OutputOptions`."""


@dataclass(frozen=True)
class Extras:
    """What there is; None where it was not asked for, or the method has none."""

    land_cover: Optional[LandCover] = None
    painted: Optional[Painting] = None

    @staticmethod
    def of(pair: PreparedPair, match: MatchResult, kinds: tuple[str, ...]) -> Extras:
        """Of the kinds that are wanted. A painting without any valid pixel counts as none."""
        cover = match.cover if "land_cover" in kinds else None
        painted = match.painted if "painted" in kinds else None
        return Extras(
            None if cover is None else classify_cover(cover, pair.reference, pair.reference_grid),
            None if painted is None or not painted.values.any() else painted,
        )

    def lacking(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """The kinds on request that are not there."""
        return tuple(kind for kind in ON_REQUEST if kind in kinds and getattr(self, kind) is None)


def about_extras(job: RegisterJob, extras: Extras) -> tuple[str, ...]:
    """What the record must say of them."""
    if extras.painted is None:
        return ()
    return (
        f"synthetic_optical.tif is a synthetic picture: the method '{job.match.method}' painted it from the SAR "
        "image, and nothing in it was measured by an optical sensor.",
    )
