"""The loss of the local features: what is right costs least, and how far labels may be off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sarto.core.matching.land_use import CLASSES
from sarto.core.matching.passes.network import Images, TilePairs
from sarto.core.matching.tar.network import TarNetwork
from sarto.core.train import local_loss as module
from sarto.core.train.batches import LocalBatch, Size, local_batch
from sarto.core.train.local_loss import MOST_OFF, local_loss, probable_offset

from .conftest import NETWORK

SHARP = torch.tensor(3.0)
TRUE = torch.tensor([2.0, 1.0])
"""Shift of the made-up maps, fine cells (x, y)."""
COUNT, SIDE, HALF = 3, 48, 8


def _batch(shift: torch.Tensor, weight: tuple[float, ...] = (1.0, 1.0, 1.0)) -> LocalBatch:
    """A batch of labels (2,), or (B, N, 2), without images: the features are given."""
    image = torch.zeros(COUNT, 1, 2 * SIDE, 2 * SIDE)
    labels = shift.expand(COUNT, (SIDE // 4) ** 2, 2).clone()
    return LocalBatch(
        image, image, image, image, torch.tensor(weight), torch.zeros(len(weight), len(CLASSES)), labels
    )


@pytest.fixture
def features() -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth random maps whose second half is the first, moved by `TRUE` and a little disturbed; all valid."""
    random = torch.Generator().manual_seed(1)
    maps, other = (
        torch.nn.functional.avg_pool2d(torch.randn(COUNT, 4, SIDE, SIDE, generator=random), 3, 1, 1) * 3
        for _ in range(2)
    )
    moved = maps.roll((int(TRUE[1]), int(TRUE[0])), (2, 3)) + 0.3 * other
    return torch.cat([maps, moved]), torch.ones(2 * COUNT, SIDE, SIDE)


@pytest.fixture
def offsets(monkeypatch) -> list[torch.Tensor]:
    """The offsets that `local_loss` has used."""
    kept: list[torch.Tensor] = []

    def spy(*arguments: torch.Tensor) -> torch.Tensor:
        assert not any(argument.requires_grad for argument in arguments)
        kept.append(probable_offset(*arguments))
        return kept[-1]

    monkeypatch.setattr(module, "probable_offset", spy)
    return kept


def _value(features, shift: torch.Tensor) -> float:
    return float(local_loss(features, SHARP, _batch(shift), HALF).value)


def _value_at_their_word(features, shift: torch.Tensor, monkeypatch) -> float:
    """With no offset left open."""
    with monkeypatch.context() as patch:
        patch.setattr(module, "probable_offset", lambda logs, shift, known: torch.zeros(len(logs), 2))
        return _value(features, shift)


def test_features_that_agree_with_the_labels_are_right_and_get_no_offset(features, offsets) -> None:
    loss = local_loss(features, SHARP, _batch(TRUE), HALF)
    assert float(loss.right) > 0.99
    assert offsets[0].abs().max() < 0.05
    unrelated = torch.cat([features[0][:COUNT], features[0][COUNT:].flip(2)])
    assert float(loss.value) < 0.5 * _value((unrelated, features[1]), TRUE)


@pytest.mark.parametrize("move", [(1.0, 0.0), (0.0, -1.0), (-0.75, 0.5)])
def test_labels_that_are_all_off_alike_are_moved_back(features, offsets, monkeypatch, move) -> None:
    off = torch.tensor(move)
    straight, moved = _value(features, TRUE), _value(features, TRUE + off)
    assert torch.allclose(offsets[1], -off.expand(COUNT, 2), atol=0.3)
    at_their_word = _value_at_their_word(features, TRUE + off, monkeypatch)
    assert moved - straight < 0.25 * (at_their_word - straight)


