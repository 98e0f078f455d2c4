"""Tie points at keypoints: each has the displacement found next to it, and lies where the images agree."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sarto.core.contract import RANGES, SILENT, Cancelled, Floats, MatchOptions, Points, Reporter
from sarto.core.geometry import affine
from sarto.core.matching import MatchTask
from sarto.core.matching.keypoints import DENSITY, Keypoints, detect
from sarto.core.matching.passes.keypoint_look import at_keypoints, keypoint_look
from sarto.core.matching.passes.pose import Hypothesis
from sarto.core.matching.passes.second_pass import FINAL, Outcome
from sarto.core.matching.passes.tiles import Ties
from sarto.core.matching.passes.tiling import tiling
from sarto.core.matching.passes.views import Model, TileView
from sarto.core.matching.tar.network import TarNetwork

from ..conftest import Pair, make_pair

CPU = torch.device("cpu")
SHOWN = np.ones((64, 64), np.float32)


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


def looked(network: TarNetwork, pair: Pair, pose: Floats, kind: str, reporter: Reporter = SILENT) -> Outcome:
    """The look from an approximate pose; edges place the tie points, whatever the network has learned."""
    task = MatchTask(pair.optical, pair.sar, RANGES["georef"], MatchOptions(method="tar"))
    empty = Ties(*[np.zeros((0, 2))] * 2, *[np.zeros(0)] * 4, *[np.zeros(0, bool)] * 2, torch.zeros(0, 17, 17))
    plan = FINAL.plan(1.0, True)
    start = Outcome(Hypothesis(pose, "given", 0.5), pose, 0, empty, np.zeros(0, bool), 0.7, 0.7, 0.0, plan)
    with torch.inference_mode():
        return keypoint_look(task, Model(network, CPU), kind, FINAL.edges, start, reporter)


@pytest.mark.parametrize("kind", ["pc-fast", "sift"])
def test_tie_points_are_keypoints_and_right(network: TarNetwork, kind: str) -> None:
    pair = make_pair(144, degrees=2.0, scale=1.02, shift=(6.35, -4.8), seed=6)
    pose = affine.compose(np.array([[1, 0, 1.7], [0, 1, -1.3]]), pair.truth)
    found = looked(network, pair, pose, kind)
    errors = np.linalg.norm(found.ties.moving - affine.apply(pair.truth, found.ties.reference), axis=1)
    assert len(errors) > 25
    assert np.median(errors) < 0.6
    assert (errors < 1.5).mean() > 0.9
    grey = pair.optical.astype(np.float32)
    known = np.ones_like(grey)
    expected = detect(kind, grey, known, int(DENSITY * grey.size)).positions
    gaps = np.linalg.norm(found.ties.reference[:, None] - expected[None], axis=2).min(axis=1)
    assert gaps.max() < 1e-6
    assert np.array_equal(found.pose, pose)
    assert found.gain == 0.7


def test_images_larger_than_a_tile_are_looked_at_everywhere(network: TarNetwork) -> None:
    whole = make_pair(480, degrees=0.5, shift=(1.4, 2.3), seed=3)
    pair = Pair(whole.optical[:96], whole.sar[:96], whole.truth)
    assert len(tiling((96, 480))[0]) == 2
    found = looked(network, pair, pair.truth, "pc-fast")
    errors = np.linalg.norm(found.ties.moving - affine.apply(pair.truth, found.ties.reference), axis=1)
    assert (errors < 1.5).mean() > 0.85
    thirds = np.bincount((found.ties.reference[:, 0] // 161).astype(int), minlength=3)
    assert thirds.min() > 10


def test_nodata_and_nothing_in_common(network: TarNetwork) -> None:
    pair = make_pair(128, seed=6)
    optical, sar = pair.optical.copy(), pair.sar.copy()
    optical[:, :40], sar[100:] = 0, 0
    found = looked(network, Pair(optical, sar, pair.truth), pair.truth, "pc-fast")
    assert len(found.ties) > 10
    assert found.ties.reference[:, 0].min() > 40
    assert found.ties.moving[:, 1].max() < 100
    assert len(looked(network, Pair(optical, 0 * sar, pair.truth), pair.truth, "pc-fast").ties) == 0


def test_it_can_be_stopped_between_tiles(network: TarNetwork) -> None:
    asked: list[int] = []

    def is_cancelled() -> bool:
        asked.append(0)
        return len(asked) > 2

    whole = make_pair(900, seed=3)
    pair = Pair(whole.optical[:64], whole.sar[:64], whole.truth)
    with pytest.raises(Cancelled):
        looked(network, pair, pair.truth, "pc-fast", Reporter(is_cancelled=is_cancelled))
    assert len(asked) == 3
