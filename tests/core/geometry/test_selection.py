"""'auto' takes the right model, simulated over seeds."""

from __future__ import annotations

import numpy as np
import pytest
from sarto.core.geometry import choose_model, fit, split_check_points
from sarto.core.geometry.selection import _as_rare

SIDE = 1000.0


def simulated(kind: str, seed: int, count: int):
    """GCPs under a true model of `kind`, with 0.8 px of noise."""
    rng = np.random.default_rng(seed)
    reference = rng.uniform(0, SIDE, (count, 2))
    u = reference / (SIDE / 2) - 1
    angle, scale = np.deg2rad(rng.uniform(-1.5, 1.5)), rng.uniform(0.985, 1.015)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moving = reference if kind == "shift" else u @ turn.T * SIDE / 2
    moving = moving + rng.uniform(-30, 30, 2)
    if kind == "affine":
        moving = moving + u @ [[0, 2], [4, 0]]
    if kind == "poly2":
        moving = moving + 3 * np.stack([u[:, 0] ** 2 + 0.5 * u[:, 0] * u[:, 1], -(u[:, 1] ** 2)], axis=1)
    if kind == "tps":
        waves = [np.sin(6 * u[:, 0] + 1) * np.cos(4 * u[:, 1]), np.cos(5 * u[:, 0] + 5 * u[:, 1])]
        moving = moving + 3 * np.stack(waves, axis=1)
    return reference, moving + rng.normal(0, 0.8, (count, 2))


def chosen(kind: str, seed: int, count: int) -> str:
    reference, moving = simulated(kind, seed, count)
    return choose_model(reference, moving, split_check_points(reference, 0.25, seed)).model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "count"), [("similarity", 40), ("similarity", 120), ("affine", 40), ("affine", 120)]
)
def test_true_simple_model_is_chosen(kind, count):
    assert sum(chosen(kind, seed, count) == kind for seed in range(60)) >= 57


@pytest.mark.slow
def test_of_a_shift_a_similarity_is_made_that_hardly_differs():
    for seed in range(20):
        reference, moving = simulated("shift", seed, 40)
        choice = choose_model(reference, moving)
        assert choice.model == "similarity"
        corners = np.array([[0, 0], [SIDE, 0], [0, SIDE], [SIDE, SIDE]])
        truth = np.mean(moving - reference, axis=0)
        assert np.abs(fit("similarity", reference, moving).apply(corners) - corners - truth).max() < 1.5


def test_errors_that_neighbours_share_do_not_bend_the_transform():
    """Windows of 200 px that overlap: the noise is smooth, so that it looks like shear, or like more."""
    shear = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x, y = np.meshgrid(np.arange(0, SIDE, 50.0), np.arange(0, SIDE, 50.0))
        reference = np.column_stack([x.ravel(), y.ravel()])
        away = np.linalg.norm(reference[:, None] - reference[None], axis=2)
        smooth = np.exp(-((away / 150) ** 2)) @ rng.normal(0, 0.5, (len(reference), 2))
        shear += choose_model(reference, reference + smooth, reach=200.0).model != "similarity"
    assert shear <= 2


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count", "seeds"), [("poly2", 120, 10), ("tps", 400, 5)])
def test_true_distortion_is_found(kind, count, seeds):
    assert sum(chosen(kind, seed, count) == kind for seed in range(seeds)) >= 0.8 * seeds


def test_table_of_scores():
    reference, moving = simulated("affine", 0, 60)
    choice = choose_model(reference, moving, split_check_points(reference, 0.25))
    remarks = {s.model: s.remark for s in choice.scores}
    assert choice.model == "affine"
    assert remarks["similarity"] == "too coarse"
    assert remarks["affine"] == "taken"
    assert remarks["poly2"] == "no clear gain"
    scores = {s.model: s for s in choice.scores}
    assert scores["similarity"].rmse_cv > scores["affine"].rmse_cv
    assert 0.5 < scores["affine"].rmse_check < 2


def test_one_wrong_point_does_not_decide():
    reference, moving = simulated("similarity", 3, 80)
    moving[10] += [60.0, -40.0]
    assert choose_model(reference, moving).model in ("similarity", "affine")


def test_few_points_get_simple_models():
    reference, moving = simulated("affine", 0, 12)
    assert choose_model(reference[:2], moving[:2]).model == "shift"
    assert choose_model(reference[:0], moving[:0]).model == "shift"
    few = choose_model(reference[:8], moving[:8])
    assert few.model in ("shift", "similarity")
    assert {s.model for s in few.scores if s.remark == "too few GCPs"} >= {"affine", "poly2", "tps"}


@pytest.mark.parametrize(("count", "student"), [(5, 2.869), (9, 2.366), (36, 2.074), (10_000, 2.0)])
def test_few_blocks_need_a_larger_difference(count, student):
    """Student's t exceeded with 2.275 %, as two standard deviations are; from tables."""
    assert _as_rare(2.0, count) == pytest.approx(student, rel=0.01)


def test_collinear_points_fall_back():
    x = np.linspace(0, 900, 40)
    reference = np.column_stack([x, x])
    moving = reference @ [[0.999, 0.02], [-0.02, 0.999]] + 5
    assert choose_model(reference, moving).model == "similarity"


def test_a_small_rotated_image_is_not_forced_into_a_shift():
    """All points share pixels, yet a rotation is plain to see."""
    axis = np.arange(8.0, 128, 16)
    reference = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    c, s = np.cos(0.4), np.sin(0.4)
    moving = reference @ np.array([[c, s], [-s, c]]) + 5
    assert choose_model(reference, moving, reach=65).model == "similarity"


def test_a_bend_within_shared_pixels_is_not_believed():
    axis = np.arange(8.0, 128, 8)
    reference = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    moving = reference + np.stack([np.sin(reference[:, 1] / 15), np.cos(reference[:, 0] / 15)], axis=1)
    assert choose_model(reference, moving).model not in ("shift", "similarity", "affine")
    assert choose_model(reference, moving, reach=65).model in ("shift", "similarity", "affine")