def test_labels_that_differ_from_place_to_place_are_not_excused(features, offsets, monkeypatch) -> None:
    """A turn or a stretch that labels get wrong is no offset."""
    number = torch.arange((SIDE // 4) ** 2)
    opposed = TRUE + torch.where(number % (SIDE // 4) < SIDE // 8, 1.0, -1.0)[None, :, None]
    straight, wrong = _value(features, TRUE), _value(features, opposed)
    at_their_word = _value_at_their_word(features, opposed, monkeypatch)
    assert wrong - straight > 0.7 * (at_their_word - straight)


def test_labels_far_off_are_not_excused(features, offsets) -> None:
    straight, wrong = _value(features, TRUE), _value(features, TRUE - 4.0)
    assert wrong > straight + 1
    assert offsets[-1].abs().max() <= MOST_OFF


def test_places_that_say_nothing_leave_the_labels_alone() -> None:
    logs = torch.full((2, 9, 17, 17), -np.log(289.0))
    shift = torch.rand(2, 9, 2)
    known = torch.ones(2, 9, dtype=torch.bool)
    assert probable_offset(logs, shift, known).abs().max() < 1e-4
    sure = logs.clone()
    sure[..., 8, 10] = 0.0
    assert probable_offset(sure, shift, ~known).abs().max() < 1e-4


def test_each_pair_has_its_own_offset(features, offsets) -> None:
    labels = _batch(TRUE).shift
    labels[1] += 1
    _value(features, labels)
    assert offsets[0][1].max() < -0.7
    assert offsets[0][[0, 2]].abs().max() < 0.05


def test_the_order_of_the_pairs_does_not_matter(features) -> None:
    labels = _batch(TRUE).shift + torch.randn(COUNT, 1, 2, generator=torch.Generator().manual_seed(0))
    order = torch.tensor([2, 0, 1])
    shuffled = tuple(torch.cat([half[order] for half in layer.chunk(2)]) for layer in features)
    assert _value(shuffled, labels[order]) == pytest.approx(_value(features, labels), rel=1e-5)


def test_pairs_that_are_not_believed_take_no_part(features) -> None:
    labels = _batch(TRUE).shift
    other = labels.clone()
    other[1] = -3.0
    values = [
        [float(local_loss(features, SHARP, _batch(shift, weight), HALF).value) for shift in (labels, other)]
        for weight in ((1.0, 0.25, 0.6), (1.0, 0.6, 1.0))
    ]
    assert values[0][0] == pytest.approx(values[0][1])
    assert values[1][0] < values[1][1] - 0.1
    assert float(local_loss(features, SHARP, _batch(TRUE, (0.25, 0.0, 0.49)), HALF).value) == 0


def test_what_is_unknown_or_invalid_costs_nothing(features) -> None:
    assert [float(v) for v in local_loss(features, SHARP, _batch(TRUE * np.nan), HALF)] == [0, 0]
    maps, mask = features[0].clone(), features[1].clone()
    maps[COUNT:], mask[COUNT:] = 0, 0
    assert [float(v) for v in local_loss((maps, mask), SHARP, _batch(TRUE), HALF)] == [0, 0]


def test_unknown_places_harm_no_gradient(features) -> None:
    maps = features[0].clone().requires_grad_()
    labels = _batch(TRUE).shift
    labels[:, ::3] = float("nan")
    local_loss((maps, features[1]), SHARP, _batch(labels), HALF).value.backward()
    assert torch.isfinite(maps.grad).all()
    assert maps.grad.abs().max() > 0


@pytest.mark.parametrize("half", module.LOCAL_HALVES)
def test_every_weight_of_the_branch_learns_and_no_other(chips, half: int) -> None:
    torch.manual_seed(0)
    network = TarNetwork(NETWORK)
    batch = local_batch(chips, Size(2, 64), np.random.default_rng(0))
    features = network.local(
        TilePairs(Images(batch.optical, batch.optical_valid), Images(batch.sar, batch.sar_valid))
    )
    local_loss(features, network.sharpness, batch, half).value.backward()
    taught = {name for name, p in network.named_parameters() if p.grad is not None}
    assert taught == {n for n, _ in network.named_parameters() if n.startswith("local.") or n == "sharpness"}
    still = {n for n, p in network.named_parameters() if p.grad is not None and p.grad.abs().max() == 0}
    assert still == set()


def test_a_weight_is_a_limit_not_a_factor(features) -> None:
    labels = _batch(TRUE).shift
    labels[0] = -3.0
    full, less = (
        local_loss(features, SHARP, replace(_batch(labels), weight=torch.tensor(w)), HALF).value
        for w in ([1.0, 1.0, 1.0], [0.6, 1.0, 1.0])
    )
    assert float(full) == float(less)
