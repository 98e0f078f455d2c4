"""What all losses share: what is right costs least, what is unknown costs nothing."""

from __future__ import annotations

import pytest
import torch
from sarto.core.train.window_losses import bilinear_cells, is_seen, joint_loss, window_logs, window_loss


def test_a_peak_at_the_true_shift_costs_least() -> None:
    radius = 4
    shift = torch.tensor([[[2.0, -1.0]]])
    share = torch.ones(1, 1, 9, 9)
    costs = {}
    for dx in (-2, 2):
        surface = torch.full((1, 1, 9, 9), -1.0)
        surface[0, 0, radius - 1, radius + dx] = 1.0
        logs = window_logs(surface, share, torch.tensor(2.5))
        loss = window_loss(logs, share, shift, torch.ones(1), 0.3, 1.0)
        costs[dx] = float(loss.value)
        assert float(loss.right) == (dx == 2)
    assert costs[2] < 0.5 < costs[-2]


def test_a_peak_beyond_the_search_does_not_count() -> None:
    logs, share = torch.rand(1, 2, 9, 9), torch.ones(1, 2, 9, 9)
    loss = window_loss(logs, share, torch.tensor([[[3.5, 0], [9, 9]]]), torch.ones(1), 0.5, 1)
    assert [float(v) for v in loss] == [0, 0]


def test_a_place_is_seen_where_its_truth_is_known_near_and_valid() -> None:
    share = torch.ones(1, 5, 9, 9)
    share[0, 3, 4 - 1, 4 + 2] = 0.1
    shift = torch.tensor([[[2.0, -1.0], [float("nan"), 0], [3.2, 0], [2.2, -0.8], [2.0, 1.0]]])
    assert is_seen(share, shift, 3).tolist() == [[True, False, False, False, True]]


def test_shifts_that_are_not_valid_get_no_probability() -> None:
    surface, share = torch.zeros(1, 1, 5, 5), torch.ones(1, 1, 5, 5)
    share[..., :2, :] = 0
    probability = window_logs(surface, share, torch.tensor(2.5)).exp()
    assert float(probability.sum()) == pytest.approx(1)
    assert float(probability[..., :2, :].sum()) < 1e-4


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


def test_bilinear_cells() -> None:
    index, share = bilinear_cells(torch.tensor([[[1.25, 0.5], [-0.5, 0], [float("nan"), 1]]]), (3, 4))
    found = dict(zip(index[0, 0].tolist(), share[0, 0].tolist()))
    assert found == pytest.approx({1: 0.375, 2: 0.125, 5: 0.375, 6: 0.125})
    assert share[0, 1].sum() == 0.5
    assert share[0, 2].sum() == 0
