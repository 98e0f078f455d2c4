"""What a run will do and how long it will take, and how far a run is."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from ..contract import Grid, MatchOptions, RegisterJob
from ..matching import traits_of
from ..raster import gsd_text, outlook
from .text_options import check_hints, land_use_reader


@dataclass(frozen=True)
class Forecast:
    """What a run will do.

    reference_grid, moving_grid: the analysis grids (equal if both layers are georeferenced).
    overlap_pixels: analysis pixels in the overlap and the area. overlap_km2: NaN without CRS.
    seconds: estimate for two processor cores. gsd_text: size of an analysis pixel with its unit.
    """

    reference_grid: Grid
    moving_grid: Grid
    overlap_pixels: int
    overlap_km2: float
    seconds: float
    gsd_text: str
    notes: tuple[str, ...] = ()


def foresee(job: RegisterJob) -> Forecast:
    """Plan a job without reading pixels; raises what the run would raise for its layers and options.

    Opens the files, which may be slow on a network disk: not for the thread of a user interface.
    """
    check_hints(job.match)
    seen = outlook(job, land_use_reader(job) is not None)
    seconds = expected_seconds(seen.overlap_pixels, seen.output_pixels, job.match)
    return Forecast(
        seen.reference_grid,
        seen.moving_grid,
        seen.overlap_pixels,
        seen.overlap_km2,
        seconds,
        gsd_text(seen.reference_grid),
        seen.notes,
    )


_START_SECONDS = 1.3  # the engine's start, the report
_POSE_SECONDS = 1.2  # the pose search on a reduced image; this and the next by the method `structural`
_SECONDS_PER_POINT = 0.007
_SECONDS_PER_MEGAPIXEL = 0.30  # reading and stretching both layers
_SECONDS_PER_OUTPUT_MEGAPIXEL = 0.45  # warping, overviews, compression


def expected_seconds(overlap_pixels: float, output_pixels: float, options: MatchOptions) -> float:
    """A rough estimate for two processor cores; the dock corrects it by what runs took on this computer."""
    tie_points = min(options.points, overlap_pixels / 32**2)  # small images have no room for more windows
    return (
        _START_SECONDS
        + traits_of(options.method).pace * (_POSE_SECONDS + _SECONDS_PER_POINT * tie_points)
        + 1e-6 * (_SECONDS_PER_MEGAPIXEL * overlap_pixels + _SECONDS_PER_OUTPUT_MEGAPIXEL * output_pixels)
    )


STAGES: tuple[tuple[str, float], ...] = (
    ("Starting the engine", 0.10),
    ("Reading the optical layer", 0.11),
    ("Reading the SAR layer", 0.09),
    ("Searching the position", 0.17),
    ("Refining the position", 0.05),
    ("Matching tie points", 0.20),
    ("Fitting the transform", 0.03),
    ("Assessing", 0.05),
    ("Aligning the SAR layer", 0.08),
    ("Writing the aligned raster", 0.06),
    ("Writing the GCPs", 0.01),
    ("Writing the report", 0.05),
)
"""Stages of a run as they report themselves, in their order, and about which share of the time each takes where
the method is `structural`."""

_MATCHING = ("Searching the position", "Refining the position", "Matching tie points")


def stages_of(method: str) -> tuple[tuple[str, float], ...]:
    """`STAGES` with the shares that they have where the matching is as slow as this method's."""
    pace = traits_of(method).pace
    times = [(stage, share * (pace if stage in _MATCHING else 1.0)) for stage, share in STAGES]
    whole = sum(time for _, time in times)
    return tuple((stage, time / whole) for stage, time in times)


class Overall:
    """Turns progress within stages into progress of the whole, and into the time left.

    Stages of a method that are not in `STAGES` leave the whole where it is; it never goes back.
    expected_seconds: the estimate from before the run; NaN = none. It loses weight as the run goes on.
    method: that matches; "" = not known.
    """

    def __init__(self, expected_seconds: float = math.nan, method: str = "") -> None:
        self._expected = expected_seconds
        self._started = math.nan  # at the first progress: a run may have waited for others
        self._overall = 0.0
        self._starts: dict[str, tuple[float, float]] = {}
        start = 0.0
        for stage, share in stages_of(method):
            self._starts[stage] = (start, share)
            start += share

    def update(self, stage: str, fraction: float) -> tuple[float, float]:
        """(share of the whole 0…1, seconds left or NaN) after progress `fraction` within `stage`."""
        if math.isnan(self._started):
            self._started = time.monotonic()
        if stage in self._starts:
            start, share = self._starts[stage]
            self._overall = max(self._overall, min(1.0, start + share * fraction))
        elif stage == "Done":
            self._overall = 1.0
        return self._overall, self._seconds_left()

    def _seconds_left(self) -> float:
        elapsed, share = time.monotonic() - self._started, self._overall
        if share >= 1.0:
            return 0.0
        seen = elapsed * (1 - share) / share if share > 0.05 and elapsed > 1.0 else math.nan
        hoped = max(0.0, self._expected - elapsed) if math.isfinite(self._expected) else math.nan
        if math.isnan(hoped) or math.isnan(seen):
            return seen if math.isnan(hoped) else hoped
        return share * seen + (1 - share) * max(hoped, 0.3 * seen)
