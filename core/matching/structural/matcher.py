"""The method `structural`: global pose search, then local windows from coarse to fine, then robust rejection."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from ...contract import SILENT, Flags, Floats, MatchResult, Points, Reporter, TiePoints
from ..device import with_fallback
from ..keypoints import detect_whole, kind_for
from ..placing import Placing, as_points
from ..protocol import MatchTask
from ..robust import MIN_POINTS, consensus, fit_pose
from .calibration import pose_evidence, tie_confidence
from .local import WindowPlan, Windows, match_windows
from .pose import FINE_SIDE, PoseSearch, search_pose

SMALL_HALF, LARGE_HALF = 32, 48
"""Half side of a window: small images cannot spare the border of a large one."""
SMALL_SIDE = 512
RADIUS = 8
LEVEL_STEP = 3.0
"""Each level has so many times smaller pixels than the one before; the radius covers its error amply."""
COARSE_POINTS = 100
LEAST_SPACING = 16.0
MAX_ROUND_TRIP = 2.0
ENOUGH_AGREEMENT = 0.12
"""Share of windows that must agree on a level: about what agrees by chance."""
LEAST_COARSER = 2.0
"""A level shows something new where its pixels are so many times larger."""


class StructuralMatcher:
    """Matches by edges and their orientation; needs no weights and no GPU."""

    name = "structural"

    def match(self, task: MatchTask, reporter: Reporter = SILENT) -> MatchResult:
        """See `Matcher.match`."""

        def work(device: torch.device, share: float) -> MatchResult:
            return _match(task, device, reporter)

        return with_fallback(work, task.options.device, reporter, shares=(1.0,))  # it never holds much


def _match(task: MatchTask, device: torch.device, reporter: Reporter) -> MatchResult:
    kind = kind_for(task.options.keypoints, "grid")
    search = search_pose(task, device, reporter)
    pose = search.poses[0].transform
    half = _half_side(task)
    factors = level_factors(max(task.reference.shape))
    for number, factor in enumerate(factors[:-1]):
        plan = WindowPlan(half, RADIUS, factor)
        placing = Placing(task.reference, task.moving, pose, COARSE_POINTS, half * factor)
        first = as_points([places[0] for places in placing.cells()])
        windows = match_windows(task.seen, task.moving, pose, first, plan, device, reporter)
        pose = _updated_pose(pose, windows, task, factor)
        reporter.progress("Refining the position", (number + 1) / len(factors))
    # The finest level may show speckle only (oversampled images): then a coarser one gives the tie points.
    best = _level_of(task, pose, WindowPlan(half, RADIUS, 1.0), kind, device, reporter)
    for factor in reversed([f for f in factors if f >= LEAST_COARSER]):
        if best.agreement >= ENOUGH_AGREEMENT:
            break
        coarser = _level_of(task, pose, WindowPlan(half, RADIUS, factor), kind, device, reporter)
        best = max(best, coarser, key=lambda level: level.agreement)
    return _conclude(task, search, pose, best)


def _half_side(task: MatchTask) -> int:
    return SMALL_HALF if max(task.reference.shape) <= SMALL_SIDE else LARGE_HALF


def level_factors(longest: int, first: float = FINE_SIDE) -> list[float]:
    """Pixel sizes of the local levels, down to 1; on the first, the longer side spans `first` pixels at most."""
    start = max(1.0, longest / first)
    steps = math.ceil(math.log(start) / math.log(LEVEL_STEP) - 1e-9)
    return [start ** (1 - k / steps) for k in range(steps)] + [1.0] if steps else [1.0]


@dataclass(frozen=True)
class _Level:
    """Tie points found on one level, at one kind of keypoints.

    good: the windows that passed; agreed: those of them that fit together.
    """

    plan: WindowPlan
    keypoints: str
    placing: Placing
    windows: Windows
    good: Windows
    agreed: Flags

    @property
    def agreement(self) -> float:
        return float(self.agreed.sum() / max(len(self.windows), 1))


def _level_of(
    task: MatchTask, pose: Floats, plan: WindowPlan, kind: str, device: torch.device, reporter: Reporter
) -> _Level:
    """Spread windows over the overlap on one level and reject those that disagree.

    kind: of the keypoints that they are laid around; "grid" lays them where each cell has most structure.
    """
    placing = Placing(task.reference, task.moving, pose, task.options.points, LEAST_SPACING * plan.factor)
    if kind == "grid":
        cells = placing.cells()
    else:
        cells = placing.cells_of(detect_whole(kind, task.reference, plan.factor, device, reporter))
    windows = _spread(task, pose, placing, cells, plan, device, reporter)
    good = windows.select(_accepted(windows, plan.factor))
    tolerance = task.tolerance_px * max(1.0, plan.factor / 2)
    agreed = consensus(good.reference, good.moving, task.model, tolerance, task.options.seed)
    return _Level(plan, kind, placing, windows, good, agreed)


def _accepted(windows: Windows, factor: float = 1.0) -> Flags:
    return np.asarray(windows.usable & (windows.round_trip <= MAX_ROUND_TRIP * factor), dtype=np.bool_)


def _updated_pose(pose: Floats, windows: Windows, task: MatchTask, factor: float) -> Floats:
    """Refit the pose where enough windows agree; else keep it."""
    good = windows.select(_accepted(windows, factor))
    agreed = consensus(good.reference, good.moving, "affine", task.tolerance_px * factor, task.options.seed)
    if agreed.sum() < max(2 * MIN_POINTS, 0.15 * len(windows)):
        return pose
    return fit_pose(good.reference[agreed], good.moving[agreed], np.clip(good.value[agreed], 0.05, 1.0))


def _spread(
    task: MatchTask,
    pose: Floats,
    placing: Placing,
    cells: list[list[tuple[float, float]]],
    plan: WindowPlan,
    device: torch.device,
    reporter: Reporter,
) -> Windows:
    """One window per cell; where it fails, further places of the same cell (adaptive densification)."""
    pending = cells
    rounds: list[Windows] = []
    for attempt in range(3 if placing.spacing > 2 * LEAST_SPACING * plan.factor else 1):
        pending = [places for places in pending if len(places) > attempt]
        if not pending:
            break
        centres: Points = as_points([places[attempt] for places in pending])
        windows = match_windows(task.seen, task.moving, pose, centres, plan, device, reporter)
        rounds.append(windows)
        done = _accepted(windows, plan.factor)
        pending = [places for places, ok in zip(pending, done) if not ok]
        reporter.progress("Matching tie points", (attempt + 1) / 3)
    if not rounds:
        empty = np.zeros(0)
        return Windows(as_points([]), as_points([]), empty, empty, empty, empty.astype(np.bool_))
    return Windows.join(rounds)


def _conclude(task: MatchTask, search: PoseSearch, pose: Floats, level: _Level) -> MatchResult:
    windows, good, agreed, placing = level.windows, level.good, level.agreed, level.placing
    if agreed.sum() >= MIN_POINTS:
        pose = fit_pose(good.reference[agreed], good.moving[agreed], np.clip(good.value[agreed], 0.05, 1.0))
    shrink = max(1.0, max(task.reference.shape) / FINE_SIDE) ** 2
    overlap = placing.overlap_share * task.reference.size / shrink
    reach = (2.0 * level.plan.half + 1) * level.plan.factor
    window = reach**2 / shrink
    evidence = pose_evidence(search, windows, agreed, overlap, window)
    confidence = tie_confidence(good, pose, evidence)
    ties = TiePoints(good.reference, good.moving, confidence, good.round_trip)
    steps = {
        "poses tried": search.tried,
        "pose score": round(search.poses[0].score, 4),
        "windows": len(windows),
        "keypoints": level.keypoints,
        "tie points on pixels of": round(level.plan.factor, 2),
        "spacing_px": round(placing.spacing, 1),
        "overlap of the images": round(placing.overlap_share, 4),
        "evidence from": {key: round(value, 4) for key, value in evidence.features.items()},
    }
    return MatchResult(ties, agreed, pose, evidence.probability, len(windows), reach, steps)
