"""Keypoints matched by descriptors: planted matches are found, and tie points lie where the images agree."""

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
from sarto.core.matching.passes.pose import Hypothesis
from sarto.core.matching.passes.second_pass import FINAL, Outcome
from sarto.core.matching.passes.tiles import Ties
from sarto.core.matching.passes.views import TileView
from sarto.core.matching.promptmid.aggregate import SCALE
from sarto.core.matching.promptmid.descriptors import DescriptorWindow
from sarto.core.matching.promptmid.diffusion import Prompt
from sarto.core.matching.promptmid.keypoint_pass import (
    AGREE,
    ELSEWHERE,
    REACH,
    Matches,
    _placed,
    keypoint_pass,
    match_descriptors,
)
from sarto.core.matching.promptmid.model import PromptModel
from sarto.core.matching.promptmid.network import Described
from sarto.core.matching.promptmid.prompting import Prompting
from sarto.core.matching.structural.maps import structure_maps

from ..conftest import Pair, make_pair

CPU = torch.device("cpu")
CELLS = 24


def model_of(describe: Callable[..., Described] | None = None, window: tuple[int, int] = (1, 1)) -> PromptModel:
    """A model with a network that describes as it is told."""
    reader = DescriptorWindow(window).requires_grad_(False)
    network: Any = SimpleNamespace(
        describe=describe,
        window=reader,
        sharpness=torch.tensor(3.0),
        prompt=lambda marks: Prompt(torch.zeros(len(marks), 1, 1), torch.ones(len(marks), 1)),
    )
    prompting = Prompting(None, (), lambda view, size: np.zeros(len(CLASSES)))
    return PromptModel(network, CPU, prompting=prompting)


def points(*places: tuple[float, float]) -> Keypoints:
    """Keypoints at cells (x, y)."""
    positions = (np.array(places, dtype=np.float64).reshape(-1, 2) + 0.5) * SCALE - 0.5
    return Keypoints(positions, np.ones(len(positions)))


def vectors(count: int, seed: int = 0, length: int = 32) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, length, generator=random), dim=1)


def planted(keypoints: Keypoints, values: torch.Tensor) -> torch.Tensor:
    """A map (1, C, rows, columns) of noise with these descriptors at keypoints, which lie on cells."""
    found = vectors(CELLS * CELLS, seed=5).T.reshape(1, -1, CELLS, CELLS).clone()
    for (x, y), value in zip(np.rint((keypoints.positions + 0.5) / SCALE - 0.5).astype(int), values):
        found[0, :, y, x] = value
    return found


def matched(first: Keypoints, second: Keypoints, own: torch.Tensor, other: torch.Tensor) -> Matches:
    return match_descriptors(model_of(), (planted(first, own), planted(second, other)), first, second)


def places(found: Points) -> list[tuple[float, float]]:
    return [tuple(cell) for cell in ((found + 0.5) / SCALE - 0.5).tolist()]


def test_planted_matches_are_found_in_any_order() -> None:
    cells = [(x, y) for x in (3, 8, 13, 18) for y in (4, 9, 14, 19)]
    moved = [(x + 1, y - 1) for x, y in cells]
    order = np.random.default_rng(0).permutation(len(cells))
    same = vectors(len(cells))
    noisy = same[torch.from_numpy(order)] + 0.05 * vectors(len(cells), 1)
    second = points(*(moved[k] for k in order))
    found = matched(points(*cells), second, same, noisy)
    assert places(found.first) == cells
    assert np.allclose(places(found.second), moved)
    assert found.similarity.dtype == np.float64
    assert np.all((found.similarity > 0.95) & (found.similarity <= 1.0001))


def test_only_mutual_nearest_neighbours_match() -> None:
    """Two places are most like one: it is most like the second of them."""
    one = vectors(1)[0]
    near = torch.stack([one + 0.25 * vectors(1, 1)[0], one])
    found = matched(points((5, 5), (7, 5)), points((6, 5)), near, one[None])
    assert places(found.first) == [(7, 5)]
    back = matched(points((6, 5)), points((5, 5), (7, 5)), one[None], near)
    assert places(back.second) == [(7, 5)]


def test_beyond_reach_nothing_matches() -> None:
    same = vectors(1)
    assert len(matched(points((5, 5)), points((5 + REACH / SCALE, 5)), same, same).first) == 1
    assert len(matched(points((5, 5)), points((5 + REACH / SCALE + 0.01, 5)), same, same).first) == 0
    # nor does a twin out of reach take the match away
    twin = points((6, 5), (5, 5 + REACH / SCALE + 1))
    assert places(matched(points((5, 5)), twin, same, same.expand(2, -1)).second) == [(6, 5)]


