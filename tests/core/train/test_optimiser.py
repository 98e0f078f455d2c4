"""The optimisers: matrices by Muon whatever their layout in memory, the rest by AdamW, one state for both."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from sarto.core.contract import EngineError
from sarto.core.train.optimiser import MUON, MatrixOptimiser, optimiser_for
from torch import nn

RATE = 0.01


def network(layout: torch.memory_format = torch.contiguous_format) -> nn.Module:
    torch.manual_seed(1)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.Flatten(), nn.Linear(16, 5))
    return layers.to(memory_format=layout)


def learn(module: nn.Module, optimiser: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        images = torch.randn((2, 3, 4, 4), generator=torch.Generator().manual_seed(step))
        optimiser.zero_grad(set_to_none=True)
        (module(images) - 1).square().mean().backward()
        optimiser.step()


def muon(module: nn.Module, decay: float = 0.0) -> torch.optim.Optimizer:
    return optimiser_for(module.parameters(), MUON, RATE, decay)


def test_a_matrix_learns_as_by_torch() -> None:
    ours, theirs = nn.Linear(6, 4), nn.Linear(6, 4)
    theirs.load_state_dict(ours.state_dict())
    before = ours.weight.detach().clone()
    other = torch.optim.Muon([theirs.weight], lr=RATE, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    own = muon(ours, 0.1)
    for module, optimiser in ((ours, own), (theirs, other)):
        for step in range(3):
            optimiser.zero_grad()
            module.weight.grad = torch.randn((4, 6), generator=torch.Generator().manual_seed(step))
            optimiser.step()
    assert torch.equal(ours.weight, theirs.weight)
    assert not torch.equal(ours.weight, before)


def test_updates_of_convolutions_are_orthogonal() -> None:
    module = network(torch.channels_last)
    before = module[0].weight.detach().clone()
    module[0].weight.grad = torch.randn_like(before)
    muon(module).step()
    update = (module[0].weight.detach() - before).reshape(8, -1) / (RATE * 0.2 * 27**0.5)
    values = torch.linalg.svdvals(update)
    assert 0.5 < values.min() <= values.max() < 1.3


def test_the_layout_in_memory_changes_nothing() -> None:
    plain, last = network(), network(torch.channels_last)
    assert not last[0].weight.is_contiguous()
    for module in (plain, last):
        learn(module, muon(module), range(3))
    for one, other in zip(plain.parameters(), last.parameters()):
        assert torch.allclose(one, other, atol=2e-4)  # Muon rounds to bfloat16 within


def test_the_rest_learns_by_adamw() -> None:
    module = network()
    twin = deepcopy(module)
    learn(module, muon(module), range(1))
    learn(twin, torch.optim.AdamW(twin.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.0), range(1))
    assert torch.allclose(module[0].bias, twin[0].bias)
    assert not torch.allclose(module[0].weight, twin[0].weight)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_going_on_from_a_state(layout: torch.memory_format) -> None:
    whole = network()
    learn(whole, muon(whole), range(6))
    first = network()
    optimiser = muon(first)
    learn(first, optimiser, range(3))
    state = deepcopy(optimiser.state_dict())
    assert [tuple(state["state"][k]["momentum_buffer"].shape) for k in range(3)] == [
        tuple(layer.weight.shape) for layer in (first[0], first[2], first[4])
    ]
    second = network(layout)
    second.load_state_dict(first.state_dict())
    again = muon(second)
    again.load_state_dict(state)
    learn(second, again, range(3, 6))
    for one, other in zip(whole.parameters(), second.parameters()):
        assert torch.allclose(one, other, atol=2e-4)


def test_the_rate_of_a_group_is_kept_to() -> None:
    module = network()
    before = deepcopy(module.state_dict())
    optimiser = muon(module)
    for group in optimiser.param_groups:
        group["lr"] = 0.0
    learn(module, optimiser, range(2))
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())


def test_torch_without_muon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(EngineError, match="no Muon"):
        MatrixOptimiser([], [], RATE, 0.0)
