"""A last look at keypoints of the optical image in place of a regular grid.

PromptMID's paper detects keypoints in both images and keeps mutual nearest neighbours of their descriptors. Our
reading: of keypoints in one image only a small part has one in the other (`sarto bench-keypoints`), so they are
taken from the optical image alone, and in the SAR image every place near where the pose puts one may be its
partner. What decides at this range are the fine features around it: the best place must lead back (mutual), stand
out from the next best, and fit the common transform. What a keypoint becomes is read from the correlation at the
place next to it, so that any network with fine features can be asked for tie points at any places.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ...contract import Points, Reporter
from ...geometry import affine
from ..device import half_precision
from ..keypoints import DENSITY, Keypoints, detect
from ..protocol import MatchTask
from .second_pass import FINAL, Outcome, conclude, last_stride
from .tiles import Plan, Ties, match_maps
from .tiling import tiling
from .views import Cut, Model, TileView, cut_views, padded

AT_ONCE = 2
"""Tiles matched at once: a cancel is answered after them at the latest."""


def keypoint_look(
    task: MatchTask, model: Model, kind: str, edges: float, outcome: Outcome, reporter: Reporter
) -> Outcome:
    """Tie points at keypoints, on the pose of an outcome of the second pass.

    kind: one of `keypoints.KINDS`; edges: share of the edge maps in the fine features.
    """
    rows, columns = task.reference.shape
    corners, side = tiling((rows, columns))
    views = [TileView(np.array([[1.0, 0, x], [0, 1.0, y]]), outcome.pose) for x, y in corners]
    plan = Plan(1.0, min(outcome.plan.half, FINAL.half), FINAL.radius, True, edges, last_stride(task))
    size = (padded(side[0]), padded(side[1]))
    parts = []
    for start in range(0, len(views), AT_ONCE):
        few = views[start : start + AT_ONCE]
        for cut in cut_views(model, task.seen, task.moving, few, size, reporter):
            parts += _match_tiles(model, kind, cut, few[cut.chosen], plan, reporter)
        reporter.progress("Matching tie points", (start + len(few)) / len(views))
    return conclude(task, outcome, Ties.join(parts), plan)


def _match_tiles(
    model: Model,
    kind: str,
    cut: Cut,
    views: list[TileView],
    plan: Plan,
    reporter: Reporter,
) -> list[Ties]:
    (values, valid), sar = cut.pairs.optical, cut.pairs.sar
    rows, columns = sar.values.shape[-2:]
    with half_precision(model.device):
        words = model.words_for(views, (rows, columns))
        maps, mask = model.network.fine(cut.pairs, plan.edges, words)
    reporter.check()
    places = match_maps(model, maps, mask, views, plan, reporter)
    each = len(places) // len(views)
    found = []
    for k, view in enumerate(views):
        reporter.check()
        one = min(k, len(values) - 1)
        keypoints = _detected(kind, values[one], valid[one, 0], model)
        grid = places.select(np.arange(k * each, (k + 1) * each))
        found.append(at_keypoints(keypoints, grid, view, sar.valid[k, 0].cpu().numpy()))
    return found


def _detected(kind: str, values: Tensor, valid: Tensor, model: Model) -> Keypoints:
    """values: (bands, rows, columns) of an optical tile; valid: (rows, columns), 0…1."""
    grey, known = values.float().mean(0).cpu().numpy(), valid.float().cpu().numpy()
    return detect(kind, grey, known, max(1, int(DENSITY * known.sum())), model.device)


def _nearest(points: Points, places: Points) -> npt.NDArray[np.intp]:
    """Which place (M, 2) is nearest to each point (N, 2)."""
    square = (places**2).sum(axis=1) - 2 * points @ places.T  # less what all places of a point have in common
    return np.asarray(square.argmin(axis=1), dtype=np.intp)


def at_keypoints(keypoints: Keypoints, grid: Ties, view: TileView, valid: npt.NDArray[np.float32]) -> Ties:
    """Tie points at keypoints of a tile: the displacement found at the nearest place of the correlation.

    grid: all places of the tile, some pixels apart; windows around neighbours are almost the same. What was found
    there of value, margin, spread and round trip holds for the keypoint. valid: (rows, columns) of the SAR image's
    tile, 0…1; what leads into NoData is not usable.
    """
    places = affine.apply(affine.invert(view.lattice), grid.reference)
    shift = affine.apply(affine.invert(view.to_moving), grid.moving) - places
    nearest = _nearest(keypoints.positions, places)
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
