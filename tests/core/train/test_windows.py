"""The truth of training windows, and that nothing but the ground gives it away."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from sarto.core.train.augment import holes, vary_optical, vary_sar
from sarto.core.train.batches import Size, coarse_batch, local_batch
from sarto.core.train.windows import LOCAL_SHIFT, NEAR, POSE, cut_window, draw_warp, local_regime

from .conftest import make_chip

SIDE = 96
REGIMES = {"near": NEAR, "pose": POSE, "local": local_regime(SIDE)}


def _look(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    x, y = points.astype(np.float32).T
    return cv2.remap(image, x, y, cv2.INTER_LINEAR).ravel()


@pytest.mark.parametrize("regime", REGIMES)
def test_both_windows_show_the_same_at_true_positions(regime: str) -> None:
    chip = make_chip(1, (200, 230))
    for seed in range(8):
        window = cut_window(chip, SIDE, REGIMES[regime], np.random.default_rng(seed))
        points = np.random.default_rng(seed).uniform(0, SIDE - 1, (500, 2))
        there, shown = window.warp.to_sar(points)
        shown &= np.all((there >= 0) & (there <= SIDE - 1), axis=1)
        assert shown.sum() > 50
        moved = _look(window.sar, there[shown])
        for band in window.optical:
            assert np.corrcoef(_look(band, points[shown]), moved)[0, 1] > 0.99


def test_the_published_offset_is_undone() -> None:
    chip = make_chip(1, (200, 230))
    moved = np.roll(chip.sar, (-3, 5), (0, 1))  # SAR pixel = optical pixel + (5, -3)
    off = replace(chip, sar=moved, offset=(-5.0, 3.0))
    straight, again = (cut_window(c, SIDE, NEAR, np.random.default_rng(4)) for c in (chip, off))
    inside = (slice(20, -20),) * 2
    assert np.abs(straight.sar[inside] - again.sar[inside]).mean() < 1


@pytest.mark.parametrize("regime", REGIMES)
def test_there_and_back(regime: str) -> None:
    for seed in range(10):
        warp = draw_warp(make_chip(0), SIDE, REGIMES[regime], np.random.default_rng(seed))
        points = np.random.default_rng(seed).uniform(0, SIDE - 1, (200, 2))
        there, _ = warp.to_sar(points)
        inside = np.all((there >= 0) & (there <= SIDE - 1), axis=1)
        back, _ = warp.to_optical(there)
        assert np.abs(back - points)[inside].max() < 0.05


def test_the_map_of_pixels_is_the_map_of_points() -> None:
    for seed in range(5):
        warp = draw_warp(make_chip(0), SIDE, POSE, np.random.default_rng(seed))
        y, x = np.mgrid[:SIDE, :SIDE]
        optical, _ = warp.to_optical(np.stack([x.ravel(), y.ravel()], axis=1))
        chip_positions = optical @ warp.optical[:, :2].T + warp.optical[:, 2]
        assert np.abs(warp.sar_map().reshape(-1, 2) - chip_positions).max() < 0.1  # OpenCV interpolates by 1/32


def test_the_same_seed_gives_the_same_window() -> None:
    first, again, other = (cut_window(make_chip(0), SIDE, POSE, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first.sar, again.sar)
    assert np.array_equal(first.warp.sar, again.warp.sar)
    assert not np.array_equal(first.sar, other.sar)


@pytest.mark.parametrize("side", [64, 192])
def test_local_windows_lie_within_the_same_few_pixels_whatever_their_side(side: int) -> None:
    random = np.random.default_rng(0)
    chip, middle = make_chip(0, (256, 256)), np.full((1, 2), (side - 1) / 2)
    off = []
    for _ in range(150):
        warp = draw_warp(chip, side, replace(local_regime(side), elastic=0.0), random)
        off.append((warp.to_sar(middle)[0] - middle)[0])
    furthest = np.abs(off).max(axis=0)
    assert np.all((furthest > 0.9 * LOCAL_SHIFT) & (furthest < 1.1 * LOCAL_SHIFT))
    assert np.all(np.abs(np.mean(off, axis=0)) < 0.1 * LOCAL_SHIFT)


def test_only_local_windows_are_enlarged_twice() -> None:
    """Chip pixels per window pixel."""
    chip, zooms = make_chip(0, (256, 256)), {}
    for name, regime in REGIMES.items():
        random = np.random.default_rng(0)
        warps = [draw_warp(chip, SIDE, regime, random) for _ in range(150)]
        zooms[name] = [float(np.sqrt(abs(np.linalg.det(warp.optical[:, :2])))) for warp in warps]
    assert min(zooms["near"]) == pytest.approx(np.exp(-0.35), rel=0.05)
    assert min(zooms["local"]) == pytest.approx(np.exp(-0.7), rel=0.05)
    assert max(zooms["local"]) == pytest.approx(max(zooms["near"]), rel=0.05)


def test_no_window_has_a_frame() -> None:
    """Where a chip ends the ground goes on, mirrored: no border is darker, smoother or more even than the rest."""
    chips = [make_chip(seed) for seed in range(3)]
    random = np.random.default_rng(0)
    for number in range(60):
        window = cut_window(chips[number % 3], SIDE, POSE, random)
        for image in (*window.optical, window.sar):
            border = np.concatenate(
                [image[:2].ravel(), image[-2:].ravel(), image[:, :2].ravel(), image[:, -2:].ravel()]
            )
            inside = image[8:-8, 8:-8]
            assert border.std() > 0.3 * inside.std()
            assert abs(border.mean() - inside.mean()) < 2.5 * inside.std()
            for line in (image[0], image[-1], image[:, 0], image[:, -1]):
                assert (np.abs(np.diff(line)) < 1e-3).mean() < 0.2


def test_holes_say_nothing_of_the_warp() -> None:
    """Where NoData lies, and how much, is drawn without a look at where the windows lie."""
    chips = [make_chip(seed) for seed in range(3)]
    batch = coarse_batch(chips, None, Size(500, 64), np.random.default_rng(0))
    shift = np.nanmean((batch.forward - _cells(8)).numpy(), axis=1)
    for valid in (batch.optical_valid, batch.sar_valid):
        mask = valid[:, 0].numpy()
        y, x = np.mgrid[-1:1:64j, -1:1:64j]
        features = [mask.mean((1, 2)), (mask * x).mean((1, 2)), (mask * y).mean((1, 2))]
        for feature in features:
            for axis in (0, 1):
                assert abs(np.corrcoef(feature, shift[:, axis])[0, 1]) < 0.15  # chance: 0.045 (1 sigma)
        assert set(np.unique(mask)) == {0.0, 1.0}


def _cells(count: int) -> np.ndarray:
    x, y = np.meshgrid(np.arange(count), np.arange(count))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def test_without_variation_all_is_valid() -> None:
    random, chips, size = np.random.default_rng(0), [make_chip(0)], Size(8, 64)
    for batch in (coarse_batch(chips, None, size, random, False), local_batch(chips, size, random, False)):
        assert batch.optical_valid.min() == batch.sar_valid.min() == 1


def test_most_windows_have_no_hole() -> None:
    random = np.random.default_rng(0)
    masks = [holes(64, random) for _ in range(300)]
    assert 0.05 < np.mean([mask.min() == 0 for mask in masks]) < 0.3
    assert min(mask.mean() for mask in masks) > 0.1


def test_variations_keep_to_grey_values() -> None:
    shown = np.random.default_rng(0).uniform(1, 255, (3, 64, 64)).astype(np.float32)
    for vary, image in ((vary_optical, shown), (vary_sar, shown[0])):
        results = [vary(image, np.random.default_rng(seed)) for seed in range(40)]
        assert all(r.dtype == np.float32 and r.shape == image.shape for r in results)
        assert min(r.min() for r in results) >= 1
        assert max(r.max() for r in results) <= 255
        turned = [np.corrcoef(r.ravel(), image.ravel())[0, 1] < 0 for r in results]
        assert 0 < sum(turned) < 20  # negatives now and then
