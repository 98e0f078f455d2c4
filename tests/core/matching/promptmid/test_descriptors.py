"""Descriptors of places: what the taps read, and where."""

from __future__ import annotations

import pytest
import torch
from sarto.core.matching.promptmid.descriptors import DescriptorWindow, sampled


def maps(count: int = 2, channels: int = 3, rows: int = 20, columns: int = 24) -> torch.Tensor:
    return torch.randn(count, channels, rows, columns, generator=torch.Generator().manual_seed(0))


def test_values_are_read_at_cells_and_between_them() -> None:
    values = maps()
    at = torch.tensor([[[3.0, 7.0], [3.5, 7.0], [3.25, 7.5]], [[0.0, 0.0], [23.0, 19.0], [22.5, 19.0]]])
    found = sampled(values, at)
    assert found.shape == (2, 3, 3)
    one, other = values
    assert torch.allclose(found[0, 0], one[:, 7, 3], atol=1e-5)
    assert torch.allclose(found[0, 1], (one[:, 7, 3] + one[:, 7, 4]) / 2, atol=1e-5)
    upper, lower = (0.75 * one[:, row, 3] + 0.25 * one[:, row, 4] for row in (7, 8))
    assert torch.allclose(found[0, 2], (upper + lower) / 2, atol=1e-5)
    assert torch.allclose(found[1, 0], other[:, 0, 0], atol=1e-5)
    assert torch.allclose(found[1, 2], (other[:, 19, 22] + other[:, 19, 23]) / 2, atol=1e-5)


def test_beyond_the_border_the_border_goes_on() -> None:
    values = maps()
    found = sampled(values, torch.tensor([[[-6.0, 4.0], [40.0, 30.0]]]).expand(2, -1, -1))
    assert torch.allclose(found[:, 0], values[:, :, 4, 0], atol=1e-5)
    assert torch.allclose(found[:, 1], values[:, :, 19, 23], atol=1e-5)


@pytest.mark.parametrize(("taps", "gap"), [(1, 1), (3, 3), (5, 2)])
@torch.no_grad()
def test_a_descriptor_holds_its_surroundings_at_the_taps(taps: int, gap: int) -> None:
    """Row by row of the window; places farther off count less, until training says otherwise."""
    values, window = maps(), DescriptorWindow((taps, gap))
    found = window(values, torch.tensor([[[11.0, 9.0]]]).expand(2, -1, -1))[:, 0]
    reach = taps // 2
    steps = [(dx * gap, dy * gap) for dy in range(-reach, reach + 1) for dx in range(-reach, reach + 1)]
    shares = window.weight.exp()
    assert shares[len(steps) // 2] == shares.max() == 1
    expected = torch.cat([values[:, :, 9 + dy, 11 + dx] * w for (dx, dy), w in zip(steps, shares)], dim=1)
    assert torch.allclose(found, torch.nn.functional.normalize(expected, dim=1), atol=1e-4)
    window.weight.fill_(-20.0)
    window.weight[-1] = 0.0
    corner = window(values, torch.tensor([[[11.0, 9.0]]]).expand(2, -1, -1))[:, 0, -3:]
    assert torch.allclose(
        corner, torch.nn.functional.normalize(values[:, :, 9 + reach * gap, 11 + reach * gap], dim=1), atol=1e-4
    )


def test_descriptors_are_of_unit_length_whatever_the_contrast() -> None:
    window, at = DescriptorWindow((3, 3)), torch.rand(2, 30, 2) * 18
    first, second = (window(factor * maps(), at) for factor in (1.0, 0.2))
    assert torch.allclose(first.norm(dim=2), torch.ones(2, 30), atol=1e-4)
    assert torch.allclose(first, second, atol=1e-4)
    assert torch.isfinite(window(torch.zeros(2, 3, 20, 24), at)).all()


def test_places_move_with_the_maps() -> None:
    window, at = DescriptorWindow((3, 2)), 4 + torch.rand(2, 30, 2) * 8
    values = maps()
    moved = window(values.roll((2, 3), (2, 3)), at + torch.tensor([3.0, 2.0]))
    assert torch.allclose(moved, window(values, at), atol=1e-4)
