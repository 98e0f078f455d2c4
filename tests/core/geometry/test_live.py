"""Refits while points are switched: the same as a fit from scratch, and fast."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sarto.core.contract import CHECK, GCP, MODELS, GcpTable, Grid, InputError
from sarto.core.geometry import LiveFit, refit

GRID = Grid(3000, 3000, (0.0, 10.0, 0.0, 0.0, 0.0, -10.0), "EPSG:32632")


def table_of(count: int, seed: int = 0) -> GcpTable:
    """A bent scene with noise, four corners that stay (they fix the spline's frame), a quarter held back."""
    rng = np.random.default_rng(seed)
    corners = np.array([[0, 0], [3000, 0], [0, 3000], [3000, 3000]], dtype=float)
    reference = np.concatenate([corners, rng.uniform(100, 2900, (count - 4, 2))])
    moving = reference + 3 + 2 * np.sin(reference / 500) + rng.normal(0, 0.7, (count, 2))
    moving[:4] = reference[:4] + 3
    moving[4:] = np.clip(moving[4:], moving[0], moving[3])
    role = np.where((rng.random(count) < 0.25) & (np.arange(count) >= 4), CHECK, GCP)
    flags, nan = np.ones(count, dtype=bool), np.full((count, 2), np.nan)
    return GcpTable(GRID, GRID, reference, moving, np.ones(count), np.ones(count), nan, flags, role)


@pytest.mark.parametrize("model", [m for m in MODELS if m != "auto"])
def test_equals_a_fit_from_scratch(model: str) -> None:
    table = table_of(120)
    live = LiveFit(table, model)
    rng = np.random.default_rng(1)
    for share in (1.0, 0.95, 0.5):
        enabled = rng.random(120) < share
        enabled[:4] = True
        transform, fitted = live.refit(enabled)
        other, expected = refit(table.with_columns(enabled=enabled), model)
        np.testing.assert_allclose(fitted.residual_px, expected.residual_px, atol=1e-6)
        points = np.random.default_rng(2).uniform(-200, 3200, (50, 2))
        np.testing.assert_allclose(transform.apply(points), other.apply(points), atol=1e-6)
        assert (fitted.enabled == enabled).all()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(4, 59), max_size=40))
def test_order_and_history_do_not_matter(switched: list[int]) -> None:
    """Whatever was switched before, the same flags give the same spline."""
    table = table_of(60)
    live, fresh = LiveFit(table, "tps"), LiveFit(table, "tps")
    enabled = np.ones(60, dtype=bool)
    for row in switched:
        enabled[row] = not enabled[row]
        _, last = live.refit(enabled)
    if switched:
        np.testing.assert_allclose(last.residual_px, fresh.refit(enabled)[1].residual_px, atol=1e-9)


def test_interpolating_spline_and_duplicates_take_the_slow_way() -> None:
    table = table_of(40)
    doubled = table.with_columns(
        reference_px=np.where(np.arange(40)[:, None] == 7, table.reference_px[8], table.reference_px)
    )
    _, fitted = LiveFit(doubled, "tps", smoothing=0.0).refit(np.ones(40, dtype=bool))
    assert np.isfinite(fitted.residual_px).all()


@pytest.mark.parametrize("model", ["affine", "tps"])
def test_too_few_points(model: str) -> None:
    table = table_of(40)
    enabled = np.zeros(40, dtype=bool)
    enabled[:2] = True
    with pytest.raises(InputError, match="at least 3"):
        LiveFit(table, model).refit(enabled)


def test_points_on_a_line_are_refused() -> None:
    table = table_of(40)
    x = np.linspace(0, 3000, 40)
    line = table.with_columns(
        reference_px=np.where(np.arange(40)[:, None] < 4, table.reference_px, np.stack([x, x], axis=1))
    )
    live = LiveFit(line.with_columns(role=np.full(40, GCP)), "tps")
    with pytest.raises(InputError):
        live.refit(np.arange(40) >= 4)


@pytest.mark.parametrize("model", ["affine", "poly3", "homography", "tps"])
def test_two_thousand_gcps_within_fifty_milliseconds(model: str) -> None:
    table = table_of(2000)
    live = LiveFit(table, model)
    live.prime()
    enabled = np.ones(2000, dtype=bool)
    times = []
    for row in range(10, 17):
        enabled[row] = False
        started = time.perf_counter()
        live.refit(enabled)
        times.append(time.perf_counter() - started)
    assert float(np.median(times)) < 0.05
