"""The coarse losses of TAR: what is right costs least, what is unknown costs nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sarto.core.matching.tar.network import TarNetwork
from sarto.core.train.batches import CoarseBatch, Size, coarse_batch
from sarto.core.train.coarse_losses import (
    _clear,
    coarse_loss,
    coarse_window_loss,
    cut_windows,
    text_loss,
    within,
)
from sarto.core.train.tar_step import TarLearner
from sarto.core.train.window_losses import joint_loss

from .conftest import TINY

R = range(-2, 3)


@pytest.fixture
def batch(chips, bank) -> CoarseBatch:
    return coarse_batch(chips, bank, Size(4, 64), np.random.default_rng(1))


@pytest.fixture
def learner(bank) -> TarLearner:
    return TarLearner(TINY, torch.device("cpu"), bank)


def _encoded(learner: TarLearner, batch: CoarseBatch):
    network: TarNetwork = learner.network.eval()
    return network, network.encode(learner.tiles(batch), learner.text)


def _losses(learner: TarLearner, batch: CoarseBatch) -> list[float]:
    """Coarse loss, share found, text loss, loss of windows."""
    with torch.no_grad():
        network, encoded = _encoded(learner, batch)
        wide = coarse_window_loss(network, encoded, batch, 64, torch.Generator().manual_seed(0))
        coarse = coarse_loss(network, encoded, batch)
        return [*(float(v) for v in coarse), float(text_loss(encoded.text, batch)), float(wide.value)]


def test_the_order_of_the_pairs_does_not_matter(learner: TarLearner, batch: CoarseBatch) -> None:
    order = torch.tensor([2, 0, 3, 1])
    shuffled = batch.changed(lambda tensor: tensor[order])
    straight, mixed = _losses(learner, batch)[:3], _losses(learner, shuffled)[:3]
    assert mixed == pytest.approx(straight, rel=1e-4)  # windows are drawn in the order of the pairs


def test_unknown_truth_costs_nothing(learner: TarLearner, batch: CoarseBatch) -> None:
    unknown = {k: torch.full_like(getattr(batch, k), float("nan")) for k in ("forward", "backward")}
    found = _losses(learner, replace(batch, **unknown))
    assert [found[k] for k in (0, 1, 3)] == [0, 0, 0]


def test_pairs_that_are_not_believed_cost_less(learner: TarLearner, batch: CoarseBatch) -> None:
    loose = replace(batch, weight=torch.tensor([1.0, 0.25, 1.0, 1.0]))
    assert _losses(learner, loose)[0] != pytest.approx(_losses(learner, batch)[0], rel=1e-5)
    without = replace(batch, weight=torch.tensor([1.0, 0.0, 1.0, 1.0]))
    moved = replace(without, forward=batch.forward.clone())
    moved.forward[1] += 1
    assert _losses(learner, moved)[0] == pytest.approx(_losses(learner, without)[0])


def test_invalid_places_cost_nothing(learner: TarLearner, batch: CoarseBatch) -> None:
    none = replace(batch, sar_valid=torch.zeros_like(batch.sar_valid))
    found = _losses(learner, none)
    assert [found[k] for k in (0, 1, 3)] == [0, 0, 0]


def test_text_attention_on_what_is_shown_costs_nothing(learner: TarLearner, batch: CoarseBatch) -> None:
    with torch.no_grad():
        _, encoded = _encoded(learner, batch)
    scenes, covers = torch.zeros(8, 3), torch.zeros(8, 2, 4, 4)
    scenes[:, 0], covers[:, 0] = 1, 1
    river = encoded.text._replace(scenes=scenes, covers=covers)
    shown = replace(batch, scenes=torch.tensor([[1.0, 0, 0]] * 4), covers=torch.tensor([[1.0, 0]] * 4))
    wrong = replace(shown, scenes=torch.tensor([[0, 1.0, 0]] * 4))
    unknown = replace(shown, scenes=torch.ones(4, 3), covers=torch.ones(4, 2))
    assert float(text_loss(river, shown)) == pytest.approx(0)
    assert float(text_loss(river, unknown)) == pytest.approx(0)
    assert float(text_loss(river, wrong)) == pytest.approx(-np.log(1e-4), rel=1e-3)
    half = replace(shown, scenes=torch.tensor([[1.0, 0, 0], [0, 1.0, 0]] * 2))
    assert float(text_loss(river, half)) == pytest.approx(-np.log(1e-4) / 2, rel=1e-3)


def test_an_even_coarse_matching_is_judged_alike_wherever_the_images_lie() -> None:
    """The border of the map, and what is allowed, must not look like knowledge."""
    side, reach = 20, 8
    axis = torch.arange(side * side)
    own = torch.stack([axis % side, axis // side], dim=-1).float()
    allowed = within((side, side), reach)
    logs = torch.zeros(side * side, side * side).masked_fill(~allowed, -1e4).log_softmax(-1)
    for shift in (0.0, 2.3, 5.0):
        target = (own + shift)[None]
        clear = _clear(target, torch.Size((side, side)), reach)
        assert clear.any()
        loss = joint_loss(logs.view(1, -1, side, side), target, clear, torch.ones(1), 2, 0.1)
        even = -torch.logsumexp(-torch.tensor([(a * a + b * b) / (2 * 0.49) for a in R for b in R]), 0) + np.log(
            25
        )
        assert float(loss) == pytest.approx(float(even), abs=0.02)
    assert not _clear((own + 7)[None], torch.Size((side, side)), reach).any()


def test_windows_are_cut_as_slices_would() -> None:
    maps = torch.randn(2, 3, 10, 12, requires_grad=True)
    centres = torch.tensor([[[0, 0], [5, 4]], [[11, 9], [3, 8]]])
    windows = cut_windows(maps, centres, 2)
    assert windows.shape == (4, 3, 5, 5)
    assert torch.equal(windows[1], maps[0, :, 2:7, 3:8])
    assert torch.equal(windows[0][:, 2:, 2:], maps[0, :, :3, :3])
    assert windows[0][:, :2].abs().sum() == 0
    windows.sum().backward()
    assert maps.grad[0, 0, 4, 5] == 1
    assert maps.grad[1].sum() == 3 * (9 + 4 * 5)


def test_within_reach() -> None:
    allowed = within((3, 4), 1)
    assert allowed.shape == (12, 12)
    assert allowed[0].nonzero().ravel().tolist() == [0, 1, 4, 5]


def test_the_untrained_network_finds_little(learner: TarLearner, chips, bank) -> None:
    """Both images show the same, so that even features at random find some; 9 of 49 places in reach count."""
    shares = [
        _losses(learner, coarse_batch(chips, bank, Size(16, 64), np.random.default_rng(seed)))[1]
        for seed in range(4)
    ]
    assert np.mean(shares) < 0.6
