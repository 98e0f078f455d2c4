"""What every matching method is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional, Protocol

from ..contract import SILENT, MatchOptions, MatchResult, Pixels, Reporter, SearchRange

REACH = 97.0
"""`MatchResult.reach` to assume where the method is not known, as for tie points of a file: the largest of all."""


@dataclass(frozen=True)
class MatchTask:
    """One pair to match.

    reference, moving: uint8 (rows, columns), 0 = NoData; may differ in size, may be memory-mapped.
    search: how far the moving image may be off; with both images centred on each other, a pose has a
        rotation, a scale (moving pixels per reference pixel) and a shift of the centre.
    tolerance_px: robust rejection threshold, pixels.
    model: the transform that will be fitted ("auto" or a model's name): decides what the tie points must agree on.
    land_cover: whether `MatchResult.cover` is wanted, of a method that can give it.
    painting: whether `MatchResult.painted` is wanted, of a method that can give it.
    bands: uint8 (bands, rows, columns) of the reference, each stretched by itself and 0 where `reference` is 0;
        None where there is only the grey image.
    land_use: uint8 (rows, columns) as the reference, the class of land use at each pixel (1…7, in the order of
        `land_use.CLASSES`), 0 where nothing is known or `reference` is 0; None without a land-cover layer.
    """

    reference: Pixels
    moving: Pixels
    search: SearchRange
    options: MatchOptions = field(default_factory=MatchOptions)
    tolerance_px: float = 3.0
    model: str = "auto"
    land_cover: bool = False
    bands: Optional[Pixels] = None
    land_use: Optional[Pixels] = None
    painting: bool = False

    @property
    def seen(self) -> Pixels:
        """All that the reference shows: its bands where there are any, else the grey image."""
        return self.reference if self.bands is None else self.bands

    @property
    def max_shift(self) -> float:
        """Largest shift of the centre in pixels. Images of different size have that much more room.

        Never more than the longer side of the reference and that room: beyond it nothing overlaps.
        """
        rows, columns = self.reference.shape
        room = max(abs(rows - self.moving.shape[0]), abs(columns - self.moving.shape[1])) / 2
        return min(self.search.max_shift(columns, rows), float(max(rows, columns))) + room


class Matcher(Protocol):
    """A method. It is created once and may match many pairs; weights load at the first one.

    name: what the user types; what the user reads is in the registry.
    """

    name: str

    def match(self, task: MatchTask, reporter: Reporter = SILENT) -> MatchResult:
        """Find tie points (positions in full pixels of each image) and the global pose.

        Raises NoMatchError where not even a pose can be given, Cancelled when asked to stop.
        """
        ...
