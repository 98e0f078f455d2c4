"""A run that never was, for the windows to show."""

from __future__ import annotations

from typing import Any

import numpy as np


def review() -> Any:
    """A run with made-up points."""
    from sarto.core.contract import (
        Assessment,
        Figures,
        GcpTable,
        Grid,
        LayerSource,
        OutputOptions,
        RegisterJob,
        RegisterResult,
        Verdict,
    )  # fmt: skip
    from sarto.core.geometry import refit
    from sarto.core.pipeline import Review

    count, rng = 40, np.random.default_rng(7)
    roles = np.where(np.arange(count) % 4 == 3, "check", "gcp")
    grid = Grid(1000, 1000, (500_000.0, 10.0, 0.0, 5_500_000.0, 0.0, -10.0), "a CRS")
    place = rng.uniform(50, 950, (count, 2))
    table = GcpTable(
        grid, grid, place, place + rng.normal(3, 0.7, (count, 2)), rng.random(count), rng.random(count),
        np.full((count, 2), np.nan), np.ones(count, dtype=bool), roles,
    )  # fmt: skip
    transform, table = refit(table, "affine")
    figures = Figures(count, 30, 10, count, 0.7, 0.8, 1.1, 0.7, 0.8, 1.0, 0.3, 0.1, 0.5, 0.99, grid.gsd)
    job = RegisterJob(LayerSource("optical.tif"), LayerSource("sar.tif"), output=OutputOptions(directory="out"))
    assessment = Assessment(Verdict.TRUSTED, (), figures)
    return Review(RegisterResult(job, grid, grid, table, transform.to_record(), assessment))
