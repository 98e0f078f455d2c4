"""The true error of a registered sample scene: `python -m sarto.resources.sample.check TRUTH RECORD`.

TRUTH is the generator's `truth.json`, RECORD the `record.json` that `sarto register` wrote.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.contract import Floats, Grid, InputError, Points, RegisterResult, SartoError, from_dict
from ...core.geometry import from_record
from .generate import GSD, ORIGIN, SIZE

STEP = 8  # pixels between the places where the error is measured


@dataclass(frozen=True)
class TrueError:
    """Distances between found and true positions over a dense grid of the optical image, optical pixels.

    before: what it was by the georeference alone.
    """

    rmse: float
    largest: float
    before: float


def true_error(truth: dict[str, Any], result: RegisterResult) -> TrueError:
    """Compare the found transform with the truth. Raises InputError where they are not of the same scene."""
    optical = Grid(SIZE, SIZE, (ORIGIN[0], GSD, 0.0, ORIGIN[1], 0.0, -GSD), result.reference_grid.crs)
    axis = np.append(np.arange(0.0, SIZE - 1, STEP), SIZE - 1.0)
    places = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    try:
        matrix = np.asarray(truth["matrix"], dtype=np.float64).reshape(2, 3)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("The truth has no 2 × 3 'matrix'.", "Give the generator's truth.json.") from error
    true = places @ matrix[:, :2].T + matrix[:, 2]
    errors = np.linalg.norm(_found(result, optical, places) - true, axis=1)
    if not np.isfinite(errors).all():
        raise InputError("The found transform is not defined all over the scene.")
    return TrueError(_rms(errors), float(errors.max()), _rms(np.linalg.norm(places - true, axis=1)))


def _found(result: RegisterResult, optical: Grid, places: Points) -> Points:
    """Optical pixels (N, 2) → the optical pixels where the SAR layer shows the same things, as found.

    The transform holds on the analysis grids, which may be coarser or smaller: the way leads through the world.
    """
    analysis = result.reference_grid.to_pixel(optical.to_world(places))
    moved = from_record(result.transform).apply(analysis)
    return optical.to_pixel(result.moving_grid.to_world(moved))


def _rms(lengths: Floats) -> float:
    return float(np.sqrt(np.mean(lengths**2)))


def main() -> int:
    """Print the true error; returns 1 where it exceeds the limit that was given."""
    parser = argparse.ArgumentParser(description="Print the true error of a registered sample scene.")
    parser.add_argument("truth", type=Path, help="truth.json of the generator")
    parser.add_argument("record", type=Path, help="record.json of `sarto register`")
    parser.add_argument("--limit", type=float, help="largest allowed RMSE in pixels; beyond it the status is 1")
    arguments = parser.parse_args()
    try:
        truth, record = (json.loads(path.read_text("utf-8")) for path in (arguments.truth, arguments.record))
        error = true_error(truth, from_dict(RegisterResult, record))
    except (SartoError, OSError, ValueError) as problem:
        print(f"The true error cannot be told: {problem}", file=sys.stderr)
        return 3
    print(
        f"True error (known, as the scene is generated): RMSE {error.rmse:.2f} px = {error.rmse * GSD:.1f} m,"
        f" at most {error.largest:.2f} px; before it was {error.before:.1f} px = {error.before * GSD:.0f} m."
    )
    return int(arguments.limit is not None and error.rmse > arguments.limit)


if __name__ == "__main__":
    sys.exit(main())
