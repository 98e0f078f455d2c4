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
from sarto.core.matching.tar.weights import TarModel

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
    """A task whose grid is too large to come first."""
    return replace(task, search=RANGES["wild"])


def test_a_small_grid_may_save_the_structural_search(task: MatchTask, model: TarModel, monkeypatch) -> None:
    monkeypatch.setattr(poses, "search_pose", None)
    (first,) = _tested(task, model, monkeypatch, 0.01, beyond_doubt=0.01, convincing=lambda _: True)
    assert first == ["learned search"] * min(poses.AT_ONCE, len(turns_and_scales(task.search)))


def test_after_a_small_grid_in_doubt_the_structural_search_follows(task, model, monkeypatch) -> None:
    grid = len(turns_and_scales(task.search))
    rounds = _tested(task, model, monkeypatch, 0.005, beyond_doubt=0.01)
    grids, again, rest = rounds[: -(-grid // poses.AT_ONCE)], rounds[-(-grid // poses.AT_ONCE)], rounds[-4:]
    assert sum(map(len, grids)) == grid
    assert again == ["learned search"]
    assert rest[0] == rest[1] == ["structural search"] * FIRST
    assert set(rest[2]) == {"structural search"}
    assert 1 < len(rest[3]) <= poses.VERIFIED


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


def test_what_changes_least_is_tested_first(task: MatchTask) -> None:
    steps = [affine.angle_and_scale(h.pose) for h in poses._grid(replace(task, search=RANGES["tar"]))]
    sizes = [(round(abs(math.log(scale)), 9), round(abs(angle), 9)) for angle, scale in steps]
    assert sizes == sorted(sizes)
    assert 1 < len(sizes) <= poses.SMALL_GRID


def test_a_pose_beyond_doubt_ends_the_search(task: MatchTask, model: TarModel, monkeypatch) -> None:
    first, again = _tested(_wide(task), model, monkeypatch, 0.02, beyond_doubt=0.01)
    assert first == ["structural search"] * FIRST
    assert len(again) == 1


def test_one_beyond_doubt_among_the_next_few_ends_it_too(task: MatchTask, model: TarModel, monkeypatch) -> None:
    first, second, again = _tested(_wide(task), model, monkeypatch, (0.005, 0.02, 0.02), beyond_doubt=0.01)
    assert first == second == ["structural search"] * FIRST
    assert len(again) == 1


def test_without_one_every_pose_is_tested(task: MatchTask, model: TarModel, monkeypatch) -> None:
    first, second, rest, again = _tested(_wide(task), model, monkeypatch, 0.005, beyond_doubt=0.01)
    assert first == second == ["structural search"] * FIRST
    assert rest.count("learned search") == len(turns_and_scales(_wide(task).search))
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
