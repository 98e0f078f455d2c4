"""The loss of descriptors: what is right costs least, what is not known costs nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from sarto.core.matching.land_use import CLASSES
from sarto.core.matching.promptmid.compact import CompactNetwork
from sarto.core.matching.promptmid.network import Described
from sarto.core.train.batches import CoarseBatch
from sarto.core.train.descriptor_loss import NOT_SAID, descriptor_loss, land_use_loss

from .promptmid_parts import tiny_network

COUNT, SIDE, LENGTH = 3, 96, 8
MAPS, CELLS = SIDE // 4, SIDE // 8
TRUE = torch.tensor([3.0, -2.0])
"""Where the second image shows what the first one shows, cells of the maps (x, y)."""


@pytest.fixture(scope="module")
def network() -> CompactNetwork:
    network = tiny_network().requires_grad_(False)
    with torch.no_grad():
        network.coarse_matcher.sharpness.fill_(3.0)
    return network


def batch_of(shift: torch.Tensor = TRUE, weight: tuple[float, ...] = (1.0,) * COUNT) -> CoarseBatch:
    """Labels of a shift (2,), or one per pair (B, 1, 2), in cells of the maps; without images."""
    image, valid = torch.zeros(COUNT, 1, SIDE, SIDE), torch.ones(COUNT, 1, SIDE, SIDE)
    y, x = torch.meshgrid(torch.arange(CELLS), torch.arange(CELLS), indexing="ij")
    cells = torch.stack([x, y], dim=-1).reshape(1, -1, 2).float().expand(COUNT, -1, -1)
    nothing = torch.zeros(COUNT, 0)
    moved = shift / 2
    return CoarseBatch(
        image, image, valid, valid, torch.tensor(weight), torch.zeros(COUNT, len(CLASSES)),
        cells + moved, cells - moved, nothing, nothing,
    )  # fmt: skip


def described(first: torch.Tensor, second: torch.Tensor) -> Described:
    return Described(first, second, torch.zeros(COUNT, len(CLASSES)))


def maps(seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    rough = torch.randn(COUNT, LENGTH, MAPS, MAPS, generator=random)
    return torch.nn.functional.avg_pool2d(rough, 3, 1, 1) * 3


@pytest.fixture
def found() -> Described:
    """The second image's maps are the first one's, moved by `TRUE`."""
    first = maps(0)
    return described(first, first.roll((int(TRUE[1]), int(TRUE[0])), (2, 3)))


def value(network: CompactNetwork, found: Described, batch: CoarseBatch) -> float:
    return float(descriptor_loss(network, found, batch).value)


def test_descriptors_that_are_right_cost_less_than_others(network: CompactNetwork, found: Described) -> None:
    loss = descriptor_loss(network, found, batch_of())
    assert float(loss.right) > 0.95
    chance = descriptor_loss(network, described(maps(0), maps(1)), batch_of())
    assert float(chance.right) < 0.1
    assert float(loss.value) < 0.3 * float(chance.value)
    for wrong in (-TRUE, TRUE.flip(0), TRUE + 6):
        assert value(network, found, batch_of(wrong)) > 2 * float(loss.value)


@pytest.mark.parametrize("offset", [(0.5, 0.0), (0.3, 0.8)])
def test_the_cells_compared_with_may_lie_anywhere(network: CompactNetwork, found: Described, offset) -> None:
    """Shifted or not, the truth stays the truth."""
    loss = descriptor_loss(network, found, batch_of(), offset)
    assert float(loss.right) > 0.95
    wrong = descriptor_loss(network, found, batch_of(TRUE + torch.tensor([4.0, 0.0])), offset)
    assert float(wrong.value) > 2 * float(loss.value)
    assert float(wrong.right) < 0.1


def test_both_directions_count_alike(network: CompactNetwork, found: Described) -> None:
    batch = batch_of(TRUE + 0.4)
    batch.sar_valid[:, :, :20] = 0
    turned = replace(
        batch, forward=batch.backward, backward=batch.forward,
        optical_valid=batch.sar_valid, sar_valid=batch.optical_valid,
    )  # fmt: skip
    assert value(network, found, batch) == pytest.approx(
        value(network, described(found.sar, found.optical), turned), rel=1e-5
    )


def test_the_order_of_pairs_does_not_matter(network: CompactNetwork, found: Described) -> None:
    batch = batch_of(TRUE + torch.tensor([[[0.0, 0]], [[1.0, 0]], [[0, 4.0]]]), (1.0, 0.6, 0.25))
    order = torch.tensor([2, 0, 1])
    turned = batch.changed(lambda tensor: tensor[order])
    shuffled = described(found.optical[order], found.sar[order])
    assert value(network, found, batch) == pytest.approx(value(network, shuffled, turned), rel=1e-5)


def test_one_optical_image_may_not_be_confused_with_another(network: CompactNetwork, found: Described) -> None:
    """Pairs are compared within themselves."""
    order = torch.tensor([1, 2, 0])
    assert value(network, described(found.optical, found.sar[order]), batch_of()) > 2 * value(
        network, found, batch_of()
    )


def test_what_is_not_known_or_not_shown_costs_nothing(network: CompactNetwork, found: Described) -> None:
    unknown = batch_of(TRUE * float("nan"))
    hidden = [batch_of(), batch_of()]
    hidden[0].sar_valid[:], hidden[1].optical_valid[:] = 0, 0
    for batch in (unknown, *hidden, batch_of(TRUE + 200)):
        assert [float(v) for v in descriptor_loss(network, found, batch)] == [0, 0]


def test_labels_of_hidden_places_do_not_count(network: CompactNetwork, found: Described) -> None:
    batch, other = batch_of(), batch_of()
    wrong = torch.arange(CELLS * CELLS) < 4 * CELLS  # the upper third
    for one in (batch, other):
        one.optical_valid[:, :, :36] = 0
        one.backward[:, : 4 * CELLS] = float("nan")
    other.forward[:, wrong] += 5
    assert value(network, found, other) == pytest.approx(value(network, found, batch), rel=1e-6)


def test_misaligned_pairs_count_less(network: CompactNetwork, found: Described) -> None:
    wrong = TRUE + torch.tensor([[[0.0, 0]], [[7.0, 0]], [[0.0, 0]]])
    values = [value(network, found, batch_of(wrong, (1.0, w, 1.0))) for w in (1.0, 0.25, 0.0)]
    right = value(network, found, batch_of())
    assert values[0] > values[1] > values[2]
    assert values[2] == pytest.approx(right, rel=0.2)


def test_unknown_places_harm_no_gradient(network: CompactNetwork, found: Described) -> None:
    first = found.optical.clone().requires_grad_()
    batch = batch_of()
    batch.forward[:, ::3] = float("nan")
    batch.sar_valid[0] = 0
    descriptor_loss(network, described(first, found.sar), batch, (0.2, 0.7)).value.backward()
    assert torch.isfinite(first.grad).all()
    assert first.grad[1:].abs().max() > 0
    assert first.grad[0].abs().max() == 0


def test_the_classifier_learns_what_is_said_and_a_little_of_what_is_not() -> None:
    said = torch.zeros(3, len(CLASSES))
    said[0, 1] = said[1, [0, 4]] = 1
    right, wrong = torch.where(said > 0, 9.0, -9.0), torch.where(said > 0, -9.0, 9.0)
    assert float(land_use_loss(right, said)) < 1e-3
    assert float(land_use_loss(wrong, said)) > 5
    missed, more = right.clone(), right.clone()
    missed[0, 1], more[0, 2] = -9.0, 9.0
    assert float(land_use_loss(more, said)) == pytest.approx(
        NOT_SAID * float(land_use_loss(missed, said)), rel=1e-2
    )
    unknown = right.clone()
    unknown[2] = 9.0  # of the third pair nothing is said
    assert torch.equal(land_use_loss(unknown, said), land_use_loss(right, said))
    assert float(land_use_loss(wrong[2:], said[2:])) == 0
