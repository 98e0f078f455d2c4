from __future__ import annotations

import numpy as np
import pytest
from sarto.core.contract import CHECK, GCP, GcpTable, Grid, InputError, OptionError
from sarto.core.geometry import fit, loo_rmse, refit, summary

from .points import scattered


def table(count: int = 20) -> GcpTable:
    reference, moving = scattered(0, count=count)
    grid = Grid.of_pixels(1000, 1000)
    role = np.where(np.arange(count) % 4 == 3, CHECK, GCP)
    nan = np.full((count, 2), np.nan)
    ones, enabled = np.ones(count), np.ones(count, dtype=bool)
    return GcpTable(grid, grid, reference, moving, ones, ones * 0, nan, enabled, role)


def test_only_enabled_gcps_are_fitted_but_all_rows_get_residuals():
    full = table()
    full.moving_px[0] += 100
    full.enabled[0] = False
    full.moving_px[3] += 50
    transform, refitted = refit(full, "affine")
    used = full.used(GCP)
    expected = fit("affine", full.reference_px[used], full.moving_px[used])
    np.testing.assert_array_equal(transform.matrix, expected.matrix)
    assert np.isfinite(refitted.residual_px).all()
    assert refitted.residual_length_px[0] > 100
    assert refitted.residual_length_px[3] > 50
    assert refitted.residual_length_px[used].max() < 3
    assert np.isnan(full.residual_px).all()


def test_too_few_enabled_and_auto_are_refused():
    few = table()
    few.enabled[2:] = False
    with pytest.raises(InputError, match="at least 3 GCPs; there are 2"):
        refit(few, "affine")
    with pytest.raises(OptionError, match="definite"):
        refit(few, "auto")


def test_leave_one_out_error_of_a_table():
    full = table()
    _, refitted = refit(full, "affine")
    assert loo_rmse(full, "affine") > summary(refitted.residual_px, full.used(GCP)).rmse
    full.enabled[np.flatnonzero(full.used(GCP))[3:]] = False
    assert np.isnan(loo_rmse(full, "affine"))


def test_summary():
    found = summary(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert found.count == 2
    assert found.rmse == pytest.approx(np.sqrt(12.5))
    assert (found.median, found.largest) == (2.5, 5.0)
    assert found.ce90 == pytest.approx(4.5)
    assert np.isnan(summary(np.zeros((0, 2))).rmse)
