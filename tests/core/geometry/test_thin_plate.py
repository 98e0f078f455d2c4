"""Smoothing and duplicates of the thin-plate spline."""

from __future__ import annotations

import numpy as np
from sarto.core.geometry import fit, leave_one_out

from .points import scattered


def test_without_smoothing_it_passes_through_every_gcp():
    reference, moving = scattered(0, noise=3)
    assert np.abs(fit("tps", reference, moving, smoothing=0).residuals(reference, moving)).max() < 1e-8


def test_contradicting_duplicates_are_averaged():
    reference, moving = scattered(0)
    doubled = np.vstack([reference, reference[5]]), np.vstack([moving, moving[5] + [8.0, -4.0]])
    transform = fit("tps", *doubled, smoothing=0)
    np.testing.assert_allclose(transform.apply(reference[5]), moving[5] + [4.0, -2.0], atol=1e-6)


def test_strong_smoothing_tends_to_affine():
    reference, moving = scattered(1, noise=3)
    spline = fit("tps", reference, moving, smoothing=1e9).apply(reference)
    np.testing.assert_allclose(spline, fit("affine", reference, moving).apply(reference), atol=1e-4)


def test_unit_of_the_image_does_not_matter():
    reference, moving = scattered(2, noise=2)
    large = fit("tps", reference * 50, moving * 50).apply(reference * 50) / 50
    np.testing.assert_allclose(large, fit("tps", reference, moving).apply(reference), atol=1e-8)


def truth(places):
    """A smooth distortion of several pixels over a scene of 1000 px."""
    return places + 4 * np.sin(places[:, ::-1] / 160 + 0.7)


def test_default_smoothing_is_near_the_best():
    yy, xx = np.mgrid[0:1000:40.0, 0:1000:40.0]
    places = np.column_stack([xx.ravel(), yy.ravel()])
    errors = {smoothing: [] for smoothing in (0.0, 0.01, 0.1, 1.0, 10.0, 100.0)}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        reference = rng.uniform(0, 1000, (150, 2))
        moving = truth(reference) + rng.normal(0, 0.8, (150, 2))
        for smoothing, found in errors.items():
            residual = fit("tps", reference, moving, smoothing=smoothing).residuals(places, truth(places))
            found.append((residual**2).sum(axis=1).mean())
    rmse = {smoothing: np.sqrt(np.mean(found)) for smoothing, found in errors.items()}
    assert rmse[1.0] < 1.25 * min(rmse.values())
    assert rmse[1.0] < 0.7 * rmse[0.0]


def test_leave_one_out_tells_the_true_error():
    """At its own GCPs a spline looks perfect; leave-one-out shows noise plus prediction error."""
    rng = np.random.default_rng(0)
    reference = rng.uniform(0, 1000, (200, 2))
    moving = truth(reference) + rng.normal(0, 1, (200, 2))
    loo = leave_one_out("tps", reference, moving)
    assert 1.35 < np.sqrt((loo**2).sum(axis=1).mean()) < 2.0
