"""Tie points at keypoints: each has the displacement found next to it, and lies where the images agree."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sarto.core.contract import RANGES, SILENT, Floats, MatchOptions, Points
from sarto.core.geometry import affine
from sarto.core.matching import MatchTask
from sarto.core.matching.keypoints import Keypoints
from sarto.core.matching.land_use import CLASSES
from sarto.core.matching.passes.fine import with_edges
from sarto.core.matching.passes.pose import Hypothesis
from sarto.core.matching.passes.second_pass import FINAL, Outcome
from sarto.core.matching.passes.tiles import Ties
from sarto.core.matching.passes.views import TileView
from sarto.core.matching.promptmid.diffusion import Prompt
from sarto.core.matching.promptmid.keypoint_pass import at_keypoints, keypoint_pass
from sarto.core.matching.promptmid.model import PromptModel
from sarto.core.matching.promptmid.prompting import Prompting
from sarto.core.matching.structural.maps import structure_maps

from ..conftest import Pair, make_pair

CPU = torch.device("cpu")
SHOWN = np.ones((64, 64), np.float32)


def model_of(fine: Callable[..., tuple[torch.Tensor, torch.Tensor]]) -> PromptModel:
    """A model with a network whose fine features are what it is told."""
    network: Any = SimpleNamespace(
        fine=fine,
        sharpness=torch.tensor(3.0),
        prompt=lambda marks: Prompt(torch.zeros(len(marks), 1, 1), torch.ones(len(marks), 1)),
    )
    prompting = Prompting(None, (), lambda view, size: np.zeros(len(CLASSES)))
    return PromptModel(network, CPU, prompting=prompting)


def _grid(shift: Callable[[Points], Points], view: TileView, side: int = 64) -> Ties:
    """Places every 8 pixels of a tile, moved as told (tile pixels)."""
    x, y = np.meshgrid(np.arange(4.5, side, 8), np.arange(4.5, side, 8))
    at = np.stack([x.ravel(), y.ravel()], axis=1)
    count = len(at)
    return Ties(
        affine.apply(view.lattice, at),
        affine.apply(view.to_moving, at + shift(at)),
        np.linspace(0.1, 0.9, count),
        np.full(count, 0.2),
        np.full(count, 1.5),
        np.full(count, 0.3),
        np.ones(count, bool),
        np.ones(count, bool),
        torch.arange(count)[:, None, None].float(),
    )


@pytest.mark.parametrize(
    "view",
    [
        TileView(np.eye(2, 3), np.eye(2, 3)),
        TileView(np.array([[1.0, 0, 200], [0, 1, 100]]), affine.similarity(12.0, 1.1, [300, 200], [310, 190])),
    ],
)
def test_a_keypoint_keeps_its_sub_pixel_and_gets_that_of_the_place_next_to_it(view: TileView) -> None:
    def shift(at: Points) -> Points:
        return np.stack([0.37 + 0.01 * at[:, 1], -0.62 + 0.02 * at[:, 0]], axis=1)

    grid = _grid(shift, view)
    first = np.array([[20.3, 28.2], [41.9, 12.1], [52.5, 60.5]])
    nearest = np.array([[20.5, 28.5], [44.5, 12.5], [52.5, 60.5]])
    found = at_keypoints(Keypoints(first, np.ones(3)), grid, view, SHOWN)
    assert np.allclose(found.reference, affine.apply(view.lattice, first))
    assert np.allclose(found.moving, affine.apply(view.to_moving, first + shift(nearest)))
    index = (nearest[:, 1] // 8 * 8 + nearest[:, 0] // 8).astype(int)
    for name in ("value", "margin", "spread", "round_trip", "usable", "valid"):
        assert np.array_equal(getattr(found, name), getattr(grid, name)[index]), name
    assert np.array_equal(found.logs.numpy().ravel(), index)


def test_a_keypoint_beside_an_unusable_place_is_not_used() -> None:
    view = TileView(np.eye(2, 3), np.eye(2, 3))
    grid = _grid(lambda at: np.full_like(at, 0.5), view)
    grid.usable[0], grid.valid[1] = False, False
    keypoints = Keypoints(np.array([[4.0, 5.0], [12.0, 5.0], [30.0, 30.0]]), np.ones(3))
    found = at_keypoints(keypoints, grid, view, SHOWN)
    assert found.usable.tolist() == [False, True, True]
    assert found.valid.tolist() == [True, False, True]


def test_a_keypoint_that_leads_into_nodata_or_out_of_the_tile_is_not_used() -> None:
    view = TileView(np.eye(2, 3), np.eye(2, 3))
    grid = _grid(lambda at: np.full_like(at, 6.0), view)
    valid = SHOWN.copy()
    valid[:, 30:40] = 0
    at = np.array([[20.0, 20.0], [24.6, 20.0], [34.4, 20.0], [52.0, 20.0], [60.0, 20.0], [20.0, 61.0]])
    found = at_keypoints(Keypoints(at, np.ones(6)), grid, view, valid)
    assert found.usable.tolist() == [True, False, True, True, False, False]


def test_no_keypoints_no_tie_points() -> None:
    view = TileView(np.eye(2, 3), np.eye(2, 3))
    assert len(at_keypoints(Keypoints(), _grid(lambda at: at * 0, view), view, SHOWN)) == 0


def by_structure(
    optical: torch.Tensor,
    optical_valid: torch.Tensor,
    sar: torch.Tensor,
    sar_valid: torch.Tensor,
    edges: float,
    _words: Prompt,
) -> tuple[torch.Tensor, torch.Tensor]:
    """What both images show in the same manner: the directions of their edges."""
    maps = [structure_maps(v.float(), k.float())[0] for v, k in ((optical, optical_valid), (sar, sar_valid))]
    low = torch.cat([torch.nn.functional.avg_pool2d(m, 2) for m in maps])
    return with_edges(low, (optical, optical_valid), (sar, sar_valid), edges)


def looked(pair: Pair, pose: Floats) -> Outcome:
    """The pass from an approximate pose, with features that work."""
    task = MatchTask(pair.optical, pair.sar, RANGES["georef"], MatchOptions(method="promptmid"))
    empty = Ties(*[np.zeros((0, 2))] * 2, *[np.zeros(0)] * 4, *[np.zeros(0, bool)] * 2, torch.zeros(0, 17, 17))
    plan = FINAL.plan(1.0, True)
    start = Outcome(Hypothesis(pose, "given", 0.5), pose, 0, empty, np.zeros(0, bool), 0.7, 0.0, plan)
    return keypoint_pass(task, model_of(by_structure), start, SILENT)


def test_tie_points_lie_within_a_pixel_of_the_truth() -> None:
    pair = make_pair(176, degrees=2.0, scale=1.02, shift=(6.35, -4.8), seed=6)
    pose = affine.compose(np.array([[1, 0, 1.7], [0, 1, -1.3]]), pair.truth)
    found = looked(pair, pose)
    errors = np.linalg.norm(found.ties.moving - affine.apply(pair.truth, found.ties.reference), axis=1)
    assert len(errors) > 60
    assert np.median(errors) < 0.5
    assert (errors < 1).mean() > 0.9
    assert found.agreed.mean() > 0.9
    away = affine.apply(pose, found.ties.reference) - affine.apply(pair.truth, found.ties.reference)
    assert np.linalg.norm(away, axis=1).min() > 1.5  # the pose that it began with would not do
    assert np.array_equal(found.pose, pose)
    assert found.gain == 0.7
    assert found.tried >= len(found.ties)


def test_tie_points_keep_out_of_nodata_and_of_the_padding() -> None:
    pair = make_pair(152, seed=6)
    optical, sar = pair.optical.copy(), pair.sar.copy()
    optical[:, :40], sar[120:] = 0, 0
    found = looked(Pair(optical, sar, pair.truth), pair.truth)
    assert len(found.ties) > 20
    assert found.ties.reference[:, 0].min() > 40
    assert found.ties.moving[:, 1].max() < 120
    assert found.ties.reference.max() < 152


def test_large_images_are_looked_at_tile_by_tile() -> None:
    pair = make_pair(320, degrees=0.5, shift=(1.4, 2.3), seed=3)
    pair = Pair(pair.optical[:112], pair.sar[:112], pair.truth)
    found = looked(pair, pair.truth)
    errors = np.linalg.norm(found.ties.moving - affine.apply(pair.truth, found.ties.reference), axis=1)
    assert (errors < 1).mean() > 0.85
    thirds = np.bincount((found.ties.reference[:, 0] // 107).astype(int), minlength=3)
    assert thirds.min() > 15


def test_images_without_common_ground_give_no_tie_points() -> None:
    pair = make_pair(128, seed=6)
    empty = looked(Pair(pair.optical, np.zeros_like(pair.sar), pair.truth), pair.truth)
    assert len(empty.ties) == empty.tried == 0
    assert empty.agreement == 0
