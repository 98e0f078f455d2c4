"""From a pair of images to a match: overview pose, then tiles near identity, then what all of it is worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Union

import numpy as np

from ...contract import Floats, MatchResult, Reporter, TiePoints
from ...geometry import affine
from ..placing import Placing
from ..protocol import MatchTask
from ..robust import MIN_POINTS, fit_pose
from .calibration import Limits
from .network import FINE_CELL
from .pose import Hypothesis, find_poses
from .second_pass import Glance, Outcome, finish, glance, second_pass, single_pass, without_help
from .tiles import TILE, Ties
from .views import Model
from .weight_files import signature

TRIED = 3
"""Poses of the first pass that are looked at more closely on large scenes."""
MOST_TRIED = 8
"""Poses of the first pass that the second pass glances at on small images."""
CLOSER = 3
"""Of them, those that it looks at more closely."""
LIKELY = 0.1
"""Where the best one is beyond doubt, poses with less than this share of its score are not tried."""
RIVAL = 0.3
"""Poses with this share of the best one's score are tried even after a convincing one: they may be its equals."""
DISTANCE = 0.03
"""Share of the image's longer side within which two poses are the same."""
UNIT_AREA = 192.0**2
"""Pixels of overlap on chips as it was calibrated on."""
SCORE_WEIGHT, SCORE_FLOOR = 0.2, 0.01
"""How much the logarithm of the first pass's score counts beside the gain of the second. Flooded forest shows the
second pass hardly anything by itself. Chosen on training pairs and half of the validation pairs."""
CHANCE = SCORE_WEIGHT * math.log(SCORE_FLOOR)
"""Support of a pose that neither pass sees anything in."""


Seen = Union[Glance, Outcome]
"""A hypothesis that the second pass has looked at."""
LastLook = Callable[[Outcome, Reporter], Outcome]
"""From the outcome of the second pass to the tie points that are handed over."""


@dataclass(frozen=True)
class Parts:
    """What takes part; anything but the defaults is for ablations.

    second: tiles are matched more than once.
    rescue: candidates of the structural pose search are tested as well. guided: on small images, tie points that
    the pose helps to find take part. limits: from which the search for a pose ends early, None = those of the
    weights' calibration.
    """

    second: bool = True
    rescue: bool = True
    guided: bool = True
    limits: Limits | None = None


@dataclass(frozen=True)
class Examined:
    """A result and what it was judged by: figures of the pose, and of each tie point (N,).

    most: the highest score and gain of any pose that was tried.
    """

    result: MatchResult
    most: Limits
    evidence: dict[str, float]
    ties: dict[str, Floats]


class _Looks:
    """The second pass's glances at the hypotheses of a task: at each only once."""

    def __init__(self, task: MatchTask, model: Model, reporter: Reporter) -> None:
        self._task, self._model, self._reporter = task, model, reporter
        self._seen: list[Glance] = []

    def at(self, hypotheses: list[Hypothesis], searching: bool = False) -> list[Glance]:
        """What a glance at each of them shows; new ones are looked at together. searching: still for poses."""
        new = [h for h in hypotheses if all(h is not s.hypothesis for s in self._seen)]
        if new:
            reporter = self._reporter.without_progress() if searching else self._reporter
            self._seen += glance(self._task, self._model, new, reporter)
        return [next(s for s in self._seen if s.hypothesis is h) for h in hypotheses]


def examine(
    task: MatchTask, model: Model, parts: Parts, reporter: Reporter, last: LastLook | None = None
) -> Examined:
    """Match a pair with a method's network, and say what the result is judged by.

    last: the method's own way to tie points, once the pose is found. Raises NoMatchError, Cancelled.
    """
    limits = parts.limits or model.calibration.limits
    looks = _Looks(task, model, reporter)

    def convincing(pose: Hypothesis) -> bool:
        return parts.second and looks.at([pose], searching=True)[0].gain >= limits.gain

    hypotheses = find_poses(task, model, reporter, parts.rescue, limits.score, convincing)
    if max(task.reference.shape) > TILE:
        return _match_large(task, model, parts, hypotheses, looks, reporter, last)
    best = hypotheses[0].score
    tried = [h for h in hypotheses[:MOST_TRIED] if best < limits.score or h.score >= LIKELY * best]
    if not parts.second:
        outcomes = sorted((single_pass(task, model, h, reporter) for h in tried), key=_rank)
        return _conclude(task, model, outcomes[0], outcomes)
    seen = looks.at(tried[:1])
    rest = [h for h in tried[1:] if seen[0].gain < limits.gain or h.score >= RIVAL * best]
    if rest:
        seen = sorted(seen + looks.at(rest), key=_rank)
    outcomes = sorted(second_pass(task, model, seen[:CLOSER], reporter), key=_rank)
    compared: list[Seen] = [*outcomes, *seen[CLOSER:]]
    outcome = finish(task, model, outcomes[0], reporter)
    if last is not None:
        outcome = last(outcome, reporter)
    return _conclude(task, model, outcome if parts.guided else without_help(outcome), compared)


