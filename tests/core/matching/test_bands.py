"""Bands: what one of them hides, another shows; the same band several times is no more than the band."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sarto.core.contract import RANGES, MatchOptions, Pixels
from sarto.core.geometry import affine
from sarto.core.matching import MatchTask, create, imaging
from sarto.core.matching.structural.maps import structure_maps

from .conftest import Pair, as_optical, landscape, make_pair


def hidden_in_grey(pair: Pair, seed: int) -> tuple[Pixels, Pixels]:
    """Two bands whose mean shows other fields than the SAR image: (grey, bands)."""
    other = as_optical(landscape(pair.optical.shape[0], seed + 50), seed)
    faint, grey = (128 + 0.35 * (image.astype(np.float32) - 135) for image in (pair.optical, other))
    bands = np.rint(np.stack([faint, 2 * grey - faint])).astype(np.uint8)
    return bands.mean(axis=0).astype(np.uint8), bands


@pytest.mark.parametrize("method", ["structural", "tar"])
def test_a_band_shows_what_the_mean_hides(method: str) -> None:
    """Where the mean of the bands misleads, only their own edges tell the place."""
    pair = make_pair(192, degrees=1.0, shift=(8.0, -5.0), seed=7)
    grey, bands = hidden_in_grey(pair, 7)
    errors = {}
    for name, seen in (("grey", None), ("bands", bands)):
        task = MatchTask(grey, pair.sar, RANGES["georef"], MatchOptions(method=method), bands=seen)
        errors[name] = affine.grid_distance(create(method).match(task).pose, pair.truth, grey.shape)
    assert errors["bands"] < 1.5
    assert errors["grey"] > 3


def test_what_a_task_shows() -> None:
    pair = make_pair(64)
    task = MatchTask(pair.optical, pair.sar, RANGES["georef"])
    assert task.seen is task.reference
    bands = np.stack([pair.optical] * 2)
    assert MatchTask(pair.optical, pair.sar, RANGES["georef"], bands=bands).seen is bands


def test_maps_of_equal_bands_are_those_of_one() -> None:
    values = torch.from_numpy(as_optical(landscape(64)).astype(np.float32))[None, None]
    valid = torch.ones(1, 1, 64, 64)
    valid[..., :9] = 0
    (single, mask), (several, same) = (structure_maps(v, valid) for v in (values, values.expand(-1, 3, -1, -1)))
    torch.testing.assert_close(single, several, atol=1e-5, rtol=1e-5)
    assert torch.equal(mask, same)


def test_maps_do_not_depend_on_the_order_or_the_contrast_of_bands() -> None:
    bands = [as_optical(landscape(64, seed)).astype(np.float32) for seed in range(3)]
    valid = torch.ones(1, 1, 64, 64)
    first, _ = structure_maps(torch.from_numpy(np.stack(bands))[None], valid)
    changed = [bands[2] * 0.2 + 30, bands[0], 255 - bands[1]]
    second, _ = structure_maps(torch.from_numpy(np.stack(changed))[None], valid)
    torch.testing.assert_close(first, second, atol=2e-3, rtol=1e-3)


def test_maps_show_the_edges_of_every_band() -> None:
    left, right = np.zeros((2, 40, 40), np.float32)
    left[:, :12], right[:, 28:] = 100, 100
    noise = np.random.default_rng(0).normal(0, 1, (2, 40, 40)).astype(np.float32)
    maps, _ = structure_maps(torch.from_numpy(np.stack([left, right]) + noise)[None], torch.ones(1, 1, 40, 40))
    across = maps[0, 0].mean(0).numpy()
    assert set(np.argsort(across)[-4:]) == {11, 12, 27, 28}


@pytest.mark.parametrize("factor", [1.0, 2.0, 2.6])
def test_pieces_of_bands_are_pieces_of_each(factor: float) -> None:
    bands = np.stack([as_optical(landscape(90, seed)) for seed in range(3)])
    bands[:, :20] = 0
    lattice = np.array([[0.9 * factor, 0.1, 3.0], [-0.1, 0.9 * factor, 5.0]])
    whole = (imaging.reduce(bands, factor), [imaging.reduce(band, factor) for band in bands])
    piece = (imaging.patch(bands, lattice, (24, 31)), [imaging.patch(band, lattice, (24, 31)) for band in bands])
    for together, alone in (whole, piece):
        assert together.shape == alone[0].shape
        assert together.factor == alone[0].factor
        np.testing.assert_array_equal(together.values, [one.values for one in alone])
        np.testing.assert_array_equal(together.valid, alone[0].valid)
        values, valid = imaging.to_tensor([together] * 2, torch.device("cpu"))
        assert values.shape == (2, 3, *together.shape)
        assert valid.shape == (2, 1, *together.shape)


def test_beyond_the_image_nothing_is_valid() -> None:
    bands = np.stack([as_optical(landscape(60))] * 2)
    layer = imaging.patch(bands, np.array([[1.0, 0, 500], [0, 1.0, 500]]), (16, 16))
    assert layer.shape == (16, 16)
    assert layer.valid.max() == 0
