"""The first pass: the global pose from an overview.

Two sources of hypotheses, tested by the network until one is beyond doubt: a grid of rotations and scales about
the middle (the coarse matching finds the shift by itself and tolerates what lies between grid points), and the
best candidates of the structural pose search. All points of the grid are seen at a glimpse, in a small overview;
the most promising are tested first, and save the structural search where the second pass finds one of them
convincing. Each hypothesis lays the SAR image on the optical one; the coarse matches of the two are counted that
agree on one transform. What most matches agree on wins; the record says which source it came from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...contract import Floats, Pixels, Reporter, SearchRange
from ...geometry import affine
from .. import imaging
from ..protocol import MatchTask
from ..structural.pose import search_pose
from .calibration import NEVER
from .coarse import agree, coarse_matches
from .views import Model, TileView, encode_views, padded

OVERVIEW = 256
"""Longer side of the overview."""
TURN_STEP, SCALE_STEP = 24.0, 1.5
"""Grid steps in degrees and as a factor: twice what the coarse matching was trained to tolerate, less a little."""
ROOM_DEG, ROOM_SCALE = 0.5, 1.01
"""Poses may leave the search range by so much: the range is the user's guess."""
SCREENED, VERIFIED = 16, 4
"""Structural candidates that are tested, as many points of the grid beside them, and of all hypotheses those that
are tested again, closer."""
GLIMPSE = 128
"""Longer side of the small overview that tells which points of the grid are promising."""
LEAST_REDUCED = 32
"""Pixels that a reduced image keeps across: a strip must not vanish."""
EARLY = (2, 3, 3)
"""Points of the grid that are tested before the structural search, so many together."""
FIRST = 3
"""Structural candidates that are tested first, and as many after them; one beyond doubt ends the search."""


@dataclass(frozen=True)
class Hypothesis:
    """A pose (2, 3) reference pixel → moving pixel, where it is from, and the network's score of it, 0 = chance.

    score: gain of the coarse softmax times the share of agreeing matches.
    """

    pose: Floats
    source: str
    score: float = 0.0


def find_poses(
    task: MatchTask,
    model: Model,
    reporter: Reporter,
    rescue: bool = True,
    beyond_doubt: float = NEVER,
    convincing: Callable[[Hypothesis], bool] = lambda _: False,
) -> list[Hypothesis]:
    """Poses from the best down. rescue: False leaves the structural candidates out; beyond_doubt: score.

    convincing: a closer look at a pose of the grid with such a score; where it holds, the search ends.
    Raises NoMatchError where the images never overlap.
    """
    reporter.progress("Searching the position", 0.0)
    grid = _promising_first(task, model, _grid(task), reporter)
    reporter.progress("Searching the position", 0.1)
    early, done = _on_grid(task, model, grid[: sum(EARLY)], reporter, beyond_doubt, convincing)
    if done:
        return distinct(early, task)
    candidates: list[Hypothesis] = []
    if rescue:
        found = search_pose(task, model.device, reporter, 4 * SCREENED, rough=True)
        poses = [*found.poses, *found.candidates[:SCREENED]]
        candidates = [Hypothesis(p.transform, "structural search") for p in poses]
    reporter.progress("Searching the position", 0.3)
    tested: list[Hypothesis] = []
    sure = False
    rest = [*grid[sum(EARLY) :][:SCREENED], *candidates[2 * FIRST :]]
    for some in (candidates[:FIRST], candidates[FIRST : 2 * FIRST], rest):
        tested += score_hypotheses(task, model, some, reporter)
        sure = any(h.score >= beyond_doubt for h in tested)
        if sure:
            break
    if not sure:
        tested += early
    if not tested:
        return candidates[:1] or grid[:1]
    reporter.progress("Searching the position", 0.7)
    again = score_hypotheses(task, model, distinct(tested, task)[: 1 if sure else VERIFIED], reporter)
    return distinct([*again, *tested, *candidates[:1]], task)


def _promising_first(
    task: MatchTask, model: Model, grid: list[Hypothesis], reporter: Reporter
) -> list[Hypothesis]:
    """The grid in the order of what the small overview shows under each point."""
    if len(grid) == 1 or max(task.reference.shape) <= GLIMPSE:
        return grid
    moving, smaller = _reduced(task.moving, 4 * GLIMPSE)
    poses = [replace(point, pose=affine.compose(smaller, point.pose)) for point in grid]
    seen = _tested(replace(task, moving=moving), model, poses, GLIMPSE, reporter)
    scores = [-1.0 if found is None else found.score for found in seen]
    return [grid[k] for k in sorted(range(len(grid)), key=lambda k: -scores[k])]


