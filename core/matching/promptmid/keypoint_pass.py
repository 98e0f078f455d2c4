"""The last look of PromptMID: keypoints of the optical image, found in the SAR image under the pose.

The paper detects keypoints in both images and keeps mutual nearest neighbours of their descriptors. Our reading:
of keypoints in one image only a small part has one in the other (`sarto bench-keypoints`), so keypoints are taken
from the optical image alone, and in the SAR image every place near where the pose puts one may be its partner.
What decides at this range are the low-level features around it: the best place must lead back (mutual), stand out
from the next best, and fit the common transform. Descriptors have found the pose before (`passes.pose`).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...contract import Reporter
from ..keypoints import Keypoints, detect
from ..passes.fine import with_edges
from ..passes.keypoint_look import at_keypoints
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
    described = model.network.describe(*optical, *sar, model.words_for(views, size))
    maps = with_edges(torch.cat([part.float() for part in described.low]), optical, sar, plan.edges)
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
