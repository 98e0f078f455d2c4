"""The second pass: from a hypothesis to the pose that all places support, and tie points on it.

Levels from coarse to fine; on each, tiles are laid into the present pose, places vote for a better one, and the
next level starts from that. Small images have one level, gone through twice, and `finish` looks once more. The
first level is a glance at several hypotheses, of which only the best go on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...contract import Flags, Floats, Points, Reporter, unaided
from ...geometry import affine
from ..placing import Placing
from ..protocol import MatchTask
from ..robust import CURVED, MIN_POINTS, consensus
from ..structural.matcher import level_factors
from .guided import guided
from .network import FINE_CELL
from .pose import Hypothesis, room, within_range
from .thinning import beside, thinned
from .tiles import STRIDE, TILE, Plan, Ties, match_tiles
from .tiling import MOST_TILES, tiling
from .views import Model
from .vote import Bounds, vote


@dataclass(frozen=True)
class Look:
    """half, radius: half side of a window and search radius in fine cells; edges: see `Plan`."""

    half: int
    radius: int
    edges: float

    def plan(self, factor: float, there_and_back: bool, stride: int = STRIDE) -> Plan:
        return Plan(factor, self.half, self.radius, there_and_back, self.edges, stride)


WIDE, CLOSE, FINAL = Look(24, 10, 0.75), Look(24, 8, 0.9), Look(18, 8, 0.92)
"""From the overview's pose, later, and at the end of small images. Learned features find the place where edges
alone mislead; edges measure it: published pairs, which features learn from, are aligned to about a pixel."""
MOST_SPAN, LEAST_HALF = 0.34, 6
"""Side of the last look's windows as a share of the side of the overlap, and their least half side, fine cells."""
MAX_ROUND_TRIP = 2.0
GUIDE_TILES = 16
"""Most tiles on levels before the last, which only guide it."""
GUIDE_STRIDE = 2 * STRIDE
"""Fine cells between places on levels that only guide: windows of neighbours are nearly the same."""
LEAST_PLACES = 100
"""Images with fewer places at `GUIDE_STRIDE` are guided at `STRIDE`: few places agree by chance."""
AMPLE = 8
"""With so many places at `GUIDE_STRIDE` for each tie point asked for, the last level uses it, too."""
LEAST_SPACING = 8.0
ROUGH = 4.0
"""Tie points within so many tolerances of the pose take part in the robust rejection of large scenes."""


@dataclass(frozen=True)
class Glance:
    """A hypothesis after the first level. pose: (2, 3) that all places voted for; gain: of it, see `vote`."""

    hypothesis: Hypothesis
    pose: Floats
    gain: float


@dataclass(frozen=True)
class Outcome:
    """What the second pass made of a hypothesis.

    pose: (2, 3) reference pixel → moving pixel; tried: places looked at; ties: those that passed, thinned
    (small images are matched back only by `finish`), and those that the pose helped to find (`guided`); agreed:
    (N,) of them, those that fit together; gain: support of the pose by all places, see `vote`; final: the same in
    the look of `finish`, else as `gain`; agreement: share of
    the places tried that agree with the pose by themselves.
    """

    hypothesis: Hypothesis
    pose: Floats
    tried: int
    ties: Ties
    agreed: Flags
    gain: float
    final: float
    agreement: float
    plan: Plan


def glance(task: MatchTask, model: Model, hypotheses: list[Hypothesis], reporter: Reporter) -> list[Glance]:
    """The first level, for all hypotheses at once."""
    plan = WIDE.plan(_factors(task)[0], False, guide_stride(task))
    found = _level(task, model, [h.pose for h in hypotheses], plan, False, reporter)
    return [Glance(h, *_improved(task, h.pose, ties, plan)) for h, ties in zip(hypotheses, found)]