@pytest.mark.parametrize(("apart", "kept"), [(ELSEWHERE - 0.1, True), (ELSEWHERE + 0.1, False)])
def test_a_match_with_an_equal_elsewhere_is_refused(apart: float, kept: bool) -> None:
    one = vectors(1)
    maps = planted(points((5, 5)), one), torch.ones(1, 32, CELLS, CELLS) * one[0, :, None, None]
    second = Keypoints(points((5, 5)).positions + [[0, 0], [apart, 0]], np.ones(2))
    found = match_descriptors(model_of(), maps, points((5, 5)), second)
    assert len(found.first) == kept


def test_what_is_next_best_by_far_does_no_harm() -> None:
    one, away = vectors(2)
    found = matched(points((5, 5)), points((5, 5), (6, 5)), one[None], torch.stack([one, one + 0.8 * away]))
    assert places(found.second) == [(5, 5)]


def test_no_keypoints_no_matches() -> None:
    same = vectors(2)
    two, none = points((5, 5), (9, 9)), Keypoints()
    maps = planted(two, same), planted(two, same)
    for pair in ((none, two), (two, none), (none, none)):
        found = match_descriptors(model_of(), maps, *pair)
        assert found.first.shape == found.second.shape == (0, 2)
        assert found.similarity.shape == (0,)


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
def test_a_match_gets_the_sub_pixel_of_the_place_next_to_it(view: TileView) -> None:
    def shift(at: Points) -> Points:
        return np.stack([0.37 + 0.01 * at[:, 1], -0.62 + 0.02 * at[:, 0]], axis=1)

    grid = _grid(shift, view)
    first = np.array([[20.3, 28.2], [41.9, 12.1], [52.5, 60.5]])
    nearest = np.array([[20.5, 28.5], [44.5, 12.5], [52.5, 60.5]])
    second = np.rint(first + shift(nearest))  # keypoints of the other image, at whole pixels
    found = _placed(Matches(first, second, np.ones(3)), grid, view)
    assert np.allclose(found.reference, affine.apply(view.lattice, first))
    assert np.allclose(found.moving, affine.apply(view.to_moving, first + shift(nearest)))
    assert found.usable.all()
    index = (nearest[:, 1] // 8 * 8 + nearest[:, 0] // 8).astype(int)
    assert np.array_equal(found.value, grid.value[index])
    assert np.array_equal(found.logs.numpy().ravel(), index)


def test_a_match_that_the_correlation_contradicts_is_not_used() -> None:
    view = TileView(np.eye(2, 3), np.eye(2, 3))
    grid = _grid(lambda at: np.full_like(at, 0.5), view)
    first = np.array([[20.5, 20.5]] * 4)
    off = np.array([[0.0, 0], [AGREE - 0.1, 0], [0, AGREE + 0.1], [3.0, 3.0]])
    found = _placed(Matches(first, first + 0.5 + off, np.ones(4)), grid, view)
    assert found.usable.tolist() == [True, True, False, False]
    unusable = Ties(*(getattr(grid, name) for name in grid.__dataclass_fields__))
    unusable.usable[:] = False
    assert not _placed(Matches(first, first + 0.5, np.ones(4)), unusable, view).usable.any()


def test_a_tile_without_matches_gives_no_tie_points() -> None:
    view = TileView(np.eye(2, 3), np.eye(2, 3))
    none = Matches(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0))
    assert len(_placed(none, _grid(lambda at: at * 0, view), view)) == 0


def by_structure(
    optical: torch.Tensor, optical_valid: torch.Tensor, sar: torch.Tensor, sar_valid: torch.Tensor, _words: Prompt
) -> Described:
    """What both images show in the same manner: the directions of their edges."""
    maps = [structure_maps(v.float(), k.float())[0] for v, k in ((optical, optical_valid), (sar, sar_valid))]
    quarter = [torch.nn.functional.avg_pool2d(m, SCALE) for m in maps]
    low = [torch.nn.functional.avg_pool2d(m, 2) for m in maps]
    return Described(quarter[0], quarter[1], (low[0], low[1]), torch.zeros(len(optical), len(CLASSES)))


def looked(pair: Pair, pose: Floats, land_use: np.ndarray | None = None) -> Outcome:
    """The pass from an approximate pose, with descriptors that work."""
    task = MatchTask(pair.optical, pair.sar, RANGES["georef"], MatchOptions(method="promptmid"))
    empty = Ties(*[np.zeros((0, 2))] * 2, *[np.zeros(0)] * 4, *[np.zeros(0, bool)] * 2, torch.zeros(0, 17, 17))
    plan = FINAL.plan(1.0, True)
    start = Outcome(Hypothesis(pose, "given", 0.5), pose, 0, empty, np.zeros(0, bool), 0.7, 0.0, plan)
    return keypoint_pass(task, model_of(by_structure, (5, 2)), start, SILENT)


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
