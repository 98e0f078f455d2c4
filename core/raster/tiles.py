"""Warping tile by tile: each tile's transform is handed to GDAL as an affine or a thin-plate spline.

GDAL does the resampling (kernels, NoData, alpha, masks, complex values). Its own transformers know neither
our models nor their concatenation with two map projections, so the exact mapping is evaluated on a mesh and
GDAL is given what reproduces it: an affine where that is enough, else a spline through the mesh. What GDAL
makes of it is measured at other points, and tiles that are not accurate enough are split.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from osgeo import gdal

from ..contract import Grid, OutputError, Points
from .gdal_tools import GdalProgress, attempt
from .scene import APPROXIMATION_PX, IDENTITY, PIXEL_UNIT, kernel_options
from .target import SourceMapping, fit_affine

_ACCURACY_PX = 0.03  # source pixels, for the tile's transform as GDAL computes it
_SMALLEST_TILE = 32
_MESH = 9  # nodes per side for a spline, one mesh width beyond the tile on each side


@dataclass(frozen=True)
class Tile:
    """A window of the target and the transform from its pixels to source pixels.

    mesh, there: (N, 2) positions in the tile and in the source, centres at integers.
    affine: (linear, shift) or None for a spline through the mesh.
    """

    column: int
    row: int
    width: int
    height: int
    mesh: Points
    there: Points
    affine: tuple[Points, Points] | None
    scale: float

    @property
    def area(self) -> int:
        return self.width * self.height


@dataclass
class TileWarper:
    """Warps tiles of one source. `affine_view` and `spline_view`: VRTs of the source, free to be changed."""

    affine_view: Any
    spline_view: Any
    mapping: SourceMapping
    target: Grid
    method: str

    def tiles(self, column: int, row: int, width: int, height: int) -> Iterator[Tile]:
        """The tiles of a window that see the source, split until each is accurate."""
        mesh = _mesh(width, height)
        there = self.mapping(self.target, mesh + np.array([column, row]))
        if not self._sees_source(there):
            return
        tile = self._fitted(column, row, width, height, mesh, there)
        if tile is not None:
            yield tile
        elif max(width, height) > _SMALLEST_TILE:
            for part in _quarters(column, row, width, height):
                yield from self.tiles(*part)
        elif np.isfinite(there).all():
            raise OutputError(
                "The transform bends too strongly to be applied.", "Choose a simpler model or fewer GCPs."
            )

    def warp(self, tile: Tile, image: Any, progress: GdalProgress, **options: Any) -> None:
        """Warp the source into `image`, a MEM dataset of the tile's size; options go to `gdal.Warp`."""
        view = self._prepared_view(tile)
        image.SetGeoTransform(IDENTITY)
        gdal.Warp(
            image,
            view,
            resampleAlg=self.method,
            errorThreshold=APPROXIMATION_PX,
            tps=tile.affine is None,
            callback=progress,
            **kernel_options(tile.scale),
            **options,
        )

    def _sees_source(self, there: Points) -> bool:
        """Whether the box around the mesh touches the source (unknown counts as yes)."""
        good = there[np.isfinite(there).all(axis=1)]
        if len(good) < len(there):
            return len(good) > 0
        size = np.array([self.mapping.moving.grid.width, self.mapping.moving.grid.height])
        return bool((good.max(axis=0) >= -2).all() and (good.min(axis=0) <= size + 1).all())

    def _fitted(self, column: int, row: int, width: int, height: int, mesh: Points, there: Points) -> Tile | None:
        """The tile with its transform, or None where neither an affine nor a spline is accurate."""
        if not np.isfinite(there).all():
            return None
        linear, shift = fit_affine(mesh, there)
        scale = float(np.sqrt(abs(np.linalg.det(linear))))
        tile = Tile(column, row, width, height, mesh, there, (linear, shift), scale)
        if np.hypot(*(mesh @ linear.T + shift - there).T).max() < _ACCURACY_PX / 3:
            return tile
        tile = Tile(column, row, width, height, mesh, there, None, scale)
        return tile if self._error(tile) < _ACCURACY_PX else None

    def _error(self, tile: Tile) -> float:
        """Largest distance, in source pixels, between GDAL's transformer and the exact mapping."""
        rng = np.random.default_rng(tile.column * 7919 + tile.row)
        places = rng.uniform(-0.5, [tile.width - 0.5, tile.height - 0.5], (60, 2))
        exact = self.mapping(self.target, places + np.array([tile.column, tile.row]))
        image = gdal.GetDriverByName("MEM").Create("", tile.width, tile.height, 1, gdal.GDT_Byte)
        image.SetGeoTransform(IDENTITY)
        transformer = attempt(lambda: gdal.Transformer(self._prepared_view(tile), image, ["METHOD=GCP_TPS"]))
        if transformer is None:
            return np.inf
        done, _ = transformer.TransformPoints(1, (places + 0.5).tolist())  # type: ignore[attr-defined]
        error = np.hypot(*(np.array(done)[:, :2] - 0.5 - exact).T).max()
        return float(error) if np.isfinite(error) else np.inf

    def _prepared_view(self, tile: Tile) -> Any:
        if tile.affine is None:
            pairs = zip((tile.mesh + 0.5) * PIXEL_UNIT, tile.there + 0.5)
            gcps = [gdal.GCP(float(x), float(y), 0.0, float(c), float(r)) for (x, y), (c, r) in pairs]
            self.spline_view.SetGCPs(gcps, "")
            return self.spline_view
        linear, shift = tile.affine
        # Corner-based source pixel (u, v) → tile pixel: the inverse of tile → source, half pixels included.
        inverse = np.linalg.inv(linear)
        x0, y0 = 0.5 - inverse @ (shift + 0.5)
        (a, b), (d, e) = inverse
        self.affine_view.SetGeoTransform([float(v) * PIXEL_UNIT for v in (x0, a, b, y0, d, e)])
        return self.affine_view


def _mesh(width: int, height: int) -> Points:
    """Positions (N, 2) on a tile: `_MESH` per side over it, and one more ring around."""
    steps = np.arange(-1, _MESH + 1) / (_MESH - 1)
    columns, rows = np.meshgrid(steps * width - 0.5, steps * height - 0.5)
    return np.stack([columns.ravel(), rows.ravel()], axis=1)


def _quarters(column: int, row: int, width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    w, h = (width + 1) // 2, (height + 1) // 2
    for top, tall in ((0, h), (h, height - h)):
        for left, wide in ((0, w), (w, width - w)):
            if wide > 0 and tall > 0:
                yield column + left, row + top, wide, tall