def second_pass(
    task: MatchTask, model: Model, glances: list[Glance], reporter: Reporter, guides: bool = False
) -> list[Outcome]:
    """All levels after the first, and tie points on the last.

    guides: another look follows, so that few tie points will do.
    """
    large = max(task.reference.shape) > TILE  # else `finish` follows
    factors = _factors(task)[1:] or [1.0]
    poses = [seen.pose for seen in glances]
    for number, factor in enumerate(factors):
        last = number == len(factors) - 1 and not guides
        plan = CLOSE.plan(factor, large and last, last_stride(task) if large and last else guide_stride(task))
        found = _level(task, model, poses, plan, last, reporter)
        improved = [_improved(task, pose, ties, plan, large) for pose, ties in zip(poses, found)]
        poses = [pose for pose, _ in improved]
    return [
        _outcome(task, seen.hypothesis, pose, ties, gain, plan)
        for seen, (pose, gain), ties in zip(glances, improved, found)
    ]


def _factors(task: MatchTask) -> list[float]:
    """Full pixels per tile pixel of each level; on the first, one tile shows all."""
    return level_factors(max(task.reference.shape), TILE)


def last_stride(task: MatchTask) -> int:
    """Fine cells between places of which tie points are made."""
    return GUIDE_STRIDE if _places(task) >= AMPLE * task.options.points else STRIDE


def guide_stride(task: MatchTask) -> int:
    """Fine cells between places on levels that only guide."""
    return GUIDE_STRIDE if _places(task) >= LEAST_PLACES else STRIDE


def _places(task: MatchTask) -> float:
    """How many there are at `GUIDE_STRIDE` and full resolution."""
    return task.reference.size / (FINE_CELL * GUIDE_STRIDE) ** 2


def single_pass(task: MatchTask, model: Model, hypothesis: Hypothesis, reporter: Reporter) -> Outcome:
    """Tie points by one look from the overview's pose at full resolution, for ablation."""
    plan = WIDE.plan(1.0, True)
    (found,) = _level(task, model, [hypothesis.pose], plan, True, reporter)
    pose, gain = _improved(task, hypothesis.pose, found, plan)
    return _outcome(task, hypothesis, pose, found, gain, plan)


def finish(task: MatchTask, model: Model, outcome: Outcome, reporter: Reporter) -> Outcome:
    """Once more from the pose found, with smaller windows, which tell more places apart; for small images.

    A window spans at most `MOST_SPAN` of what both images show: larger ones show nearly the same ground, so that
    tie points would agree whatever they found.
    """
    overlap = Placing(task.reference, task.moving, outcome.pose, 1, 1.0).overlap_share * task.reference.size
    most = int(MOST_SPAN * np.sqrt(overlap) / (2 * FINE_CELL))
    plan = replace(FINAL, half=int(np.clip(most, LEAST_HALF, FINAL.half))).plan(1.0, True)
    (found,) = _level(task, model, [outcome.pose], plan, True, reporter)
    pose, final = _improved(task, outcome.pose, found, plan)
    last = replace(_outcome(task, outcome.hypothesis, pose, found, outcome.gain, plan), final=final)
    return _guided(task, last, found, outcome.pose)


def conclude(task: MatchTask, outcome: Outcome, found: Ties, plan: Plan) -> Outcome:
    """An outcome with other tie points on its pose: what a method's own last look has found."""
    found = found.select(found.valid)
    concluded = _outcome(task, outcome.hypothesis, outcome.pose, found, outcome.gain, plan)
    concluded = replace(concluded, final=outcome.final)
    large = max(task.reference.shape) > TILE
    return concluded if large else _guided(task, concluded, found, outcome.pose)


def _improved(
    task: MatchTask, pose: Floats, found: Ties, plan: Plan, affine_model: bool = False
) -> tuple[Floats, float]:
    """The pose that all places vote for, within the search range, and its gain; no place, no change."""
    if not len(found):
        return pose, 0.0
    unit = FINE_CELL * plan.factor
    bounds = Bounds(*(tuple(np.array(pair) / unit) for pair in room(pose, task)))
    field, gain = vote(found.reference, found.logs, affine_model, task.options.seed, bounds)
    return within_range(affine.compose(pose, _moved(field, unit)), task), gain


