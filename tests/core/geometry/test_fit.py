"""Properties of the fitted transforms that hold for any points."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sarto.core.contract import InputError, OptionError, TransformRecord, from_dict, to_dict
from sarto.core.geometry import fit, from_record, leave_one_out, minimum_points

from .points import scattered

ALL = ("shift", "similarity", "affine", "homography", "poly1", "poly2", "poly3", "tps")
LINEAR = ("shift", "similarity", "affine", "homography", "poly1")
CURVED = ("poly2", "poly3", "tps")

seeds = st.integers(0, 10_000)
offsets = st.sampled_from([0.0, -3000.0, 1e7])


def sum_of_squares(transform, reference, moving):
    return float((transform.residuals(reference, moving) ** 2).sum())


@pytest.mark.parametrize("model", ALL)
@given(seed=seeds, offset=offsets)
@settings(max_examples=15, deadline=None)
def test_invert_undoes_apply(model, seed, offset):
    reference, moving = scattered(seed, offset=offset)
    transform = fit(model, reference, moving)
    np.testing.assert_allclose(transform.invert(transform.apply(reference)), reference, rtol=0, atol=1e-5)


@pytest.mark.parametrize("model", ALL)
@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_order_of_points_does_not_matter(model, seed):
    reference, moving = scattered(seed)
    order = np.random.default_rng(seed).permutation(len(reference))
    one, two = fit(model, reference, moving), fit(model, reference[order], moving[order])
    np.testing.assert_allclose(one.apply(reference), two.apply(reference), atol=1e-6)


@pytest.mark.parametrize("model", ALL)
@given(seed=seeds, shift=st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)))
@settings(max_examples=10, deadline=None)
def test_translation_of_either_image_carries_over(model, seed, shift):
    reference, moving = scattered(seed)
    plain = fit(model, reference, moving).apply(reference)
    np.testing.assert_allclose(fit(model, reference + shift, moving).apply(reference + shift), plain, atol=1e-5)
    np.testing.assert_allclose(fit(model, reference, moving + shift).apply(reference), plain + shift, atol=1e-5)


@pytest.mark.parametrize("model", ["affine", "homography", "poly1", "poly2", "poly3", "tps"])
@given(seed=seeds, offset=offsets)
@settings(max_examples=15, deadline=None)
def test_affine_distortion_is_reproduced(model, seed, offset):
    reference, moving = scattered(seed, noise=0, offset=offset)
    assert np.abs(fit(model, reference, moving).residuals(reference, moving)).max() < 1e-5


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_similarity_cannot_shear_and_shift_cannot_turn(seed):
    reference, moving = scattered(seed)
    linear = fit("similarity", reference, moving).matrix[:2, :2]
    scale = np.sqrt(np.linalg.det(linear))
    np.testing.assert_allclose(linear.T @ linear, scale**2 * np.eye(2), atol=1e-12)
    np.testing.assert_array_equal(fit("shift", reference, moving).matrix[:2, :2], np.eye(2))


@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_richer_models_fit_at_least_as_well(seed):
    reference, moving = scattered(seed)
    for simple, rich in (("shift", "similarity"), ("similarity", "affine"), ("affine", "homography")):
        better = sum_of_squares(fit(rich, reference, moving), reference, moving)
        assert better <= sum_of_squares(fit(simple, reference, moving), reference, moving) * (1 + 1e-9)


@pytest.mark.parametrize("model", ALL)
@given(seed=seeds)
@settings(max_examples=8, deadline=None)
def test_weight_two_equals_the_point_twice(model, seed):
    reference, moving = scattered(seed)
    weights = np.ones(len(reference))
    weights[3] = 2.0
    twice = fit(model, np.vstack([reference, reference[3]]), np.vstack([moving, moving[3]]), smoothing=0)
    np.testing.assert_allclose(
        fit(model, reference, moving, weights, smoothing=0).apply(reference), twice.apply(reference), atol=1e-5
    )


@pytest.mark.parametrize("model", ALL)
def test_weight_zero_removes_a_point(model):
    reference, moving = scattered(1)
    spoiled, weights = moving.copy(), np.ones(len(moving))
    spoiled[7] += 500
    weights[7] = 0
    without = fit(model, np.delete(reference, 7, 0), np.delete(moving, 7, 0))
    np.testing.assert_allclose(fit(model, reference, spoiled, weights).apply(reference), without.apply(reference))
    loo = leave_one_out(model, reference, spoiled, weights)
    np.testing.assert_allclose(loo[7], without.apply(reference[7]) - spoiled[7])


def test_homography_recovers_perspective():
    matrix = np.array([[1.02, 0.03, 12.0], [-0.02, 0.97, -8.0], [2e-5, -3e-5, 1.0]])
    reference, _ = scattered(0)
    image = np.column_stack([reference, np.ones(len(reference))]) @ matrix.T
    transform = fit("homography", reference, image[:, :2] / image[:, 2:])
    np.testing.assert_allclose(transform.matrix, matrix, rtol=1e-6, atol=1e-9)


def test_homography_says_nan_beyond_its_horizon():
    reference, _ = scattered(0)
    image = reference / (1 + 1e-3 * reference[:, :1])
    transform = fit("homography", reference, image)
    assert np.isnan(transform.apply([[-1500.0, 0.0]])).all()
    with pytest.raises(InputError, match="no unique inverse"):
        transform.invert([[1500.0, 0.0]])


@pytest.mark.parametrize("model", CURVED)
def test_jacobian_is_the_derivative(model):
    reference, moving = scattered(3)
    moving[:, 0] += 5 * np.sin(reference[:, 1] / 200)
    transform = fit(model, reference, moving)
    step = 1e-3
    for axis in range(2):
        shift = step * np.eye(2)[axis]
        slope = (transform.apply(reference + shift) - transform.apply(reference - shift)) / (2 * step)
        np.testing.assert_allclose(transform.jacobian(reference)[..., axis], slope, atol=1e-5)


def test_jacobian_of_a_homography_is_the_derivative():
    reference, _ = scattered(3)
    transform = fit("homography", reference, reference / (1 + 1e-4 * reference[:, :1]))
    step = np.array([1e-3, 0.0])
    slope = (transform.apply(reference + step) - transform.apply(reference - step)) / 2e-3
    np.testing.assert_allclose(transform.jacobian(reference)[..., 0], slope, atol=1e-6)


@pytest.mark.parametrize("model", CURVED)
def test_inverse_of_a_real_distortion(model):
    reference, moving = scattered(5, count=200)
    moving += 8 * np.sin(reference[:, ::-1] / 150)
    transform = fit(model, reference, moving)
    yy, xx = np.mgrid[0:1000:50.0, 0:1000:50.0]
    places = np.stack([xx, yy], axis=-1)
    np.testing.assert_allclose(transform.invert(transform.apply(places)), places, atol=1e-5)
    assert np.isnan(transform.invert([[np.nan, 3.0]])).all()


def test_inverse_beyond_a_fold_is_refused():
    x = np.linspace(-1, 1, 9)
    reference = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2) * 500
    moving = reference.copy()
    moving[:, 0] += reference[:, 0] ** 2 / 800  # folds at x = -400, where the image reaches x = -200
    transform = fit("poly2", reference, moving)
    np.testing.assert_allclose(transform.invert([[100.0, 40.0]])[0, 1], 40, atol=1e-6)
    with pytest.raises(InputError, match="no unique inverse"):
        transform.invert([[-300.0, 0.0]])


@pytest.mark.parametrize("model", ALL)
def test_record_survives_json(model):
    reference, moving = scattered(2)
    transform = fit(model, reference, moving)
    record = from_dict(TransformRecord, json.loads(json.dumps(to_dict(transform.to_record()))))
    np.testing.assert_array_equal(from_record(record).apply(reference), transform.apply(reference))


def test_broken_records_are_refused():
    with pytest.raises(InputError, match="do not fit"):
        from_record(TransformRecord("affine", {}))
    with pytest.raises(OptionError, match="wobble"):
        from_record(TransformRecord("wobble", {"matrix": np.eye(3).tolist()}))


@pytest.mark.parametrize("model", ALL)
def test_fewest_points_suffice_and_fewer_are_refused(model):
    need = minimum_points(model)
    reference, moving = scattered(11, count=need)
    assert np.abs(fit(model, reference, moving, smoothing=0).apply(reference)).max() < 1e4
    with pytest.raises(InputError, match=f"at least {need}"):
        fit(model, reference[:-1], moving[:-1])


@pytest.mark.parametrize("model", [m for m in ALL if m != "shift"])
@pytest.mark.parametrize("offset", [0.0, 1e7])
def test_degenerate_points_are_refused(model, offset):
    same = np.full((30, 2), 5.0) + offset
    with pytest.raises(InputError):
        fit(model, same, same)
    if model == "similarity":
        return
    x = np.linspace(0, 1000, 30)
    line = np.column_stack([x, 2 * x + 3]) + offset
    with pytest.raises(InputError, match=r"line|collapses"):
        fit(model, line, line)


def test_collapsed_image_is_refused():
    reference, _ = scattered(0)
    with pytest.raises(InputError, match="collapses"):
        fit("affine", reference, np.column_stack([reference[:, 0], reference[:, 0]]))


def test_bad_arrays_are_refused():
    with pytest.raises(InputError, match="shape"):
        fit("affine", np.zeros((3, 3)), np.zeros((3, 3)))
    with pytest.raises(InputError, match="not numbers"):
        fit("shift", [[0, np.nan]], [[0, 0]])
    with pytest.raises(InputError, match="reference but"):
        fit("shift", [[0, 0]], [[0, 0], [1, 1]])
    with pytest.raises(InputError, match="weights"):
        fit("shift", [[0, 0]], [[0, 0]], weights=[-1])
    with pytest.raises(OptionError, match="Smoothing"):
        fit("tps", *scattered(0), smoothing=-1)
    with pytest.raises(InputError, match="cannot be written as a matrix"):
        _ = fit("poly2", *scattered(0)).matrix


@pytest.mark.parametrize("model", [m for m in ALL if m != "tps"])
def test_two_thousand_gcps_refit_live(model):
    reference, moving = scattered(0, count=2000, side=8000)
    best = np.inf
    for _ in range(5):
        start = time.perf_counter()
        fit(model, reference, moving).residuals(reference, moving)
        best = min(best, time.perf_counter() - start)
    assert best < 0.05
