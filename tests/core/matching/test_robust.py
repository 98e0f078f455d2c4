"""Robust rejection against planted outliers."""

from __future__ import annotations

import numpy as np
import pytest
from sarto.core.geometry import affine
from sarto.core.matching.robust import consensus, fit_pose


def points(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1000, (count, 2))


@pytest.mark.parametrize("model", ["shift", "affine", "homography", "auto", "tps"])
def test_keeps_inliers_and_drops_outliers(model: str) -> None:
    rng = np.random.default_rng(1)
    reference = points(200)
    truth = affine.similarity(3.0, 1.02, (500, 500), (520, 490))
    moving = affine.apply(truth, reference) + rng.normal(0, 0.5, (200, 2))
    moving[:70] += rng.uniform(20, 200, (70, 2))
    kept = consensus(reference, moving, model, 3.0, seed=0)
    assert kept[:70].sum() <= 2
    assert kept[70:].mean() > 0.95


def test_a_smooth_distortion_survives_in_auto() -> None:
    reference = points(300, 2)
    bend = np.stack([8 * np.sin(reference[:, 1] / 250), 7 * np.cos(reference[:, 0] / 250)], axis=1)
    kept = consensus(reference, reference + bend, "auto", 3.0, seed=0)
    assert kept.mean() > 0.9


def test_noise_has_no_consensus() -> None:
    kept = consensus(points(100, 3), points(100, 4), "auto", 3.0, seed=0)
    assert kept.sum() < 10


def test_the_same_seed_gives_the_same_points() -> None:
    reference, moving = points(60, 5), points(60, 5) + np.random.default_rng(6).normal(0, 3, (60, 2))
    first = consensus(reference, moving, "affine", 2.0, seed=4)
    assert np.array_equal(first, consensus(reference, moving, "affine", 2.0, seed=4))


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_points_agree_on_nothing(count: int) -> None:
    assert not consensus(points(count), points(count), "affine", 3.0, seed=0).any()


def test_points_on_a_line_do_not_crash() -> None:
    line = np.stack([np.arange(30.0), 2 * np.arange(30.0)], axis=1)
    assert consensus(line, line + 1, "homography", 1.0, seed=0).dtype == np.bool_


@pytest.mark.parametrize("count", [6, 40])
def test_fit_recovers_a_similarity(count: int) -> None:
    truth = affine.similarity(20.0, 0.8, (10, 20), (400, 300))
    reference = points(count, 7)
    assert np.allclose(fit_pose(reference, affine.apply(truth, reference)), truth, atol=1e-6)