def with_weights(examined: Examined, weights: Path | None) -> Examined:
    """The same, with the file of weights in its record where it is not the shipped one."""
    if weights is None:
        return examined
    steps = {**examined.result.steps, "weights": signature(weights)}
    return replace(examined, result=replace(examined.result, steps=steps))


def _rank(seen: Seen) -> float:
    """Sorts the best supported first."""
    return -support(seen.gain, seen.hypothesis)


def support(gain: float, hypothesis: Hypothesis) -> float:
    """What speaks for a pose in both passes together: its gain in the second, and its score in the first."""
    return gain + SCORE_WEIGHT * math.log(hypothesis.score + SCORE_FLOOR)


def _match_large(
    task: MatchTask,
    model: Model,
    parts: Parts,
    hypotheses: list[Hypothesis],
    looks: _Looks,
    reporter: Reporter,
    last: LastLook | None,
) -> Examined:
    """Only the pose that looks best at first sight goes through the second pass: it takes long.

    The structural search's first, where there was one, is always among those looked at: it may see what the
    network does not.
    """
    tried = hypotheses[:TRIED]
    tried += [h for h in hypotheses[TRIED:] if h.score == 0][:1]
    seen = sorted((looks.at([h])[0] for h in tried), key=_rank)
    if parts.second:
        (outcome,) = second_pass(task, model, seen[:1], reporter, guides=last is not None)
        outcome = outcome if last is None else last(outcome, reporter)
    else:
        outcome = single_pass(task, model, seen[0].hypothesis, reporter)
    return _conclude(task, model, outcome, seen)


def _conclude(task: MatchTask, model: Model, best: Outcome, compared: Sequence[Seen]) -> Examined:
    """compared: all that was looked at, best first; of `best`, what was seen before its last look."""
    ties, agreed, pose = best.ties, best.agreed, best.pose
    if agreed.sum() >= MIN_POINTS:
        pose = fit_pose(ties.reference[agreed], ties.moving[agreed], np.clip(ties.value[agreed], 0.05, 1.0))
    overlap = Placing(task.reference, task.moving, pose, 1, 1.0).overlap_share
    evidence = evidence_features(task, best, compared, overlap)
    log_odds = model.calibration.log_odds(evidence)
    features = tie_features(ties, pose)
    confidence = model.calibration.tie_confidence(features, log_odds) if len(ties) else np.zeros(0)
    reach = FINE_CELL * (2 * best.plan.half + 1) * best.plan.factor
    steps = {
        "pose from": best.hypothesis.source,
        "poses tried": len(compared),
        "places": best.tried,
        "overlap of the images": round(overlap, 4),
        "evidence from": {name: round(value, 4) for name, value in evidence.items()},
        **model.record,
    }
    points = TiePoints(ties.reference, ties.moving, confidence, ties.round_trip)
    probability = 1 / (1 + math.exp(-log_odds))
    result = MatchResult(points, agreed, pose, probability, best.tried, reach, steps)
    most = Limits(max(o.hypothesis.score for o in compared), max(o.gain for o in compared))
    return Examined(result, most, evidence, features)


def evidence_features(
    task: MatchTask, best: Outcome, compared: Sequence[Seen], overlap: float
) -> dict[str, float]:
    """What speaks for the best outcome, for `Calibration.log_odds`. compared: see `_conclude`.

    gain: support of all places. last: the same in the last look at small images, whose windows are smaller; on
    large scenes, whose last look has large windows, as `gain`.
    coarse: support of the coarse cells. lead: of both over the best other pose tried, over chance where there was
    none.
    agreement: share of places on the pose. room: logarithm of the overlap in units of the chips calibrated on.
    tried: logarithm of the rotations, scales and shifts searched.
    """
    tolerance = DISTANCE * max(task.reference.shape)
    first = compared[0]
    others = [
        support(other.gain, other.hypothesis)
        for other in compared[1:]
        if affine.grid_distance(other.pose, first.pose, task.reference.shape) > tolerance
    ]
    search = task.search
    turns = 1 + search.rotation_deg / 5 * 2
    scales = 1 + math.log(search.scale_max / search.scale_min) / 0.1
    shifts = (1 + 2 * task.max_shift / 8) ** 2
    return {
        "gain": best.gain,
        "last": best.final,
        "coarse": best.hypothesis.score,
        "lead": support(first.gain, first.hypothesis) - max(others, default=CHANCE),
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
        "round trip": np.minimum(np.nan_to_num(ties.round_trip, nan=2.0), 2.0),
        "residual": np.minimum(residual, 8.0),
    }
