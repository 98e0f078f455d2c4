"""The dense correlation volume, and the affine that places vote for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sarto.core.contract import Cancelled, Reporter
from sarto.core.matching.correlate import correlate
from sarto.core.matching.passes.refine import correlation_volume, refine
from sarto.core.matching.passes.vote import Bounds, log_support, vote


def _maps(rows: int, columns: int, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    values = torch.randn((2, 6, rows, columns), generator=random)
    return torch.nn.functional.avg_pool2d(values, 3, 1, 1)


@pytest.mark.parametrize("columns", [40, 70])
@pytest.mark.parametrize("holes", [(0, 0), (0, 14), (14, 0), (10, 16)])
def test_the_volume_equals_correlation_of_single_windows(columns: int, holes: tuple[int, int]) -> None:
    first, second = _maps(48, columns, 0), _maps(48, columns, 1)
    masks = torch.ones(2, 2, 48, columns)
    for mask, hole in zip(masks, holes):
        mask[:, :, :hole] = 0
    first, second = first * masks[0][:, None], second * masks[1][:, None]
    half, radius, stride = 5, 3, 4
    volume, share = correlation_volume(first, masks[0], second, masks[1], half, radius, stride)
    wide = half + radius
    checked = 0
    for i in range(volume.shape[2]):
        for j in range(volume.shape[3]):
            y, x = stride // 2 + stride * i, stride // 2 + stride * j
            if min(y, x) < wide or y + wide >= 48 or x + wide >= columns:
                continue
            inner = (slice(y - half, y + half + 1), slice(x - half, x + half + 1))
            outer = (slice(y - wide, y + wide + 1), slice(x - wide, x + wide + 1))
            surface, cover = correlate(
                first[:, :, inner[0], inner[1]],
                masks[0][:, inner[0], inner[1]],
                second[:, :, outer[0], outer[1]],
                masks[1][:, outer[0], outer[1]],
            )
            seen = cover.flatten(1) > 0.05
            assert torch.allclose(volume[:, :, i, j][seen], surface.flatten(1)[seen], atol=1e-4)
            assert torch.allclose(share[:, :, i, j], cover.flatten(1), atol=1e-5)
            checked += 1
    assert checked > 8


@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (-3, 3)])
def test_a_shift_is_found_at_every_place(shift: tuple[int, int]) -> None:
    dx, dy = shift
    maps = _maps(80, 80, 2)
    moved = torch.roll(maps, (dy, dx), (2, 3))
    ones = torch.ones(2, 80, 80)
    found = refine(*correlation_volume(maps, ones, moved, ones, 6, 5, 4), torch.tensor(20.0))
    inner = (slice(None), slice(4, -4), slice(4, -4))
    assert found.usable[inner].all()
    expected = torch.tensor([float(dx), float(dy)])
    assert torch.allclose(found.shift[inner], expected.expand_as(found.shift[inner]), atol=0.15)
    assert found.value[inner].min() > 0.99
    assert found.spread[inner].max() < 1.0


def test_unlike_maps_give_wide_spread_and_low_values() -> None:
    ones = torch.ones(2, 80, 80)
    found = refine(
        *correlation_volume(_maps(80, 80, 2), ones, _maps(80, 80, 9), ones, 6, 5, 4), torch.tensor(20.0)
    )
    assert found.spread.median() > 2.0
    assert found.value.median() < 0.5


def _field_logs(places: np.ndarray, field: np.ndarray, side: int, noise: float, seed: int) -> torch.Tensor:
    """Support of places that all know the field, but for a share of them that points anywhere."""
    random = np.random.default_rng(seed)
    shift = places @ field[:, :2].T + field[:, 2]
    wrong = random.random(len(places)) < noise
    shift[wrong] = random.uniform(-side // 2 + 1, side // 2 - 1, (int(wrong.sum()), 2))
    axis = np.arange(side) - side // 2
    away = (axis[None, None, :] - shift[:, :1, None]) ** 2 + (axis[None, :, None] - shift[:, 1:, None]) ** 2
    probability = np.exp(-away / (2 * 0.8**2))
    return log_support(torch.from_numpy(probability / probability.sum((1, 2), keepdims=True)).float())


@pytest.mark.parametrize("offset", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_vote_finds_the_field_without_preferring_whole_cells(offset: float, noise: float) -> None:
    places = np.stack(np.meshgrid(np.arange(0, 192, 8.0), np.arange(0, 192, 8.0)), -1).reshape(-1, 2)
    turn = np.deg2rad(0.6)
    field = np.array([[0.004, -turn, 1.0 + offset], [turn, 0.004, -2.0 + offset]])
    found, gain = vote(places, _field_logs(places, field, 17, noise, 4), False, 0)
    error = places @ (found - field)[:, :2].T + (found - field)[:, 2]
    assert np.sqrt((error**2).sum(1).mean()) < 0.2
    assert gain > 1.0


def test_places_that_know_nothing_give_no_gain() -> None:
    places = np.random.default_rng(0).uniform(0, 192, (400, 2))
    field = np.zeros((2, 3))
    _, informed = vote(places, _field_logs(places, field, 13, 0.0, 1), False, 0)
    _, lost = vote(places, _field_logs(places, field, 13, 1.0, 1), False, 0)
    even = torch.full((400, 13, 13), 1 / 169)
    _, nothing = vote(places, log_support(even), False, 0)
    assert abs(nothing) < 0.15
    assert lost < 0.3 * informed


def test_the_vote_stays_within_its_bounds() -> None:
    """Places of which half lie on a growth beyond the bounds: the best growth within them is found."""
    places = np.stack(np.meshgrid(np.arange(0, 192, 8.0), np.arange(0, 192, 8.0)), -1).reshape(-1, 2)
    field = np.array([[0.05, 0.0, -4.0], [0.0, 0.05, -4.0]])
    logs = _field_logs(places, field, 21, 0.0, 1)
    free, _ = vote(places, logs, False, 0)
    assert free[0, 0] == pytest.approx(0.05, abs=0.005)
    for most in (0.02, 0.0):
        held, _ = vote(places, logs, False, 0, Bounds((-0.01, most), (-0.001, 0.001)))
        growth = (held[0, 0] + held[1, 1]) / 2
        assert growth == pytest.approx(most, abs=0.004)
        assert growth <= most + 1e-9
        assert abs(held[1, 0] - held[0, 1]) / 2 <= 0.001 + 1e-9
    begun, _ = vote(
        places, _field_logs(places, np.zeros((2, 3)), 21, 0.0, 1), False, 0, Bounds((0.01, 0.02), (0, 0))
    )
    assert (begun[0, 0] + begun[1, 1]) / 2 >= 0.01 - 1e-9  # also where standing still is not within them


def test_the_vote_is_repeatable() -> None:
    places = np.random.default_rng(0).uniform(0, 500, (3000, 2))
    logs = _field_logs(places, np.array([[0.001, 0, 0.4], [0, 0.002, -0.3]]), 13, 0.4, 1)
    first, second = vote(places, logs, True, 7), vote(places, logs, True, 7)
    assert np.array_equal(first[0], second[0])
    assert first[1] == second[1]


def test_a_cancel_is_answered_within_the_correlation() -> None:
    """A batch of tiles takes seconds on a busy machine."""
    ones, asked = torch.ones(2, 40, 40), [0]

    def cancelled() -> bool:
        asked[0] += 1
        return asked[0] > 3

    with pytest.raises(Cancelled):
        correlation_volume(
            _maps(40, 40, 0), ones, _maps(40, 40, 3), ones, 6, 5, 4, Reporter(is_cancelled=cancelled)
        )
    assert asked[0] == 4
