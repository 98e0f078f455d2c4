"""The true error of a sample result: told rightly, whatever grid the transform was found on."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from sarto.core.contract import (
    Assessment,
    Figures,
    GcpTable,
    Grid,
    InputError,
    LayerSource,
    RegisterJob,
    RegisterResult,
    TransformRecord,
    Verdict,
    to_dict,
)
from sarto.resources.sample.check import true_error
from sarto.resources.sample.generate import GSD, ORIGIN, SIZE, misregistration

OPTICAL = Grid(SIZE, SIZE, (ORIGIN[0], GSD, 0.0, ORIGIN[1], 0.0, -GSD))
TRUTH = {"matrix": misregistration().tolist()}


def result(grid: Grid, matrix: np.ndarray) -> RegisterResult:
    """A result whose transform, told on the optical grid, is `matrix` (2, 3), stored as it looks on `grid`."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    places = OPTICAL.to_pixel(grid.to_world(corners))
    moved = grid.to_pixel(OPTICAL.to_world(places @ matrix[:, :2].T + matrix[:, 2]))
    stored = [*np.column_stack([moved[1] - moved[0], moved[2] - moved[0], moved[0]]).tolist(), [0.0, 0.0, 1.0]]
    none, two = np.zeros(0), np.zeros((0, 2))
    table = GcpTable(grid, grid, two, two, none, none, two, none.astype(bool), none.astype(str))
    figures = Figures(*[0] * 4, *[0.0] * 11)
    return RegisterResult(
        RegisterJob(LayerSource("a"), LayerSource("b")),
        grid,
        grid,
        table,
        TransformRecord("affine", {"matrix": stored}),
        Assessment(Verdict.TRUSTED, (), figures),
    )


@pytest.mark.parametrize("grid", [OPTICAL, OPTICAL.window(100, 40, 300, 200), OPTICAL.resampled(25.0)])
def test_truth_has_no_error_and_a_shift_has_its_length(grid):
    assert true_error(TRUTH, result(grid, misregistration())).rmse < 1e-6
    wrong = misregistration()
    wrong[:, 2] += (0.3, -0.4)
    error = true_error(TRUTH, result(grid, wrong))
    assert error.rmse == pytest.approx(0.5)
    assert error.largest == pytest.approx(0.5)
    assert 15 < error.before < 20


def test_other_truth_is_refused():
    with pytest.raises(InputError, match="matrix"):
        true_error({}, result(OPTICAL, misregistration()))


@pytest.mark.parametrize(("shift", "status"), [(0.2, 0), (3.0, 1), (None, 3)])
def test_command(tmp_path, shift, status):
    wrong = misregistration()
    wrong[:, 2] += shift or 0.0
    (tmp_path / "truth.json").write_text(json.dumps(TRUTH))
    (tmp_path / "record.json").write_text(json.dumps(to_dict(result(OPTICAL, wrong))) if shift else "[]")
    files = [str(tmp_path / "truth.json"), str(tmp_path / "record.json")]
    done = subprocess.run(
        [sys.executable, "-m", "sarto.resources.sample.check", *files, "--limit", "1"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    assert ("RMSE" in done.stdout) == (status < 3)
