"""Aggregation: each scale has its share, attention only weakens, and places stay where they are."""

from __future__ import annotations

import pytest
import torch
from sarto.core.matching.promptmid.aggregate import (
    SCALE,
    Aggregation,
    BlockAttention,
    DescriptorHead,
    MultiScaleAggregation,
)

CHANNELS = {2: 3, 4: 5, 8: 6, 16: 7}
WIDTH, LENGTH = 8, 6


def features(rows: int = 64, columns: int = 96, scales: tuple[int, ...] = (4, 8, 16)) -> dict[int, torch.Tensor]:
    random = torch.Generator().manual_seed(4)
    return {s: torch.randn(2, CHANNELS[s], rows // s, columns // s, generator=random) for s in scales}


def merger(*scales: int, plain: bool = False) -> MultiScaleAggregation:
    torch.manual_seed(0)
    return MultiScaleAggregation({s: CHANNELS[s] for s in scales}, WIDTH, plain).eval()


def _answers(msaa: MultiScaleAggregation, given: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
    """Of each scale's head, at 1/4."""
    found = {s: msaa.heads[str(s)](given[s]) for s in msaa.scales}
    if 2 in found:
        found[2] = torch.nn.functional.avg_pool2d(found[2], 2)
    return {
        s: torch.nn.functional.interpolate(f, scale_factor=s / 4, mode="bilinear") if s > 4 else f
        for s, f in found.items()
    }


@torch.no_grad()
def test_equal_weights_are_the_mean_over_scales_times_their_number() -> None:
    msaa, given = merger(2, 4, 8, 16), features(scales=(2, 4, 8, 16))
    mean = torch.stack(list(_answers(msaa, given).values())).mean(0)
    assert msaa(given).shape == (2, WIDTH, 16, 24)
    assert torch.allclose(msaa(given), 4 * mean, atol=1e-5)


@torch.no_grad()
def test_the_weight_of_a_scale_is_its_share() -> None:
    msaa, given = merger(4, 8, 16), features()
    answers = _answers(msaa, given)
    msaa.weight.copy_(torch.log(torch.tensor([1.0, 2.0, 5.0])))
    expected = 3 * (answers[4] + 2 * answers[8] + 5 * answers[16]) / 8
    assert torch.allclose(msaa(given), expected, atol=1e-5)
    msaa.weight.copy_(torch.tensor([0.0, 50.0, 0.0]))
    assert torch.allclose(msaa(given), 3 * answers[8], atol=1e-5)


def test_weights_are_learned_unless_all_scales_shall_count_the_same() -> None:
    for plain in (False, True):
        msaa = merger(4, 8, plain=plain)
        msaa(features()).square().sum().backward()
        assert (msaa.weight.grad is None) == plain


@torch.no_grad()
def test_attention_weakens_by_channel_and_by_place() -> None:
    """What comes out is what went in, times a number per channel, times a number per place, each in 0…1."""
    torch.manual_seed(1)
    attention = BlockAttention(WIDTH)
    x = torch.randn(2, WIDTH, 9, 11) * 3
    ratio = attention(x) / x
    assert ((ratio > 0) & (ratio < 1)).all()
    logs = ratio.log()
    by_channel, by_place = logs.mean((2, 3), keepdim=True), logs.mean(1, keepdim=True)
    parts = by_channel + by_place - logs.mean((1, 2, 3), keepdim=True)
    assert torch.allclose(logs, parts, atol=1e-3)
    assert by_channel.std() > 1e-3
    assert by_place.std() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("scales", [(4,), (4, 8, 16), (16,), (2, 4)])
def test_descriptors_lie_at_a_quarter(scales: tuple[int, ...]) -> None:
    whole = Aggregation({s: CHANNELS[s] for s in scales}, WIDTH, LENGTH).eval()
    merged = whole(features(scales=scales))
    found = whole.head(merged)
    assert found.shape == (2, LENGTH, 64 // SCALE, 96 // SCALE)
    assert merged.shape == (2, WIDTH, 64 // SCALE, 96 // SCALE)


@torch.no_grad()
def test_a_scale_is_laid_onto_its_place() -> None:
    """A spot in the coarsest features answers at the cells around the middle of its own."""
    msaa = merger(16)
    quiet = {16: torch.zeros(1, CHANNELS[16], 9, 9)}
    spot = {16: quiet[16].clone()}
    spot[16][..., 4, 6] = 3.0
    change = (msaa(spot) - msaa(quiet)).abs().sum(1)[0]
    y, x = torch.meshgrid(torch.arange(36.0), torch.arange(36.0), indexing="ij")
    centre = [(change.square() * at).sum() / change.square().sum() for at in (x, y)]
    # cell (6, 4) of 16 pixels is centred on cells 25.5, 17.5 of 4; the random 3 × 3 kernel may pull a little
    assert abs(float(centre[0]) - 25.5) < 2.5
    assert abs(float(centre[1]) - 17.5) < 2.5


@torch.no_grad()
def test_a_shift_of_the_finest_features_shifts_the_descriptors() -> None:
    """By a cell for a cell, away from the borders; channel attention, which sees the whole, hardly moves."""
    torch.manual_seed(0)
    whole = Aggregation({4: CHANNELS[4]}, WIDTH, LENGTH).eval()
    given = torch.nn.functional.avg_pool2d(torch.randn(1, CHANNELS[4], 50, 50), 3, 1)
    first, moved = (whole.head(whole({4: seen})) for seen in (given, given.roll((0, 1), (2, 3))))
    inner = slice(16, -16)
    by_one = (moved[..., inner, 17:-15] - first[..., inner, 16:-16]).abs().max()
    by_none = (moved[..., inner, inner] - first[..., inner, inner]).abs().max()
    assert by_one < 0.02 * by_none


@torch.no_grad()
def test_the_head_sees_the_surroundings_and_no_more() -> None:
    head = DescriptorHead(WIDTH, LENGTH).eval()
    x = torch.randn(1, WIDTH, 41, 41)
    spot = x.clone()
    spot[..., 20, 20] += 5
    change = (head(spot) - head(x)).abs().amax(1)[0]
    reach = 1 + 2 + 4 + 3  # gaps of the blocks, and their second convolutions
    assert change[20, 20 - reach :].max() > 0
    assert change[:, : 20 - reach].max() == change[:, 21 + reach :].max() == 0
    assert change[20, 20 - 6] > 0


@torch.no_grad()
def test_ablations_leave_attention_out() -> None:
    plain = Aggregation({4: CHANNELS[4]}, WIDTH, LENGTH, plain=True).eval()
    assert torch.equal(plain(features(scales=(4,))), plain.scales(features(scales=(4,))))
