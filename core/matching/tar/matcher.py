"""The method `tar`: overview pose, then tiles near identity, then robust rejection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ...contract import SILENT, Floats, MatchResult, Points, Reporter, TiePoints
from ...geometry import affine
from ..device import with_fallback
from ..placing import Placing
from ..protocol import MatchTask
from ..robust import MIN_POINTS, consensus, fit_pose
from ..structural.matcher import level_factors

from .pose import Hypothesis, find_poses
from .thinning import thinned
from .tiles import MARGIN, TILE, Plan, Ties, match_tiles
from .views import Model
from .weights import load_model

TRIED_POSES = 2
"""Poses of the first pass that the second pass tries on small images, where it costs little."""
SMALL_SIDE = 384
WIDE, CLOSE = 10, 6
"""Search radii in fine cells: at the overview's accuracy, and once that has been refined."""
MAX_ROUND_TRIP = 2.0
MOST_TILES = 100
LEAST_SPACING = 8.0


class TarMatcher:
    """Matches by learned features, helped by text about scenes and land cover."""

    name = "tar"
    title = "Learned features with text (TAR)"
    description = "Sarto's own network: the best choice for most pairs."

    def __init__(self, weights: Path | None = None) -> None:
        self._weights = weights

    def match(self, task: MatchTask, reporter: Reporter = SILENT) -> MatchResult:
        """See `Matcher.match`."""

        def work(device: torch.device) -> MatchResult:
            return _match(task, load_model(self._weights, device), reporter)

        return with_fallback(work, task.options.device, reporter)


@dataclass(frozen=True)
class Outcome:
    """What the second pass made of a hypothesis. good: the tie points that passed; agreed: of them, together."""

    hypothesis: Hypothesis
    pose: Floats
    tried: int
    good: Ties
    agreed: np.ndarray

    @property
    def agreement(self) -> float:
        return float(self.agreed.sum() / max(self.tried, 1))


def _match(task: MatchTask, model: Model, reporter: Reporter) -> MatchResult:
    hypotheses = find_poses(task, model, reporter)
    small = max(task.reference.shape) <= SMALL_SIDE
    outcomes = [_second_pass(task, model, h, reporter) for h in hypotheses[: TRIED_POSES if small else 1]]
    best = max(outcomes, key=lambda o: o.agreement)
    return _conclude(task, hypotheses, outcomes, best)


def _second_pass(task: MatchTask, model: Model, hypothesis: Hypothesis, reporter: Reporter) -> Outcome:
    pose, good, agreed, tried = hypothesis.pose, None, None, 0
    factors = level_factors(max(task.reference.shape))
    steps = [(f, WIDE if k == 0 else CLOSE) for k, f in enumerate(factors)]
    if len(factors) == 1:
        steps.append((1.0, CLOSE))
    for factor, radius in steps:
        ties = _level(task, model, pose, Plan(factor, radius=radius), reporter)
        tried = len(ties)
        good = ties.select(ties.usable & (ties.round_trip <= MAX_ROUND_TRIP * factor))
        good = thinned(good, task.options.points, spacing(task, factor))
        agreed = consensus(good.reference, good.moving, task.model, task.tolerance_px * max(1.0, factor / 2), task.options.seed)
        if agreed.sum() >= 2 * MIN_POINTS:
            pose = fit_pose(good.reference[agreed], good.moving[agreed], np.clip(good.value[agreed], 0.05, 1.0))
    assert good is not None and agreed is not None
    return Outcome(hypothesis, pose, tried, good, agreed)


def spacing(task: MatchTask, factor: float) -> float:
    rows, columns = task.reference.shape
    return max(LEAST_SPACING * factor, float(np.sqrt(rows * columns / task.options.points)))


def _level(task: MatchTask, model: Model, pose: Floats, plan: Plan, reporter: Reporter) -> Ties:
    rows, columns = (int(np.ceil(n / plan.factor)) for n in task.reference.shape)
    size = (min(rows, TILE), min(columns, TILE))
    corners = _corners(rows, columns, size) * plan.factor + (plan.factor - 1) / 2
    return match_tiles(model, task.reference, task.moving, pose, corners, size, plan, reporter)


def _corners(rows: int, columns: int, size: tuple[int, int]) -> Points:
    """First pixels (x, y) of tiles that cover an image, in tile pixels; evenly fewer where there were too many."""

    def starts(length: int, side: int) -> np.ndarray:
        count = 1 if length <= side else int(np.ceil((length - MARGIN) / (side - MARGIN)))
        return np.linspace(0, length - side, count)

    x, y = np.meshgrid(np.rint(starts(columns, size[1])), np.rint(starts(rows, size[0])))
    corners = np.stack([x.ravel(), y.ravel()], axis=1)
    if len(corners) > MOST_TILES:
        corners = corners[np.linspace(0, len(corners) - 1, MOST_TILES).astype(int)]
    return corners


def _conclude(task: MatchTask, hypotheses: list[Hypothesis], outcomes: list[Outcome], best: Outcome) -> MatchResult:
    good, agreed = best.good, best.agreed
    others = [h.score for h in hypotheses if h is not best.hypothesis]
    features = {
        "score": best.hypothesis.score,
        "lead": best.hypothesis.score - max(others, default=0.0),
        "agreement": best.agreement,
        "agreeing": float(agreed.mean()) if len(agreed) else 0.0,
        "other agreement": max((o.agreement for o in outcomes if o is not best), default=0.0),
        "margin": float(np.median(good.margin[agreed])) if agreed.any() else 0.0,
        "value": float(np.median(good.value[agreed])) if agreed.any() else 0.0,
        "spread": float(np.median(good.spread[agreed])) if agreed.any() else 20.0,
    }
    ties = TiePoints(good.reference, good.moving, np.full(len(good), 0.5), good.round_trip)
    steps = {"pose from": best.hypothesis.source, "evidence from": {k: round(v, 4) for k, v in features.items()},
             "tie_features": {"value": good.value, "margin": good.margin, "spread": good.spread}}
    return MatchResult(ties, agreed, best.pose, 0.9, best.tried, 50.0, steps)
