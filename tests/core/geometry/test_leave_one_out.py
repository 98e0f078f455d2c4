"""Closed-form leave-one-out against refitting without each point."""

from __future__ import annotations

import numpy as np
import pytest
from sarto.core.geometry import fit, leave_one_out

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
