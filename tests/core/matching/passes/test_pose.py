"""The first pass: which poses are tested, and when the search ends."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sarto.core.contract import RANGES, SILENT, MatchOptions
from sarto.core.geometry import affine
from sarto.core.matching import MatchTask
from sarto.core.matching.passes import pose as poses
from sarto.core.matching.passes.pose import FIRST, Hypothesis, find_poses, turns_and_scales
from sarto.core.matching.passes.views import TileView, encode_views
from sarto.core.matching.tar.network import TarNetwork
from sarto.core.matching.tar.tafe import TextFeatures
from sarto.core.matching.tar.weights import SHIPPED, TarModel, load_model

from ..conftest import Pair, make_pair


@pytest.fixture(scope="module")
def task() -> MatchTask:
    pair = make_pair(96, seed=2)
    return MatchTask(pair.optical, pair.sar, RANGES["tar"], MatchOptions(method="tar"))


@pytest.fixture
def model(network: TarNetwork, text: TextFeatures) -> TarModel:
    return TarModel(network, torch.device("cpu"), text=text)


def _tested(
    task: MatchTask,
    model: TarModel,
    monkeypatch: pytest.MonkeyPatch,
    score: float | tuple[float, ...],
    **how: object,
) -> list:
    """The rounds of hypotheses that are tested, each of which gets the score, or that of its round."""
    rounds: list[list[Hypothesis]] = []

    def scored(
        _task: MatchTask, _model: TarModel, hypotheses: list[Hypothesis], _reporter: object
    ) -> list[Hypothesis]:
        rounds.append(hypotheses)
        given = score[len(rounds) - 1] if isinstance(score, tuple) else score
        return [Hypothesis(h.pose, h.source, given) for h in hypotheses]

    monkeypatch.setattr(poses, "score_hypotheses", scored)
    assert find_poses(task, model, SILENT, **how)  # type: ignore[arg-type]
    return [[h.source for h in one] for one in rounds]


def _wide(task: MatchTask) -> MatchTask:
    """A task whose grid has more points than are tested early."""
    return replace(task, search=RANGES["wild"])


EARLY = [["learned search"] * count for count in poses.EARLY]


def test_a_convincing_pose_of_the_grid_saves_the_structural_search(task, model, monkeypatch) -> None:
    monkeypatch.setattr(poses, "search_pose", None)
    for some in (task, _wide(task)):
        rounds = _tested(some, model, monkeypatch, 0.01, beyond_doubt=0.01, convincing=lambda _: True)
        assert rounds == EARLY[:1]


def test_after_a_grid_in_doubt_the_structural_search_follows(task, model, monkeypatch) -> None:
    rounds = _tested(task, model, monkeypatch, 0.005, beyond_doubt=0.01)
    *grids, again, first, second, rest, last = rounds
    assert sum(map(len, grids)) == len(turns_and_scales(task.search))
    assert grids[:-1] == EARLY[: len(grids) - 1]
    assert again == ["learned search"]
    assert first == second == ["structural search"] * FIRST
    assert set(rest) == {"structural search"}
    assert 1 < len(last) <= poses.VERIFIED


def test_where_a_closer_look_does_not_convince_the_structural_search_decides(
    task: MatchTask, model: TarModel, monkeypatch
) -> None:
    looked: list[Hypothesis] = []
    rounds = _tested(
        task, model, monkeypatch, 0.02, beyond_doubt=0.01, convincing=lambda h: bool(looked.append(h))
    )
    assert rounds[-2] == ["structural search"] * FIRST
    assert rounds[-1] == ["structural search"]
    assert len(looked) == 1  # the best of the first round, which no later one surpasses


def _glimpses(monkeypatch: pytest.MonkeyPatch, scores: list[float | None]) -> list[int]:
    """Every glimpse at the grid shows these scores. Sides of the overviews that are asked for."""
    sides: list[int] = []

    def seen(_task, _model, hypotheses, side, _reporter) -> list[Hypothesis | None]:  # type: ignore[no-untyped-def]
        sides.append(side)
        return [None if s is None else replace(h, score=s) for h, s in zip(hypotheses, scores)]

    monkeypatch.setattr(poses, "_tested", seen)
    return sides


def test_what_is_promising_at_a_glimpse_is_tested_first(model: TarModel, monkeypatch) -> None:
    pair = make_pair(144, seed=2)
    task = MatchTask(pair.optical, pair.sar, RANGES["tar"], MatchOptions(method="tar"))
    grid = poses._grid(task)
    scores = [0.0, 0.2, None, 0.1, 0.3, 0.0]
    assert len(grid) == len(scores)
    sides = _glimpses(monkeypatch, scores)
    order = poses._promising_first(task, model, grid, SILENT)
    assert [next(k for k, h in enumerate(grid) if h is found) for found in order] == [4, 1, 3, 0, 5, 2]
    assert all(h.score == 0 for h in order)  # a glimpse is no evidence
    assert sides == [poses.GLIMPSE]


@pytest.mark.parametrize(("range_", "degrees", "scale"), [("tar", -25, 0.85), ("tar", 3, 0.8), ("wild", 150, 0.6)])
def test_with_the_shipped_weights_a_glimpse_tells_the_right_point(
    range_: str, degrees: float, scale: float
) -> None:
    if not SHIPPED.is_file():
        pytest.skip("the weights of tar are not in this checkout")
    pair = make_pair(192, degrees, scale, (5, -4))
    task = MatchTask(pair.optical, pair.sar, RANGES[range_], MatchOptions(method="tar"))
    grid = poses._grid(task)
    first = poses._promising_first(task, load_model(SHIPPED, torch.device("cpu")), grid, SILENT)[0]
    assert first is min(grid, key=lambda h: affine.grid_distance(h.pose, pair.truth, pair.optical.shape))
    assert first is not grid[0]  # least changed, and so first otherwise


def test_a_large_image_is_reduced_once_and_its_pixels_stay_where_they_are() -> None:
    large = np.zeros((1300, 700), np.uint8)
    large[:, 100:] = (np.arange(600) // 3)[None] + 1  # brighter by 1 every 3 columns, NoData on the left
    small, smaller = poses._reduced(large, 512)
    assert small.shape == (650, 350)
    assert not small[:, :50].any()
    for column in (300.0, 451.0):
        there = affine.apply(smaller, [[column, 640.0]])[0]
        assert abs(int(small[round(there[1]), round(there[0])]) - int(large[640, int(column)])) <= 1
    same, unchanged = poses._reduced(small, 512)
    assert same is small
    assert np.array_equal(unchanged, np.eye(2, 3))


@pytest.mark.parametrize("shape", [(64, 60_000), (40, 3_000), (700, 5_000)])
def test_a_strip_does_not_vanish_when_it_is_reduced(shape: tuple[int, int]) -> None:
    small, smaller = poses._reduced(np.full(shape, 90, np.uint8), 512)
    assert min(small.shape) >= poses.LEAST_REDUCED
    assert (small == 90).all()
    far = affine.apply(smaller, [[shape[1] - 1.0, shape[0] - 1.0]])[0]
    assert np.abs(far - [small.shape[1] - 1, small.shape[0] - 1]).max() < 1.5  # what fills no pixel is cut off


def test_a_glimpse_is_left_out_where_it_saves_nothing(task: MatchTask, model: TarModel, monkeypatch) -> None:
    sides = _glimpses(monkeypatch, [])
    small = poses._grid(task)
    assert poses._promising_first(task, model, small, SILENT) == small  # 96 pixels are no more than a glimpse
    pair = make_pair(144, seed=2)
    near = MatchTask(pair.optical, pair.sar, RANGES["georef"], MatchOptions(method="tar"))
    assert len(poses._promising_first(near, model, poses._grid(near), SILENT)) == 1
    assert sides == []


def test_what_changes_least_is_tested_first_where_all_look_alike(task: MatchTask) -> None:
    steps = [affine.angle_and_scale(h.pose) for h in poses._grid(task)]
    sizes = [(round(abs(math.log(scale)), 9), round(abs(angle), 9)) for angle, scale in steps]
    assert sizes == sorted(sizes)
    assert len(sizes) > 1


def test_a_pose_beyond_doubt_ends_the_search(task: MatchTask, model: TarModel, monkeypatch) -> None:
    scores = (*[0.005] * 4, 0.02, 0.02)
    *early, _, first, again = _tested(_wide(task), model, monkeypatch, scores, beyond_doubt=0.01)
    assert early == EARLY
    assert first == ["structural search"] * FIRST
    assert len(again) == 1


def test_one_beyond_doubt_among_the_next_few_ends_it_too(task: MatchTask, model: TarModel, monkeypatch) -> None:
    scores = (*[0.005] * 5, 0.02, 0.02)
    *_, first, second, again = _tested(_wide(task), model, monkeypatch, scores, beyond_doubt=0.01)
    assert first == second == ["structural search"] * FIRST
    assert len(again) == 1


def test_without_one_many_poses_are_tested(task: MatchTask, model: TarModel, monkeypatch) -> None:
    *_, first, second, rest, again = _tested(_wide(task), model, monkeypatch, 0.005, beyond_doubt=0.01)
    assert first == second == ["structural search"] * FIRST
    assert rest.count("learned search") == poses.SCREENED
    assert rest.count("structural search") > FIRST
    assert 1 < len(again) <= poses.VERIFIED


def test_without_the_rescue_only_the_grid_is_tested(task: MatchTask, model: TarModel, monkeypatch) -> None:
    rounds = _tested(task, model, monkeypatch, 0.02, rescue=False, beyond_doubt=0.01)
    assert {source for one in rounds for source in one} == {"learned search"}


def test_poses_on_one_place_share_its_encoding(model: TarModel) -> None:
    """The same features as one by one, also where they do not all fit into one batch."""
    pair = make_pair(64, seed=3)
    turned = [np.array([[1.0, 0, dx], [0, 1.0, 0]]) for dx in range(5)]
    views = [TileView(np.eye(2, 3), pose) for pose in turned]
    small = replace(model, batch_pixels=2.5 * 64 * 64)
    parts = list(encode_views(small, pair.optical, pair.sar, views, (64, 64), SILENT))
    assert [chosen for chosen, _ in parts] == [slice(0, 2), slice(2, 4), slice(4, 5)]
    for k, view in enumerate(views):
        ((_, alone),) = encode_views(model, pair.optical, pair.sar, [view], (64, 64), SILENT)
        both = parts[k // 2][1].coarse.chunk(2)
        together = torch.cat([half[k % 2 : k % 2 + 1] for half in both])
        assert torch.allclose(together, alone.coarse, atol=1e-4)


def test_what_was_seen_of_another_place_or_image_is_not_taken_for_this_one(model: TarModel) -> None:
    first, second = make_pair(64, seed=3), make_pair(64, seed=4)
    here, there = (TileView(np.array([[1.0, 0, x], [0, 1.0, 0]]), np.eye(2, 3)) for x in (0, 16))
    looks = [(first, here, 64), (first, there, 64), (first, here, 64), (second, here, 64), (second, here, 48)]

    def seen(model: TarModel, pair: Pair, view: TileView, side: int) -> torch.Tensor:
        ((_, found),) = encode_views(model, pair.optical, pair.sar, [view], (side, side), SILENT)
        return found.coarse

    for pair, view, side in looks:
        fresh = replace(model)
        assert torch.allclose(seen(model, pair, view, side), seen(fresh, pair, view, side), atol=1e-4)
