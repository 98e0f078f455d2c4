"""Jobs on the generated scene, how far their results are off, and a matcher that finds next to nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sarto.core.contract import (
    LayerSource,
    MatchOptions,
    MatchResult,
    ModelOptions,
    OutputOptions,
    RegisterJob,
    RegisterResult,
    TiePoints,
)
from sarto.core.geometry import from_record


def job_of(scene, out: Path, **model: object) -> RegisterJob:
    return RegisterJob(
        LayerSource(str(scene.optical)),
        LayerSource(str(scene.sar)),
        match=MatchOptions(method="structural", points=150),
        model=ModelOptions(**model),
        output=OutputOptions(directory=str(out)),
    )


def true_rmse(result: RegisterResult, truth: np.ndarray) -> float:
    grid = result.reference_grid
    x, y = np.meshgrid(np.linspace(0, grid.width - 1, 20), np.linspace(0, grid.height - 1, 20))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    off = from_record(result.transform).apply(points) - (points @ truth[:, :2].T + truth[:, 2])
    return float(np.sqrt((off**2).sum(axis=1).mean()))


class FewPoints:
    """Stands in for a matcher on hopeless images: a pose and three tie points."""

    def match(self, task, reporter=None) -> MatchResult:
        points = np.array([[100.0, 100.0], [300.0, 120.0], [200.0, 400.0]])
        ties = TiePoints(points, points + 5, np.full(3, 0.2), np.zeros(3))
        return MatchResult(ties, np.ones(3, bool), np.array([[1.0, 0, 5], [0, 1, 5]]), 0.02, 200)
