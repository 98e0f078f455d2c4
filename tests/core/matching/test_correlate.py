"""Correlation and pyramids: properties."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sarto.core.contract import RANGES
from sarto.core.geometry import affine
from sarto.core.matching.correlate import correlate, find_peaks
from sarto.core.matching.imaging import patch, reduce, to_tensor, warp
from sarto.core.matching.structural.maps import SUPPORT, structure_maps
from sarto.core.matching.structural.pose import pose_grid


def test_agrees_with_the_definition() -> None:
    torch.manual_seed(0)
    template, search = torch.randn(1, 2, 9, 9), torch.randn(1, 2, 13, 13)
    ones_t, ones_s = torch.ones(1, 9, 9), torch.ones(1, 13, 13)
    surface, share = correlate(template, ones_t, search, ones_s)
    for y in range(5):
        for x in range(5):
            part = search[0, :, y : y + 9, x : x + 9]
            expected = (template[0] * part).sum() / (template[0].norm() * part.norm())
            assert surface[0, y, x] == pytest.approx(float(expected), abs=1e-4)
    assert torch.allclose(share, torch.ones_like(share), atol=1e-5)


def test_masked_pixels_do_not_count() -> None:
    torch.manual_seed(1)
    search = torch.randn(1, 1, 40, 40)
    template = search[:, :, 5:35, 5:35].clone()
    mask = torch.ones(1, 30, 30)
    mask[:, :, :12] = 0
    template[:, :, :, :12] = 0
    surface, share = correlate(template, mask, search, torch.ones(1, 40, 40))
    peaks = find_peaks(surface)
    assert surface.max() == pytest.approx(1.0, abs=1e-3)
    assert torch.allclose(peaks.shift, torch.zeros(1, 2), atol=0.1)
    assert share[0, 5, 5] == pytest.approx(18 / 30, abs=1e-4)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (2.3, -1.6), (-3.25, 0.4)])
def test_subpixel_peak(shift: tuple[float, float]) -> None:
    y, x = torch.meshgrid(torch.arange(21.0), torch.arange(21.0), indexing="ij")
    surface = torch.exp(-((x - 10 - shift[0]) ** 2 + (y - 10 - shift[1]) ** 2) / 8)[None]
    peaks = find_peaks(surface)
    assert torch.allclose(peaks.shift, torch.tensor([shift]), atol=0.06)
    assert bool(peaks.inside)


def test_a_peak_on_the_border_is_no_maximum() -> None:
    surface = torch.arange(49.0).reshape(1, 7, 7)
    assert not bool(find_peaks(surface).inside)


@pytest.mark.parametrize("factor", [1.0, 1.5, 2.0, 3.7])
def test_reduced_positions_follow_the_convention(factor: float) -> None:
    """A ramp keeps its values where the convention says that the pixels are."""
    x = np.arange(200, dtype=np.float64)
    ramp = np.broadcast_to(20 + x, (150, 200)).astype(np.uint8)
    layer = reduce(ramp, factor)
    u = np.arange(layer.shape[1])
    expected = 20 + factor * (u + 0.5) - 0.5
    inner = slice(3, -4)
    assert np.allclose(layer.values[20, inner], expected[inner], atol=0.6)


@pytest.mark.parametrize("step", [0.7, 1.0, 3.0])
def test_a_patch_shows_what_its_lattice_says(step: float) -> None:
    x = np.arange(250, dtype=np.float64)
    ramp = np.broadcast_to(1 + x, (250, 250)).astype(np.uint8)
    lattice = np.array([[step, 0.0, 60.25], [0.0, step, 50.0]])
    layer = patch(ramp, lattice, (40, 40))
    expected = 61.25 + step * np.arange(40)
    assert np.allclose(layer.values[20], expected, atol=0.75)
    assert layer.valid.min() == 1


def test_a_patch_outside_the_image_is_invalid() -> None:
    image = np.full((50, 50), 9, np.uint8)
    assert patch(image, np.array([[1.0, 0, 500], [0, 1.0, 500]]), (20, 20)).valid.max() == 0
    half = patch(image, np.array([[1.0, 0, 40], [0, 1.0, 0]]), (20, 20))
    assert half.valid[:, :9].min() == 1
    assert half.valid[:, 11:].max() == 0


def test_warp_follows_the_lattice() -> None:
    x = np.arange(100, dtype=np.float64)
    layer = reduce(np.broadcast_to(1 + 2 * x, (80, 100)).astype(np.uint8), 1.0)
    values, valid = to_tensor([layer], torch.device("cpu"))
    lattices = np.stack(
        [affine.similarity(0, 1.0, (0, 0), (5.5, 3.0)), affine.similarity(0, 0.5, (0, 0), (80, 0))]
    )
    moved, inside = warp(values, valid, lattices, (30, 60))
    assert torch.allclose(moved[0, 0, 10], 1 + 2 * (torch.arange(60.0) + 5.5), atol=1e-3)
    assert inside[0].min() == 1
    assert inside[1, 0, 0, 38] == 1
    assert inside[1, 0, 0, 40] == 0


def test_structure_is_blind_to_polarity_and_gain() -> None:
    torch.manual_seed(2)
    image = torch.rand(1, 1, 64, 64) * 100
    ones = torch.ones_like(image)
    maps, _ = structure_maps(image, ones)
    inverted, _ = structure_maps(255 - 2 * image, ones)
    assert torch.allclose(maps, inverted, atol=1e-3)


def test_structure_sees_no_further_than_its_support() -> None:
    torch.manual_seed(3)
    image = torch.rand(1, 1, 64, 64) * 100
    valid = torch.ones_like(image)
    changed = image.clone()
    changed[..., :20] += 0.01 * torch.rand(64, 20)
    difference = (structure_maps(image, valid)[0] - structure_maps(changed, valid)[0]).abs()[0].amax((0, 1))
    assert difference[20 + SUPPORT + 1 :].max() < 1e-3


@pytest.mark.parametrize("name", sorted(RANGES))
def test_the_pose_grid_spans_its_range(name: str) -> None:
    search, grid = RANGES[name], np.array(pose_grid(RANGES[name], 96))
    assert grid[:, 1].min() == pytest.approx(search.scale_min)
    assert grid[:, 1].max() == pytest.approx(search.scale_max)
    assert np.abs(grid[:, 0]).max() == pytest.approx(search.rotation_deg)
    assert np.diff(np.unique(grid[:, 0])).max() <= 5.0 + 1e-9
