"""The one place where pixels become world coordinates and back.

Convention, used everywhere in Sarto: a position in an image is `(x, y)` = (column, row), float64, with
**pixel centres at integers**: the centre of the first pixel is (0, 0), its outer corner (-0.5, -0.5).
GDAL's geotransform refers to corners; the half pixel is added here and nowhere else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """A raster grid: size, geotransform and CRS.

    width, height: pixels.
    geotransform: GDAL's six numbers (corner based, may be rotated).
    crs: WKT, or "" for an image without georeference, whose world coordinates are then
        GDAL pixel coordinates (corner based) of the source image.
    """

    width: int
    height: int
    geotransform: tuple[float, float, float, float, float, float]
    crs: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns), as numpy has it."""
        return self.height, self.width

    @property
    def gsd(self) -> float:
        """Ground sampling distance: geometric mean of the two pixel sides, CRS units."""
        return math.sqrt(abs(self._determinant))

    @property
    def _determinant(self) -> float:
        _, a, b, _, d, e = self.geotransform
        return a * e - b * d

    def to_world(self, pixels: npt.ArrayLike) -> Points:
        """Pixel positions (N, 2) → world coordinates (N, 2) in the grid's CRS."""
        p = np.asarray(pixels, dtype=np.float64) + 0.5
        x0, a, b, y0, d, e = self.geotransform
        world: Points = np.stack([x0 + a * p[..., 0] + b * p[..., 1], y0 + d * p[..., 0] + e * p[..., 1]], axis=-1)
        return world

    def to_pixel(self, world: npt.ArrayLike) -> Points:
        """World coordinates (N, 2) → pixel positions (N, 2); centres at integers."""
        w = np.asarray(world, dtype=np.float64)
        x0, a, b, y0, d, e = self.geotransform
        dx, dy = w[..., 0] - x0, w[..., 1] - y0
        det = self._determinant
        corner_based: Points = np.stack([(e * dx - b * dy) / det, (a * dy - d * dx) / det], axis=-1)
        return corner_based - 0.5

    def corners(self) -> Points:
        """The four outer corners (4, 2) in world coordinates: UL, UR, LR, LL."""
        w, h = self.width - 0.5, self.height - 0.5
        return self.to_world([[-0.5, -0.5], [w, -0.5], [w, h], [-0.5, h]])

    def bounds(self) -> tuple[float, float, float, float]:
        """(xmin, ymin, xmax, ymax) in world coordinates."""
        c = self.corners()
        return float(c[:, 0].min()), float(c[:, 1].min()), float(c[:, 0].max()), float(c[:, 1].max())

    def window(self, column: int, row: int, width: int, height: int) -> Grid:
        """The sub-grid that starts at pixel (column, row)."""
        x0, a, b, y0, d, e = self.geotransform
        origin = (x0 + a * column + b * row, a, b, y0 + d * column + e * row, d, e)
        return Grid(width, height, origin, self.crs)

    def through(self, lattice: npt.ArrayLike, width: int, height: int) -> Grid:
        """The grid whose pixels an affine (2, 3) takes to pixels of this one, both with centres at integers."""
        affine = np.asarray(lattice, dtype=np.float64)
        _, a, b, _, d, e = self.geotransform
        (ax, bx), (ay, by) = (np.array([[a, b], [d, e]]) @ affine[:, :2]).tolist()
        x0, y0 = self.to_world(affine @ [-0.5, -0.5, 1.0]).tolist()
        return Grid(width, height, (x0, ax, bx, y0, ay, by), self.crs)

    def resampled(self, gsd: float) -> Grid:
        """The same footprint with (almost) the given GSD: the size is rounded, the corner kept."""
        width = max(1, round(self.width * self.gsd / gsd))
        height = max(1, round(self.height * self.gsd / gsd))
        sx, sy = self.width / width, self.height / height
        x0, a, b, y0, d, e = self.geotransform
        return Grid(width, height, (x0, a * sx, b * sy, y0, d * sx, e * sy), self.crs)

    @staticmethod
    def of_pixels(width: int, height: int) -> Grid:
        """The grid of an image without georeference: world = GDAL pixel coordinates."""
        return Grid(width, height, (0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
