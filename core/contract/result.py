"""Figures, verdict and result of a registration."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .grid import Grid
from .options import RegisterJob
from .ties import GcpTable


class Verdict(str, Enum):
    """How far a result can be relied on."""

    TRUSTED = "trusted"
    CARE = "usable with care"
    NOT_TRUSTED = "not trusted"


@dataclass(frozen=True)
class Figures:
    """What was measured. Lengths are analysis pixels; NaN where it could not be measured.

    rmse_fit: root mean square residual of the GCPs that were fitted.
    rmse_check, ce90: root mean square and 90th percentile of the residuals of the held-out check points.
    loo_rmse: leave-one-out error over the GCPs.
    coverage: share of the overlap that lies near a GCP or check point that the pose did not help to find, 0…1.
    inlier_share: GCPs and check points over places tried, without those that the pose helped to find.
    round_trip: median distance after matching forward and backward.
    similarity_before, similarity_after: structural similarity of the two images, -1…1.
    evidence: the method's probability that the pose is not chance, 0…1.
    gsd: size of an analysis pixel in units of the reference's CRS.
    """

    tie_points: int
    gcps: int
    check_points: int
    tried: int
    rmse_fit: float
    rmse_check: float
    ce90: float
    loo_rmse: float
    coverage: float
    inlier_share: float
    round_trip: float
    similarity_before: float
    similarity_after: float
    evidence: float
    gsd: float


@dataclass(frozen=True)
class Assessment:
    """The verdict with its reasons in plain words, and the figures behind it."""

    verdict: Verdict
    reasons: tuple[str, ...]
    figures: Figures


@dataclass(frozen=True)
class TransformRecord:
    """A fitted transform as it is stored: reference-grid pixel → moving-grid pixel.

    model: one of `options.MODELS` but "auto"; parameters: what `core.geometry` needs to rebuild it.
    """

    model: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class RegisterResult:
    """All that a registration yields; `files` maps a kind ("aligned", "gpkg", …) to a path."""

    job: RegisterJob
    reference_grid: Grid
    moving_grid: Grid
    gcps: GcpTable
    transform: TransformRecord
    assessment: Assessment
    files: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    steps: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
