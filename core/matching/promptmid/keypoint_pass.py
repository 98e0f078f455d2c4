"""The last look of PromptMID: keypoints of the optical image, found in the SAR image under the pose.

The paper detects keypoints in both images and keeps mutual nearest neighbours of their descriptors. Our reading:
of keypoints in one image only a small part has one in the other (`sarto bench-keypoints`), so keypoints are taken
from the optical image alone, and in the SAR image every place near where the pose puts one may be its partner.
What decides at this range are the low-level features around it: the best place must lead back (mutual), stand out
from the next best, and fit the common transform. Descriptors have found the pose before (`passes.pose`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ...contract import Reporter
from ...geometry import affine
from ..keypoints import Keypoints, detect
from ..passes.second_pass import FINAL, MOST_TILES, Outcome, conclude, spread_evenly, tile_corners
from ..passes.tiles import TILE, Plan, Ties, match_maps
from ..passes.views import TileView, cut_views, padded
from ..protocol import MatchTask
from .model import PromptModel

DENSITY = 1 / 40.0
"""Keypoints looked for per valid pixel of a tile."""
AT_ONCE = 2
"""Tiles matched at once: a cancel is answered after them at the latest."""
EDGES = 0.8
"""Share of the edge maps in the fine features; chosen on training pairs."""


def keypoint_pass(task: MatchTask, model: PromptModel, outcome: Outcome, reporter: Reporter) -> Outcome:
    """Tie points at keypoints, on the pose of an outcome of the second pass."""
    rows, columns = task.reference.shape
    size = (min(rows, TILE), min(columns, TILE))
    corners = spread_evenly(tile_corners(rows, columns, size), MOST_TILES)
    half = min(outcome.plan.half, FINAL.half)
    plan = Plan(1.0, half, FINAL.radius, True, EDGES)
    views = [TileView(np.array([[1.0, 0, x], [0, 1.0, y]]), outcome.pose) for x, y in corners]
    whole = (padded(size[0]), padded(size[1]))
    parts = []
    for start in range(0, len(views), AT_ONCE):
        few = views[start : start + AT_ONCE]
        for chosen, optical, sar in cut_views(model, task.seen, task.moving, few, whole, reporter):
            parts.append(_match_tiles(model, optical, sar, few[chosen], plan, whole, reporter))
        reporter.progress("Matching keypoints", (start + len(few)) / len(views))
    return conclude(task, outcome, Ties.join(parts), plan)


def _match_tiles(
    model: PromptModel,
    optical: tuple[Tensor, Tensor],
    sar: tuple[Tensor, Tensor],
    views: list[TileView],
    plan: Plan,
    size: tuple[int, int],
    reporter: Reporter,
) -> Ties:
    maps = model.network.fine(*optical, *sar, plan.edges, model.words_for(views, size))
    reporter.check()
    grid = match_maps(model, *maps, views, plan)
    each = len(grid) // len(views)
    parts = []
    for k, view in enumerate(views):
        places = grid.select(np.arange(k * each, (k + 1) * each))
        parts.append(at_keypoints(_keypoints(model, optical, k), places, view, sar[1][k, 0].cpu().numpy()))
    return Ties.join(parts)


def _keypoints(model: PromptModel, image: tuple[Tensor, Tensor], number: int) -> Keypoints:
    values, valid = (layer[min(number, len(layer) - 1)] for layer in image)
    grey = values.float().mean(0).cpu().numpy()
    known = valid[0].float().cpu().numpy()
    return detect(model.keypoints, grey, known, max(1, int(DENSITY * known.sum())), model.device)


def at_keypoints(keypoints: Keypoints, grid: Ties, view: TileView, valid: npt.NDArray[np.float32]) -> Ties:
    """Tie points at keypoints of a tile: the displacement found at the nearest place of the correlation.

    grid: all places of the tile, a few pixels apart; windows around neighbours are almost the same. What was found
    there of value, margin, spread and round trip holds for the keypoint. valid: (rows, columns) of the SAR image's
    tile, 0…1; what leads into NoData is not usable.
    """
    places = affine.apply(affine.invert(view.lattice), grid.reference)
    shift = affine.apply(affine.invert(view.to_moving), grid.moving) - places
    distance = np.linalg.norm(keypoints.positions[:, None] - places[None], axis=2)
    nearest = distance.argmin(axis=1) if len(keypoints) else np.zeros(0, dtype=np.int64)
    picked = grid.select(nearest)
    target = keypoints.positions + shift[nearest]
    x, y = np.rint(target).astype(np.int64).T
    rows, columns = valid.shape
    inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    shown = inside & (valid[y.clip(0, rows - 1), x.clip(0, columns - 1)] > 0.5)
    return Ties(
        affine.apply(view.lattice, keypoints.positions),
        affine.apply(view.to_moving, target),
        picked.value,
        picked.margin,
        picked.spread,
        picked.round_trip,
        picked.usable & shown,
        picked.valid,
        picked.logs,
    )
