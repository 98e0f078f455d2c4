"""Where tie points are looked for: one window per cell, where the cell has most structure."""

from __future__ import annotations

import math

import cv2
import numpy as np

from ..contract import Floats, Pixels, Points
from ..geometry import affine
from . import imaging
from .keypoints import Keypoints

OVERVIEW_SIDE = 768


class Placing:
    """Cells over the part of the reference that the moving image covers under a pose.

    spacing: side of a cell in full pixels. Each cell offers positions, best structure first; the positions of
    neighbouring cells keep at least half a cell's distance, so that windows never cluster.
    """

    def __init__(self, reference: Pixels, moving: Pixels, pose: Floats, points: int, least_spacing: float) -> None:
        factor = max(1.0, max(reference.shape) / OVERVIEW_SIDE)
        layer = imaging.reduce(reference, factor)
        rows, columns = layer.shape
        other = imaging.reduce(moving, factor)
        lattice = affine.reduce_by(pose, factor)
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(other.valid, lattice, (columns, rows), flags=flags, borderValue=(0,))
        self._overlap = (layer.valid > 0) & (np.asarray(seen) > 0)
        self._factor = factor
        gradient = np.hypot(cv2.Sobel(layer.values, cv2.CV_32F, 1, 0), cv2.Sobel(layer.values, cv2.CV_32F, 0, 1))
        self._structure = cv2.GaussianBlur(np.where(self._overlap, gradient, 0).astype(np.float32), (0, 0), 4.0)
        area = float(self._overlap.sum()) * factor**2
        self.spacing = max(least_spacing, math.sqrt(area / max(points, 1)))

    @property
    def overlap_share(self) -> float:
        """Share of the reference that both images cover."""
        return float(self._overlap.mean())

    def cells(self) -> list[list[tuple[float, float]]]:
        """Positions (x, y) in full pixels for each cell: the first is tried at once, the others if it fails."""
        step = self.spacing / self._factor
        rows, columns = self._overlap.shape
        nx, ny = max(1, round(columns / step)), max(1, round(rows / step))
        found = []
        for j in range(ny):
            for i in range(nx):
                box = (columns * i / nx, rows * j / ny, columns * (i + 1) / nx, rows * (j + 1) / ny)
                places = self._places(box)
                if places:
                    found.append(places)
        return found

    def cells_of(self, keypoints: Keypoints) -> list[list[tuple[float, float]]]:
        """As `cells`, with up to three keypoints of each cell's middle half in place of its own positions.

        keypoints: positions in full pixels of the reference. The strongest come first; cells without any are left
        out.
        """
        rows, columns = self._overlap.shape
        step = self.spacing / self._factor
        counts = np.array([max(1, round(columns / step)), max(1, round(rows / step))])
        at = (keypoints.positions + 0.5) / self._factor
        column, row = np.floor(at).astype(int).T
        inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
        seen = inside & self._overlap[row.clip(0, rows - 1), column.clip(0, columns - 1)]
        place = at * counts / (columns, rows)
        cell = np.floor(place).astype(int)
        middle = np.all(np.abs(place - cell - 0.5) <= 0.25, axis=1)
        found: dict[tuple[int, int], list[tuple[float, float]]] = {}
        for k in np.argsort(-keypoints.strength, kind="stable"):
            if seen[k] and middle[k]:
                x, y = keypoints.positions[k]
                found.setdefault((int(cell[k, 1]), int(cell[k, 0])), []).append((float(x), float(y)))
        return [found[key][:3] for key in sorted(found)]

    def _places(self, box: tuple[float, float, float, float]) -> list[tuple[float, float]]:
        """Up to three valid positions in the middle half of a cell, richest first."""
        x0, y0, x1, y1 = box
        places = []
        for v in (0.25, 0.5, 0.75):
            for u in (0.25, 0.5, 0.75):
                column, row = int(x0 + u * (x1 - x0)), int(y0 + v * (y1 - y0))
                if self._overlap[row, column]:
                    richness = float(self._structure[row, column])
                    places.append(
                        (richness, self._factor * (x0 + u * (x1 - x0)), self._factor * (y0 + v * (y1 - y0)))
                    )
        places.sort(reverse=True)
        return [(x - 0.5, y - 0.5) for _, x, y in places[:3]]


def as_points(places: list[tuple[float, float]]) -> Points:
    """A list of (x, y) as an array (N, 2), also where it is empty."""
    return np.array(places, dtype=np.float64).reshape(-1, 2)
