"""Closed-form residuals of points left out, alone or in groups, against refitting without them."""

from __future__ import annotations

import numpy as np
import pytest
from sarto.core.geometry import fit, leave_one_out, spatial_blocks
from sarto.core.geometry.fitting import leave_out

from .points import scattered


def brute_force(model, reference, moving, weights, **options):
    rows = []
    for i in range(len(reference)):
        rest = np.arange(len(reference)) != i
        transform = fit(model, reference[rest], moving[rest], weights[rest], **options)
        rows.append(transform.residuals(reference[i], moving[i]))
    return np.array(rows)


@pytest.mark.parametrize("model", ["shift", "similarity", "affine", "poly1", "poly2", "poly3"])
@pytest.mark.parametrize("seed", range(3))
def test_linear_models_are_exact(model, seed):
    reference, moving = scattered(seed, count=25)
    weights = np.random.default_rng(seed).uniform(0.3, 2, 25)
    expected = brute_force(model, reference, moving, weights)
    np.testing.assert_allclose(leave_one_out(model, reference, moving, weights), expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_homography_is_first_order(seed):
    reference, moving = scattered(seed, count=25)
    expected = brute_force("homography", reference, moving, np.ones(25))
    found = leave_one_out("homography", reference, moving)
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


def framed(seed, count=30):
    """GCPs with four corners that fix the frame, so that leaving one out does not change the smoothing."""
    reference, moving = scattered(seed, count=count)
    corners = np.array([[-10.0, -10], [1010, -10], [1010, 1010], [-10, 1010]])
    return np.vstack([reference, corners]), np.vstack([moving, corners])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0, 10.0])
def test_spline_is_exact(smoothing):
    reference, moving = framed(4)
    expected = brute_force("tps", reference, moving, np.ones(34), smoothing=smoothing)[:30]
    found = leave_one_out("tps", reference, moving, smoothing=smoothing)[:30]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_spline_is_exact_for_contradicting_duplicates(smoothing):
    reference, moving = framed(4)
    reference = np.vstack([reference, reference[[2, 2, 9]]])
    moving = np.vstack([moving, moving[[2, 2, 9]] + [[3, 0], [0, 5], [-4, 2]]])
    expected = brute_force("tps", reference, moving, np.ones(37), smoothing=smoothing)
    found = leave_one_out("tps", reference, moving, smoothing=smoothing)
    keep = np.r_[:30, 34:37]
    np.testing.assert_allclose(found[keep], expected[keep], atol=1e-6)


def test_indispensable_points_are_nan():
    reference, moving = scattered(0, count=3)
    assert np.isnan(leave_one_out("affine", reference, moving)).all()
    assert np.isnan(leave_one_out("tps", reference, moving)).all()
    assert np.isnan(leave_one_out("homography", *scattered(0, count=4))).all()
    assert np.isnan(leave_one_out("shift", [[0, 0]], [[1, 1]])).all()


def without_groups(model, reference, moving, groups, **options):
    expected = np.empty_like(reference)
    for group in np.unique(groups):
        out = groups == group
        transform = fit(model, reference[~out], moving[~out], **options)
        expected[out] = transform.residuals(reference[out], moving[out])
    return expected


@pytest.mark.parametrize("model", ["shift", "similarity", "affine", "poly2", "poly3"])
def test_linear_models_are_exact_for_groups(model):
    reference, moving = scattered(1, count=60)
    groups = spatial_blocks(reference, 12)
    expected = without_groups(model, reference, moving, groups)
    np.testing.assert_allclose(leave_out(model, reference, moving, groups), expected, atol=1e-6)


def test_homography_is_first_order_for_groups():
    reference, moving = scattered(2, count=60)
    groups = spatial_blocks(reference, 12)
    expected = without_groups("homography", reference, moving, groups)
    found = leave_out("homography", reference, moving, groups)
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_spline_is_exact_for_groups(smoothing):
    reference, moving = framed(4)
    groups = np.r_[spatial_blocks(reference[:30], 6), 6, 7, 8, 9]  # the corners by themselves: the frame stays
    weights = {"smoothing": smoothing}
    found = leave_out("tps", reference, moving, groups, **weights)[:30]
    # λ is counted in mean weights, so that fewer GCPs leave it as it is
    expected = without_groups("tps", reference, moving, groups, **weights)[:30]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_group_without_which_nothing_is_determined_is_nan():
    line = np.column_stack([np.arange(8.0), np.zeros(8)])
    reference = np.vstack([line, line + np.array([0, 5.0])])
    groups = np.repeat([0, 1], 8)
    for model in ("affine", "tps", "homography"):
        assert np.isnan(leave_out(model, reference, reference + 1.0, groups)).all()
    np.testing.assert_allclose(leave_out("similarity", reference, reference + 1.0, groups), 0, atol=1e-9)
