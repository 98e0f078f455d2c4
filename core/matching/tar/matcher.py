"""The method `tar`: overview pose, then tiles near identity, then what all of it is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...contract import SILENT, Floats, MatchResult, Reporter, TiePoints
from ...geometry import affine
from ..device import with_fallback
from ..placing import Placing
from ..prompts import load_library, parse_scenes
from ..protocol import MatchTask
from ..robust import MIN_POINTS, fit_pose
from .cfdm import FINE_CELL
from .cover import cover_map
from .pose import Hypothesis, find_poses
from .second_pass import Outcome, finish, preview, second_pass
from .tiles import TILE, Ties
from .views import Model
from .weights import load_model

TRIED = 3
"""Poses of the first pass that the second pass tries on small images, where it costs little."""
LIKELY = 0.25
"""Poses with less than this share of the best one's score are not tried."""
DISTANCE = 0.03
"""Share of the image's longer side within which two poses are the same."""
UNIT_AREA = 192.0**2
"""Pixels of overlap on chips as it was calibrated on."""


@dataclass(frozen=True)
class Parts:
    """What takes part; anything but the defaults is for ablations.

    text: "full", "none", or "shuffled" = the features of other words. second: tiles are matched more than once.
    rescue: candidates of the structural pose search are tested as well.
    """

    text: str = "full"
    second: bool = True
    rescue: bool = True


@dataclass(frozen=True)
class Examined:
    """A result and what it was judged by: figures of the pose, and of each tie point (N,)."""

    result: MatchResult
    evidence: dict[str, float]
    ties: dict[str, Floats]


class TarMatcher:
    """Matches by learned features, helped by text about scenes and land cover."""

    name = "tar"
    title = "Learned features with text (TAR)"
    description = "Sarto's own network: the best choice for most pairs."

    def __init__(self, weights: Path | None = None, parts: Parts | None = None) -> None:
        self._weights, self._parts = weights, parts or Parts()

    def match(self, task: MatchTask, reporter: Reporter = SILENT) -> MatchResult:
        """See `Matcher.match`. Raises EngineError where the weights are missing or damaged."""
        return self.examine(task, reporter).result

    def examine(self, task: MatchTask, reporter: Reporter = SILENT) -> Examined:
        """As `match`, with the figures that the calibration weighs."""
        scenes = parse_scenes(getattr(task.options, "scene", "auto"), load_library())

        def work(device: torch.device) -> Examined:
            model = load_model(self._weights, device, scenes, self._parts.text)
            return _match(task, model, self._parts, reporter)

        return with_fallback(work, task.options.device, reporter)


def _match(task: MatchTask, model: Model, parts: Parts, reporter: Reporter) -> Examined:
    hypotheses = find_poses(task, model, reporter, parts.rescue)
    likely = _likely(task, model, hypotheses, reporter)
    outcomes = [second_pass(task, model, h, reporter, parts.second) for h in likely]
    outcomes.sort(key=lambda o: -o.gain)
    if parts.second and max(task.reference.shape) <= TILE:
        outcomes[0] = finish(task, model, outcomes[0], reporter)
    return _conclude(task, model, hypotheses, outcomes, reporter)


def _likely(task: MatchTask, model: Model, hypotheses: list[Hypothesis], reporter: Reporter) -> list[Hypothesis]:
    """The hypotheses for the second pass: several on small images; the best at first sight on large ones.

    The structural search's first is always among those looked at: on a coarse overview it may see what the network
    does not.
    """
    tried = hypotheses[:TRIED]
    if max(task.reference.shape) <= TILE:
        return [h for h in tried if h.score >= LIKELY * tried[0].score]
    tried += [h for h in hypotheses[TRIED:] if h.score == 0][:1]
    return [max(tried, key=lambda h: preview(task, model, h, reporter))]


def _conclude(
    task: MatchTask,
    model: Model,
    hypotheses: list[Hypothesis],
    outcomes: list[Outcome],
    reporter: Reporter,
) -> Examined:
    best = outcomes[0]
    ties, agreed, pose = best.ties, best.agreed, best.pose
    if agreed.sum() >= MIN_POINTS:
        pose = fit_pose(ties.reference[agreed], ties.moving[agreed], np.clip(ties.value[agreed], 0.05, 1.0))
    overlap = Placing(task.reference, task.moving, pose, 1, 1.0).overlap_share
    evidence = evidence_features(task, hypotheses, outcomes, overlap)
    log_odds = model.calibration.log_odds(evidence)
    features = tie_features(ties, pose)
    confidence = model.calibration.tie_confidence(features, log_odds) if len(ties) else np.zeros(0)
    reach = FINE_CELL * (2 * best.plan.half + 1) * best.plan.factor
    steps = {
        "pose from": best.hypothesis.source,
        "hypotheses": len(hypotheses),
        "places": best.tried,
        "overlap of the images": round(overlap, 4),
        "evidence from": {name: round(value, 4) for name, value in evidence.items()},
        "text": "used" if model.text is not None else "not used",
    }
    cover = cover_map(task, model, pose, reporter) if task.land_cover else None
    points = TiePoints(ties.reference, ties.moving, confidence, ties.round_trip)
    probability = 1 / (1 + math.exp(-log_odds))
    result = MatchResult(points, agreed, pose, probability, best.tried, reach, steps, cover)
    return Examined(result, evidence, features)


def evidence_features(
    task: MatchTask, hypotheses: list[Hypothesis], outcomes: list[Outcome], overlap: float
) -> dict[str, float]:
    """What speaks for the best outcome, for `Calibration.log_odds`.

    gain: support of all places. coarse: support of the coarse cells. lead: gain over the best other pose's.
    agreement: share of places on the pose. room: logarithm of the overlap in units of the chips calibrated on.
    tried: logarithm of the rotations, scales and shifts searched.
    """
    best = outcomes[0]
    tolerance = DISTANCE * max(task.reference.shape)
    others = [
        o.gain for o in outcomes[1:] if affine.grid_distance(o.pose, best.pose, task.reference.shape) > tolerance
    ]
    search = task.search
    turns = 1 + search.rotation_deg / 5 * 2
    scales = 1 + math.log(search.scale_max / search.scale_min) / 0.1
    shifts = (1 + 2 * task.max_shift / 8) ** 2
    return {
        "gain": best.gain,
        "coarse": best.hypothesis.score,
        "lead": best.gain - max(others, default=0.0),
        "agreement": best.agreement,
        "room": math.log(max(overlap, 1e-3) * min(task.reference.size, 16 * UNIT_AREA) / UNIT_AREA),
        "tried": math.log(turns * scales * shifts),
    }


def tie_features(ties: Ties, pose: Floats) -> dict[str, Floats]:
    """What is known of each tie point (N,), for `Calibration.tie_confidence`."""
    residual = np.linalg.norm(ties.moving - affine.apply(pose, ties.reference), axis=1)
    return {
        "value": ties.value,
        "margin": ties.margin,
        "spread": np.minimum(ties.spread, 12.0),
        "round trip": np.minimum(ties.round_trip, 2.0),
        "residual": np.minimum(residual, 8.0),
    }