def _outcome(
    task: MatchTask, hypothesis: Hypothesis, pose: Floats, found: Ties, gain: float, plan: Plan
) -> Outcome:
    back = found.round_trip <= MAX_ROUND_TRIP * plan.factor
    good = found.select(found.usable & back & _shown(task, found.moving))
    off = np.linalg.norm(good.moving - affine.apply(pose, good.reference), axis=1)
    agreement = float((off <= task.tolerance_px).sum() / max(len(found), 1))
    ties = thinned(good, task.options.points, spacing(task))
    tried = len(thinned(found, task.options.points, spacing(task)))  # as thin as what came of it
    return Outcome(hypothesis, pose, tried, ties, _agreed(task, ties, pose), gain, gain, agreement, plan)


def _guided(task: MatchTask, outcome: Outcome, found: Ties, base: Floats) -> Outcome:
    """With tie points where the pose helps to find some, for small images: there, every place counts.

    found: all places, matched under the pose `base`.
    """
    if outcome.agreed.sum() < MIN_POINTS or task.model in CURVED:
        return outcome
    read, seen = guided(found, base, outcome.pose, FINE_CELL * outcome.plan.factor)
    off = np.linalg.norm(read.moving - affine.apply(outcome.pose, read.reference), axis=1)
    more = read.select(seen & (off <= task.tolerance_px) & _shown(task, read.moving))
    more = beside(more, outcome.ties.select(outcome.agreed), spacing(task))
    agreed = np.concatenate([outcome.agreed, np.ones(len(more), dtype=np.bool_)])
    return replace(outcome, ties=Ties.join([outcome.ties, more]), agreed=agreed)


def without_help(outcome: Outcome) -> Outcome:
    """The same with only the tie points that the pose did not help to find."""
    alone = unaided(outcome.ties.round_trip)
    return replace(outcome, ties=outcome.ties.select(alone), agreed=outcome.agreed[alone])


def _agreed(task: MatchTask, ties: Ties, pose: Floats) -> Flags:
    """Tie points on the pose; where the transform may bend, those that fit together in its surroundings."""
    off = np.linalg.norm(ties.moving - affine.apply(pose, ties.reference), axis=1)
    if max(task.reference.shape) <= TILE and task.model not in CURVED:
        return np.asarray(off <= task.tolerance_px, dtype=np.bool_)
    near = np.flatnonzero(off <= ROUGH * task.tolerance_px)
    kept = consensus(ties.reference[near], ties.moving[near], task.model, task.tolerance_px, task.options.seed)
    agreed = np.zeros(len(ties), dtype=np.bool_)
    agreed[near[kept]] = True
    return agreed


def _shown(task: MatchTask, moving: Points) -> Flags:
    """Which positions (N, 2) in the moving image show something."""
    rows, columns = task.moving.shape
    x, y = np.rint(moving).astype(np.int64).T
    inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    return np.asarray(inside & (task.moving[y.clip(0, rows - 1), x.clip(0, columns - 1)] > 0), dtype=np.bool_)


def spacing(task: MatchTask) -> float:
    """Full pixels between tie points, so that about as many remain as were asked for."""
    rows, columns = task.reference.shape
    return max(LEAST_SPACING, float(np.sqrt(rows * columns / task.options.points)))


def _moved(field: Floats, unit: float) -> Floats:
    """(2, 3) where a position moves to under a field position → shift, in units of so many pixels."""
    return np.column_stack([np.eye(2) + field[:, :2] * unit, field[:, 2] * unit])


def _level(
    task: MatchTask, model: Model, poses: list[Floats], plan: Plan, last: bool, reporter: Reporter
) -> list[Ties]:
    """The places with something to see, under each of the poses."""
    rows, columns = (int(np.ceil(n / plan.factor)) for n in task.reference.shape)
    corners, size = tiling((rows, columns), MOST_TILES if last else GUIDE_TILES)
    corners = corners * plan.factor + (plan.factor - 1) / 2
    stage = "Matching tie points" if plan.there_and_back else "Refining the position"
    found = match_tiles(model, task.seen, task.moving, poses, corners, size, plan, stage, reporter)
    return [ties.select(ties.valid) for ties in found]
