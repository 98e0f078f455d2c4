"""The losses of TAR: what is right costs least, what is unknown costs nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sarto.core.matching.tar.network import TarNetwork
from sarto.core.train.batches import Batch, Recipe
from sarto.core.train.tar_losses import (
    _clear,
    bilinear_cells,
    coarse_loss,
    coarse_window_loss,
    cut_windows,
    fine_loss,
    joint_loss,
    text_loss,
    window_loss,
    within,
)
from sarto.core.train.tar_step import Learner

from .conftest import NETWORK, TINY


@pytest.fixture
def batch(chips, bank) -> Batch:
    return Recipe(chips, bank, 4, 64, 6, 1).batch(0)


@pytest.fixture
def learner(bank) -> Learner:
    return Learner(TINY, torch.device("cpu"), bank)


def _encoded(learner: Learner, batch: Batch):
    network: TarNetwork = learner.network.eval()
    layers = (batch.optical, batch.optical_valid, batch.sar, batch.sar_valid)
    return network, network.encode(*layers, learner.text)


def _losses(learner: Learner, batch: Batch) -> list[float]:
    with torch.no_grad():
        network, encoded = _encoded(learner, batch)
        wide = coarse_window_loss(network, encoded, batch, 64, torch.Generator().manual_seed(0))
        every = (coarse_loss(network, encoded, batch), fine_loss(network, encoded, batch, 6, 8))
        return [*(float(v) for loss in every for v in loss), float(wide.value), float(text_loss(encoded, batch))]


def test_the_order_of_the_pairs_does_not_matter(learner: Learner, batch: Batch) -> None:
    order = torch.tensor([2, 0, 3, 1])
    shuffled = replace(batch, **{k: v[order] for k, v in vars(batch).items() if torch.is_tensor(v)})
    straight, mixed = _losses(learner, batch), _losses(learner, shuffled)
    del straight[4], mixed[4]  # its windows are drawn in the order of the pairs
    assert mixed == pytest.approx(straight, rel=1e-4)


def test_unknown_truth_costs_nothing(learner: Learner, batch: Batch) -> None:
    unknown = {k: torch.full_like(getattr(batch, k), float("nan")) for k in ("forward", "backward", "shift")}
    assert _losses(learner, replace(batch, **unknown))[:5] == [0, 0, 0, 0, 0]


def test_pairs_that_are_not_believed_cost_less_and_nothing_below_a_pixel(learner: Learner, batch: Batch) -> None:
    loose = replace(batch, weight=torch.tensor([1.0, 0.25, 1.0, 1.0]))
    moved = replace(loose, shift=batch.shift.clone())
    moved.shift[1] = 3.0
    assert _losses(learner, loose)[2] == pytest.approx(_losses(learner, moved)[2])
    assert _losses(learner, loose)[0] != pytest.approx(_losses(learner, batch)[0], rel=1e-5)


def test_invalid_places_cost_nothing(learner: Learner, batch: Batch) -> None:
    none = replace(batch, sar_valid=torch.zeros_like(batch.sar_valid))
    assert _losses(learner, none)[:5] == [0, 0, 0, 0, 0]


def test_text_attention_on_what_is_shown_costs_nothing(learner: Learner, batch: Batch) -> None:
    with torch.no_grad():
        _, encoded = _encoded(learner, batch)
    scenes, covers = torch.zeros(8, 3), torch.zeros(8, 2, 4, 4)
    scenes[:, 0], covers[:, 0] = 1, 1
    river = encoded._replace(text=encoded.text._replace(scenes=scenes, covers=covers))
    shown = replace(batch, scenes=torch.tensor([[1.0, 0, 0]] * 4), covers=torch.tensor([[1.0, 0]] * 4))
    wrong = replace(shown, scenes=torch.tensor([[0, 1.0, 0]] * 4))
    unknown = replace(shown, scenes=torch.ones(4, 3), covers=torch.ones(4, 2))
    assert float(text_loss(river, shown)) == pytest.approx(0)
    assert float(text_loss(river, unknown)) == pytest.approx(0)
    assert float(text_loss(river, wrong)) == pytest.approx(-np.log(1e-4), rel=1e-3)
    half = replace(shown, scenes=torch.tensor([[1.0, 0, 0], [0, 1.0, 0]] * 2))
    assert float(text_loss(river, half)) == pytest.approx(-np.log(1e-4) / 2, rel=1e-3)
    assert float(text_loss(encoded._replace(text=None), shown)) == 0


def test_a_peak_at_the_true_shift_costs_least() -> None:
    radius = 4
    shift = torch.tensor([[[2.0, -1.0]]])
    share = torch.ones(1, 9, 9)
    costs = {}
    for dx in (-2, 2):
        surface = torch.full((1, 9, 9), -1.0)
        surface[0, radius - 1, radius + dx] = 1.0
        loss = window_loss((surface, share), shift, torch.ones(1), torch.tensor(2.5), 0.3, 1.0)
        costs[dx] = float(loss.value)
        assert float(loss.right) == (dx == 2)
    assert costs[2] < 0.5 < costs[-2]


def _joint(logits: torch.Tensor, target: torch.Tensor, known: torch.Tensor | None = None) -> torch.Tensor:
    """The joint loss of one pair: logits (K, rows, columns), target (K, 2)."""
    logs = logits.flatten(1).log_softmax(-1).view_as(logits)[None]
    taken = torch.ones(1, len(target), dtype=torch.bool) if known is None else known
    return joint_loss(logs, target[None], taken, torch.ones(1), 3, 1.0)


PLACES = torch.tensor([[4.0, 5.0], [6.0, 5.0], [5.0, 6.0]]).repeat(8, 1)


def _votes(strength: float, wrong: float = 0.0) -> torch.Tensor:
    """Places that vote for the truth, but every third one for a place beside it, so strongly."""
    logits = torch.zeros(24, 11, 13)
    for k, (x, y) in enumerate(PLACES.long().tolist()):
        logits[k, y, x] = strength
        if wrong and k % 3 == 0:
            logits[k, y, x], logits[k, y - 1, x + 2] = 0.0, wrong
    return logits


def test_places_that_agree_on_the_truth_cost_less_the_surer_they_are() -> None:
    costs = [float(_joint(_votes(strength), PLACES)) for strength in (0.0, 1.0, 3.0, 6.0, 20.0)]
    assert all(later < earlier + 1e-3 for earlier, later in zip(costs, costs[1:]))
    assert costs[-1] < 0.5 * costs[0]


def test_places_that_vote_for_elsewhere_cost_more_the_surer_they_are() -> None:
    costs = [float(_joint(_votes(2.0, wrong), PLACES)) for wrong in (1.0, 4.0, 8.0)]
    assert costs == sorted(costs)


def test_true_positions_between_cells_are_met_exactly() -> None:
    """What a place says is a bump around its true position, wherever that lies: the loss is the same."""
    y, x = torch.meshgrid(torch.arange(11.0), torch.arange(13.0), indexing="ij")
    costs = []
    for part in ((0.0, 0.0), (0.5, 0.0), (0.25, 0.75)):
        target = torch.tensor([[6.0, 5.0]]) + torch.tensor(part)
        bump = -((x - target[0, 0]) ** 2 + (y - target[0, 1]) ** 2) / 8
        costs.append(float(_joint(bump[None], target)))
    assert costs[1] == pytest.approx(costs[0], abs=0.02)
    assert costs[2] == pytest.approx(costs[0], abs=0.02)
    moved = float(_joint(bump[None], target + 1.0))
    assert moved > costs[2] + 0.05


def test_only_known_places_learn_from_what_all_say() -> None:
    known = torch.ones(1, 24, dtype=torch.bool)
    known[0, ::2] = False
    logits = _votes(2.0, 3.0).requires_grad_()
    _joint(logits, PLACES, known).backward()
    assert logits.grad is not None
    moved = logits.grad.abs().amax((1, 2))
    assert moved[::2].max() == 0
    assert moved[1::2].min() > 0
    assert float(_joint(_votes(2.0), PLACES, torch.zeros(1, 24, dtype=torch.bool))) == 0


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


R = range(-2, 3)


def test_a_peak_beyond_the_search_does_not_count() -> None:
    surface, share = torch.rand(2, 9, 9), torch.ones(2, 9, 9)
    loss = window_loss(
        (surface, share), torch.tensor([[[3.5, 0], [9, 9]]]), torch.ones(1), torch.zeros(()), 0.5, 1
    )
    assert [float(v) for v in loss] == [0, 0]


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


def test_bilinear_cells() -> None:
    index, share = bilinear_cells(torch.tensor([[[1.25, 0.5], [-0.5, 0], [float("nan"), 1]]]), (3, 4))
    found = dict(zip(index[0, 0].tolist(), share[0, 0].tolist()))
    assert found == pytest.approx({1: 0.375, 2: 0.125, 5: 0.375, 6: 0.125})
    assert share[0, 1].sum() == 0.5
    assert share[0, 2].sum() == 0


def test_within_reach() -> None:
    allowed = within((3, 4), 1)
    assert allowed.shape == (12, 12)
    assert allowed[0].nonzero().ravel().tolist() == [0, 1, 4, 5]


def test_the_untrained_network_is_at_chance(learner: Learner, chips, bank) -> None:
    batch = Recipe(chips, bank, 16, 64, 20, 2).batch(0)
    assert _losses(learner, batch)[1] < 0.5
    assert NETWORK.text