def _reduced(pixels: Pixels, side: int) -> tuple[Pixels, Floats]:
    """A large image with its longer side reduced to `side` pixels or more, and the affine (2, 3) to its pixels.

    So that it need not be read as a whole under every point of the grid.
    """
    whole = min(max(pixels.shape) // side, min(pixels.shape) // LEAST_REDUCED)
    if whole <= 1:
        return pixels, np.eye(2, 3)
    layer = imaging.reduce(pixels, whole)
    small = np.where(layer.valid > 0.5, np.clip(np.rint(layer.values), 1, 255), 0).astype(np.uint8)
    return small, np.array([[1 / whole, 0, 0.5 / whole - 0.5], [0, 1 / whole, 0.5 / whole - 0.5]])


def _on_grid(
    task: MatchTask,
    model: Model,
    grid: list[Hypothesis],
    reporter: Reporter,
    beyond_doubt: float,
    convincing: Callable[[Hypothesis], bool],
) -> tuple[list[Hypothesis], bool]:
    """Poses of the grid, until one convinces, and whether one did; if not, the best also from where it led."""
    tested: list[Hypothesis] = []
    looked: Hypothesis | None = None
    start = 0
    for count in EARLY:
        some, start = grid[start : start + count], start + count
        if not some:
            break
        tested += score_hypotheses(task, model, some, reporter)
        reporter.progress("Searching the position", 0.1 + 0.2 * start / sum(EARLY))
        best = max(tested, key=lambda h: h.score, default=None)
        if best is None or best is looked or best.score < beyond_doubt:
            continue
        looked = best
        if convincing(best):
            return tested, True
    return tested + score_hypotheses(task, model, distinct(tested, task)[:1], reporter), False


def _grid(task: MatchTask) -> list[Hypothesis]:
    """Rotations and scales about the middle, one shift; what changes least comes first."""
    middle, target = affine.centre(task.reference.shape), affine.centre(task.moving.shape)
    least_first = sorted(turns_and_scales(task.search), key=lambda p: (abs(math.log(p[1])), abs(p[0])))
    return [
        Hypothesis(affine.similarity(turn, scale, middle, target), "learned search") for turn, scale in least_first
    ]


def turns_and_scales(search: SearchRange) -> list[tuple[float, float]]:
    """Grid points in degrees and scale, no further than half a step from anything in the range."""
    turns = max(1, math.ceil(2 * search.rotation_deg / TURN_STEP - 1e-9))
    width = 2 * search.rotation_deg / turns
    angles = [-search.rotation_deg + width * (k + 0.5) for k in range(turns)]
    span = math.log(search.scale_max / search.scale_min)
    count = max(1, math.ceil(span / math.log(SCALE_STEP) - 1e-9))
    scales = [search.scale_min * math.exp(span * (k + 0.5) / count) for k in range(count)]
    return [(angle, scale) for angle in angles for scale in scales]


def overview(task: MatchTask, side: int = OVERVIEW) -> tuple[Floats, tuple[int, int]]:
    """The whole reference at a glance: lattice (2, 3) overview pixel → reference pixel, and (rows, columns).

    side: the longer one, at most.
    """
    factor = max(1.0, max(task.reference.shape) / side)
    size = (padded(task.reference.shape[0] / factor), padded(task.reference.shape[1] / factor))
    return np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2]]), size


def score_hypotheses(
    task: MatchTask, model: Model, hypotheses: list[Hypothesis], reporter: Reporter
) -> list[Hypothesis]:
    """Poses that the coarse matches under each hypothesis agree on, with their scores, best first."""
    tested = _tested(task, model, hypotheses, OVERVIEW, reporter)
    return sorted((h for h in tested if h is not None), key=lambda h: -h.score)


def _tested(
    task: MatchTask, model: Model, hypotheses: list[Hypothesis], side: int, reporter: Reporter
) -> list[Hypothesis | None]:
    """Likewise, in the order of the hypotheses; None where nothing agrees. side: see `overview`."""
    lattice, size = overview(task, side)
    back = affine.invert(lattice)
    views = [TileView(lattice, h.pose) for h in hypotheses]
    found: list[Hypothesis | None] = []
    for chosen, encoded in encode_views(model, task.seen, task.moving, views, size, reporter):
        for view, hypothesis, matches in zip(
            views[chosen], hypotheses[chosen], coarse_matches(model.network, encoded)
        ):
            agreement = agree(matches, task.options.seed)
            if agreement is None:
                found.append(None)
                continue
            pose = hypothesis.pose
            gain = matches.gain(np.eye(2, 3))
            if agreement.gain > gain:  # else the hypothesis was better than what cells can tell
                gain = agreement.gain
                pose = affine.compose(view.to_moving, affine.compose(agreement.affine, back))
                pose = within_range(pose, task)
            found.append(Hypothesis(pose, hypothesis.source, max(gain, 0.0) * agreement.share))
    return found


def distinct(poses: list[Hypothesis], task: MatchTask) -> list[Hypothesis]:
    """Poses from the best down, without near copies of a better one."""
    tolerance = 0.03 * max(task.reference.shape)
    kept: list[Hypothesis] = []
    for pose in sorted(poses, key=lambda h: -h.score):
        if all(affine.grid_distance(pose.pose, k.pose, task.reference.shape) > tolerance for k in kept):
            kept.append(pose)
    return kept


def room(pose: Floats, task: MatchTask) -> tuple[tuple[float, float], tuple[float, float]]:
    """By what share a pose may grow, and by what angle (radians) turn, within the search range: least, most."""
    search = task.search
    angle, scale = affine.angle_and_scale(pose)
    grow = (search.scale_min / ROOM_SCALE / scale - 1, search.scale_max * ROOM_SCALE / scale - 1)
    most = search.rotation_deg + ROOM_DEG
    return grow, (math.radians(-most - angle), math.radians(most - angle))


def within_range(pose: Floats, task: MatchTask) -> Floats:
    """The pose with rotation and scale taken back into the search range; the middle of the reference stays."""
    search, middle = task.search, affine.centre(task.reference.shape)
    angle, scale = affine.angle_and_scale(pose)
    turn = float(np.clip(angle, -search.rotation_deg - ROOM_DEG, search.rotation_deg + ROOM_DEG)) - angle
    grow = float(np.clip(scale, search.scale_min / ROOM_SCALE, search.scale_max * ROOM_SCALE)) / max(scale, 1e-9)
    if turn == 0 and grow == 1:
        return pose
    return affine.compose(pose, affine.similarity(turn, grow, middle))
