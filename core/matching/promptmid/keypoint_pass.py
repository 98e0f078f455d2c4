"""The last look of PromptMID: keypoints of both images, matched by their descriptors under the pose found.

The paper detects keypoints in both images, describes them, and keeps mutual nearest neighbours. Our own reading of
what it leaves open: neighbours are looked for where the pose allows, with a ratio test against the next best that
lies elsewhere; a match is placed to sub-pixel by correlating windows of the low-level features around it, and kept
where that agrees with the keypoint it was matched to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...contract import Floats, Points, Reporter
from ...geometry import affine
from ..keypoints import Keypoints, detect
from ..passes.fine import with_edges
from ..passes.network import FINE_CELL
from ..passes.second_pass import FINAL, MOST_TILES, Look, Outcome, conclude, spread_evenly, tile_corners
from ..passes.tiles import TILE, Plan, Ties, match_maps
from ..passes.views import TileView, cut_views, padded
from ..protocol import MatchTask
from .aggregate import SCALE
from .model import PromptModel
from .network import Described

DENSITY = 1 / 40.0
"""Keypoints looked for per pixel of a tile."""
REACH = 8.0
"""Pixels of the tile from where the pose puts a keypoint, within which its match is looked for."""
ELSEWHERE = 3.0
"""Pixels from the best match beyond which another one counts for the ratio test."""
RATIO = 0.98
"""Largest distance of the best descriptor as a share of that of the next best elsewhere."""
AGREE = 3.0
"""Pixels between the keypoint matched and where low-level features put it."""


@dataclass(frozen=True)
class Matches:
    """Keypoints matched in one tile: first, second: (N, 2) tile pixels; similarity: (N,) cosine."""

    first: Points
    second: Points
    similarity: Floats


def keypoint_pass(task: MatchTask, model: PromptModel, outcome: Outcome, reporter: Reporter) -> Outcome:
    """Tie points at keypoints, on the pose of an outcome of the second pass."""
    rows, columns = task.reference.shape
    size = (min(rows, TILE), min(columns, TILE))
    corners = spread_evenly(tile_corners(rows, columns, size), MOST_TILES)
    plan = _look(outcome).plan(1.0, True)
    views = [TileView(np.array([[1.0, 0, x], [0, 1.0, y]]), outcome.pose) for x, y in corners]
    parts = []
    padded_size = (padded(size[0]), padded(size[1]))
    for chosen, optical, sar in cut_views(model, task.seen, task.moving, views, padded_size, reporter):
        parts.append(_match_tiles(model, optical, sar, views[chosen], plan, padded_size))
        reporter.progress("Matching keypoints", chosen.stop / len(views))
    return conclude(task, outcome, Ties.join(parts), plan)


def _look(outcome: Outcome) -> Look:
    """The windows of the second pass's own last look."""
    return Look(min(outcome.plan.half, FINAL.half), FINAL.radius, FINAL.edges)


def _match_tiles(
    model: PromptModel,
    optical: tuple[Tensor, Tensor],
    sar: tuple[Tensor, Tensor],
    views: list[TileView],
    plan: Plan,
    size: tuple[int, int],
) -> Ties:
    described = model.network.describe(*optical, *sar, model.words_for(views, size))
    maps = with_edges(torch.cat([part.float() for part in described.low]), optical, sar, plan.edges)
    grid = match_maps(model, *maps, views, plan)
    each = len(grid) // len(views)
    parts = []
    for k, view in enumerate(views):
        tile = _keypoints(model, optical, k), _keypoints(model, sar, k)
        found = match_descriptors(model, _pick(described, k), *tile)
        parts.append(_placed(found, grid.select(np.arange(k * each, (k + 1) * each)), view))
    return Ties.join(parts)


def _keypoints(model: PromptModel, image: tuple[Tensor, Tensor], number: int) -> Keypoints:
    values, valid = (layer[min(number, len(layer) - 1)] for layer in image)
    grey = values.float().mean(0).cpu().numpy()
    known = valid[0].float().cpu().numpy()
    return detect(model.keypoints, grey, known, max(1, int(DENSITY * known.sum())), model.device)


def _pick(described: Described, number: int) -> tuple[Tensor, Tensor]:
    """The maps (1, C, rows, columns) of one pair that descriptors are read from."""
    first = min(number, len(described.optical) - 1)
    return described.optical[first : first + 1], described.sar[number : number + 1]


def match_descriptors(
    model: PromptModel, maps: tuple[Tensor, Tensor], first: Keypoints, second: Keypoints
) -> Matches:
    """Mutual nearest neighbours within `REACH` that pass the ratio test. maps: (1, C, rows, columns) each."""
    if not len(first) or not len(second):
        return Matches(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0))
    own, others = (_described(model, *each) for each in zip(maps, (first, second)))
    similarity = (own @ others.T).cpu().numpy()
    away = np.linalg.norm(first.positions[:, None] - second.positions[None], axis=2)
    allowed = np.where(away <= REACH, similarity, -1.0)
    best = allowed.argmax(axis=1)
    each = np.arange(len(first))
    mutual = (allowed.argmax(axis=0)[best] == each) & (allowed[each, best] > -1.0)
    between = np.linalg.norm(second.positions[best][:, None] - second.positions[None], axis=2)
    next_best = np.where(between > ELSEWHERE, allowed, -1.0).max(axis=1)
    value = allowed[each, best]
    distinct = (1 - value) <= RATIO**2 * (1 - next_best)  # squared distances of unit vectors
    keep = mutual & distinct
    return Matches(first.positions[keep], second.positions[best[keep]], value[keep].astype(np.float64))


def _described(model: PromptModel, maps: Tensor, keypoints: Keypoints) -> Tensor:
    """Unit descriptors (N, …) of keypoints."""
    cells = torch.from_numpy((keypoints.positions + 0.5) / SCALE - 0.5).to(maps)
    found: Tensor = model.network.window(maps, cells[None])[0]
    return found


def _placed(found: Matches, grid: Ties, view: TileView) -> Ties:
    """Matches with the sub-pixel position that the nearest place of the correlation gives them.

    grid: all places of the tile. What was found there of value, spread and round trip holds for the match.
    """
    back, to_tile = affine.invert(view.lattice), affine.invert(view.to_moving)
    places = affine.apply(back, grid.reference)
    shift = affine.apply(to_tile, grid.moving) - places
    distance = np.linalg.norm(found.first[:, None] - places[None], axis=2)
    nearest = distance.argmin(axis=1) if len(found.first) else np.zeros(0, int)
    target = found.first + shift[nearest]
    agrees = np.linalg.norm(target - found.second, axis=1) <= AGREE
    picked = grid.select(nearest)
    return Ties(
        affine.apply(view.lattice, found.first),
        affine.apply(view.to_moving, target),
        picked.value,
        picked.margin,
        picked.spread,
        picked.round_trip,
        picked.usable & agrees,
        picked.valid,
        picked.logs,
    )


assert FINE_CELL * FINAL.radius >= REACH
