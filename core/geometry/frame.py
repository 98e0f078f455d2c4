"""Normalised coordinates: centred and scaled, so that least squares stays well conditioned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import InputError, Points


@dataclass(frozen=True)
class Frame:
    """A square frame around points: normalised = (position - centre) / scale.

    centre: (x, y) in pixels. scale: pixels; half the longer side of the points' bounding box.
    """

    centre: tuple[float, float]
    scale: float = 1.0

    @staticmethod
    def around(points: Points) -> Frame:
        """The frame in which the points (N, 2) lie within -1…1."""
        low, high = points.min(axis=0), points.max(axis=0)
        centre = (low + high) / 2
        half = float((high - low).max()) / 2
        return Frame((float(centre[0]), float(centre[1])), half or 1.0)

    def normalise(self, points: npt.ArrayLike) -> Points:
        """Pixels (…, 2) → normalised (…, 2)."""
        return np.asarray((np.asarray(points, dtype=np.float64) - self.centre) / self.scale)

    def restore(self, points: Points) -> Points:
        """Normalised (…, 2) → pixels (…, 2)."""
        return np.asarray(points * self.scale + self.centre)

    @property
    def matrix(self) -> Points:
        """(3, 3) pixels → normalised, homogeneous."""
        (x, y), s = self.centre, self.scale
        return np.array([[1 / s, 0, -x / s], [0, 1 / s, -y / s], [0, 0, 1]])

    @property
    def inverse_matrix(self) -> Points:
        """(3, 3) normalised → pixels, homogeneous."""
        (x, y), s = self.centre, self.scale
        return np.array([[s, 0, x], [0, s, y], [0, 0, 1]])

    def to_parameters(self) -> dict[str, Any]:
        return {"centre": list(self.centre), "scale": self.scale}

    @staticmethod
    def from_parameters(data: Any) -> Frame:
        x, y = data["centre"]
        return Frame((float(x), float(y)), float(data["scale"]))


def frames(reference: Points, moving: Points) -> tuple[Frame, Frame]:
    """Frames for both images with one common scale, so that a shift stays a shift and a similarity one."""
    source = Frame.around(reference)
    return source, Frame(Frame.around(moving).centre, source.scale)


def as_points(points: npt.ArrayLike, name: str) -> Points:
    """Check that `points` are finite positions (N, 2); raises InputError."""
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise InputError(f"The {name} positions have shape {array.shape}, not (N, 2).")
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(bad):
        raise InputError(
            f"{len(bad)} {name} position(s) are not numbers (the first is number {bad[0] + 1}).",
            "Remove or correct these GCPs.",
        )
    return array
