"""Tie points and GCPs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from .cover import CoverMap
from .grid import Grid, Points
from .painting import Painting

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def _empty_points() -> Points:
    return np.zeros((0, 2))


def _empty() -> Floats:
    return np.zeros(0)


@dataclass(frozen=True)
class TiePoints:
    """Corresponding positions in two images.

    reference, moving: (N, 2) pixel positions (x, y), centres at integers, each in its own image.
    confidence: (N,) probability of being right within 2 px, 0…1.
    round_trip: (N,) distance in pixels between a point and its image after matching there and back; NaN where the
        pose helped to find it, see `unaided`.
    """

    reference: Points = field(default_factory=_empty_points)
    moving: Points = field(default_factory=_empty_points)
    confidence: Floats = field(default_factory=_empty)
    round_trip: Floats = field(default_factory=_empty)

    def __len__(self) -> int:
        return len(self.reference)

    def select(self, keep: npt.NDArray[Any]) -> TiePoints:
        """The tie points at a mask or index array (N,)."""
        return TiePoints(self.reference[keep], self.moving[keep], self.confidence[keep], self.round_trip[keep])


def unaided(round_trip: Floats) -> Flags:
    """Which tie points (N,) were found without the help of the pose: they may tell how good it is.

    Those are matched there and back. Where none is, nothing is known of it, and all count.
    """
    found: Flags = np.isfinite(round_trip)
    return found if found.any() else np.ones_like(found)


@dataclass(frozen=True)
class MatchResult:
    """What a matcher returns.

    ties: all tie points that passed the method's own checks.
    inliers: (N,) which of them agree with one transform (robust rejection).
    pose: (2, 3) affine reference pixel → moving pixel found by the global step.
    evidence: 0…1, how strongly the images themselves support the pose: the method's own probability that
        this is not chance, calibrated on pairs of different places.
    tried: number of places where a tie point was looked for.
    reach: pixels; tie points closer than this were measured on shared pixels, so that their errors are alike
        (0 = independent).
    steps: what the method did, in plain words and figures, for the record.
    cover: which land cover the method saw where; None where it sees none, or none was asked for.
    painted: the moving image as the method paints it; None where it paints none, or none was asked for.
    """

    ties: TiePoints
    inliers: Flags
    pose: Floats
    evidence: float
    tried: int
    reach: float = 0.0
    steps: dict[str, Any] = field(default_factory=dict)
    cover: Optional[CoverMap] = None
    painted: Optional[Painting] = None


GCP, CHECK = "gcp", "check"


@dataclass(frozen=True)
class GcpTable:
    """GCPs and check points with their residuals; the columns are parallel arrays of length N.

    reference_px, moving_px: (N, 2) positions on `reference_grid` and `moving_grid` (centres at integers).
    confidence: (N,) 0…1.
    round_trip: (N,) pixels.
    residual_px: (N, 2) predicted minus observed moving position under the fitted transform, analysis pixels;
        NaN where not computed.
    enabled: (N,) whether the point takes part (in the fit, or in the check).
    role: (N,) "gcp" (used by the fit) or "check" (held back).
    """

    reference_grid: Grid
    moving_grid: Grid
    reference_px: Points
    moving_px: Points
    confidence: Floats
    round_trip: Floats
    residual_px: Points
    enabled: Flags
    role: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.reference_px)

    @property
    def map_xy(self) -> Points:
        """(N, 2) true positions in the reference's CRS."""
        return self.reference_grid.to_world(self.reference_px)

    @property
    def source_xy(self) -> Points:
        """(N, 2) where the moving layer shows the same thing now: reference CRS, or GDAL source pixels."""
        return self.moving_grid.to_world(self.moving_px)

    @property
    def displacement(self) -> Points:
        """(N, 2) dX, dY = map position minus present position, CRS units; NaN without georeference."""
        if not self.reference_grid.crs or self.moving_grid != self.reference_grid:
            return np.full((len(self), 2), np.nan)
        return self.map_xy - self.source_xy

    @property
    def residual_length_px(self) -> Floats:
        """(N,) length of the residual in analysis pixels."""
        return np.hypot(self.residual_px[:, 0], self.residual_px[:, 1])

    @property
    def residual_length(self) -> Floats:
        """(N,) length of the residual in units of the reference's CRS."""
        scale = self.reference_grid.gsd
        return np.asarray(self.residual_length_px * scale, dtype=np.float64)

    def used(self, role: str) -> Flags:
        """(N,) enabled points of a role."""
        return np.asarray(self.enabled & (self.role == role), dtype=np.bool_)

    def with_columns(self, **columns: Any) -> GcpTable:
        """A copy with some columns replaced."""
        return replace(self, **columns)
