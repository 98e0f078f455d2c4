"""Where the aligned raster lies: its pixel grid, and the way from its pixels to the moving layer's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..contract import Grid, OptionError, OutputError, Points
from .footprint import outline
from .scene import Scene

Backward = Callable[[Points], Points]
"""Reference-grid pixel positions (N, 2) → moving-grid pixel positions (N, 2)."""

_SAME_GSD = 0.01  # a moving GSD this close to the reference's takes the reference's own lattice


@dataclass(frozen=True)
class SourceMapping:
    """Pixel positions of a target grid → the moving layer's own pixels, centres at integers.

    backward maps `reference_grid` pixels to `moving_grid` pixels; the rest is georeference.
    """

    backward: Backward
    reference_grid: Grid
    moving_grid: Grid
    moving: Scene

    def __call__(self, target: Grid, pixels: Points) -> Points:
        """(N, 2) positions on `target` → (N, 2) in the moving layer; NaN where there is no image."""
        with np.errstate(all="ignore"):
            there = self.backward(self.reference_grid.to_pixel(target.to_world(pixels)))
        own = self.moving.own_pixels(self.moving_grid.to_world(there), self.moving_grid.crs)
        own[~np.isfinite(own).all(axis=1)] = np.nan
        return own


def target_grid(
    kind: str, reference: Grid, moving: Scene, backward: Backward, reference_grid: Grid, moving_grid: Grid
) -> Grid:
    """The pixel grid of the aligned raster.

    kind: "reference": the reference layer's own full grid (`reference`), pixel on pixel; "source": pixels of
        the moving layer's size on a lattice anchored at the reference's corner, over the whole aligned image.
    Raises OptionError for another kind, OutputError if the transform sends the moving image nowhere.
    """
    if kind == "reference":
        return reference
    if kind != "source":
        raise OptionError(f"Output grid '{kind}' is not known.", "Use 'reference' or 'source'.")
    mapping = SourceMapping(backward, reference_grid, moving_grid, moving)
    footprint = _aligned_footprint(mapping)
    if len(footprint) < 4:
        raise OutputError("The transform does not place the moving image anywhere.", "Try a simpler model.")
    middle = reference_grid.to_world(footprint.mean(axis=0)[None])
    factor = _gsd_factor(mapping, reference, reference.to_pixel(middle)[0])
    x0, a, b, y0, d, e = reference.geotransform
    lattice = Grid(1, 1, (x0, a * factor, b * factor, y0, d * factor, e * factor), reference.crs)
    corners = lattice.to_pixel(reference_grid.to_world(footprint)) + 0.5
    left, top = (math.floor(v + 1e-6) for v in corners.min(axis=0))
    right, bottom = (math.ceil(v - 1e-6) for v in corners.max(axis=0))
    return lattice.window(left, top, max(1, right - left), max(1, bottom - top))


def _gsd_factor(mapping: SourceMapping, reference: Grid, at: Points) -> float:
    """Moving pixel size over reference pixel size, around a reference pixel (2,)."""
    p = mapping(reference, at + np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    (ax, ay), (bx, by) = p[1] - p[0], p[2] - p[0]
    area = abs(ax * by - ay * bx)
    if not (np.isfinite(area) and area > 0):
        raise OutputError("The transform has no scale at the image's centre.", "Try a simpler model.")
    factor = 1.0 / math.sqrt(area)
    return 1.0 if abs(factor - 1.0) < _SAME_GSD else factor


def _aligned_footprint(mapping: SourceMapping) -> Points:
    """Outline of the moving image as `reference_grid` pixel positions (N, 2), found by inverting the model.

    A general model has no inverse in closed form: an affine fit starts, and Newton steps with that affine
    converge, since models are affine but for small terms. Points that do not settle are left out.
    """
    grid = mapping.reference_grid
    own = mapping.moving.grid
    goal = Grid.of_pixels(own.width, own.height).to_pixel(outline(Grid.of_pixels(own.width, own.height)))
    columns, rows = np.meshgrid(np.linspace(0, grid.width - 1, 9), np.linspace(0, grid.height - 1, 9))
    nodes = np.stack([columns.ravel(), rows.ravel()], axis=1)
    linear, shift = fit_affine(nodes, mapping(grid, nodes))
    inverse = np.linalg.inv(linear)
    found = (goal - shift) @ inverse.T
    for _ in range(30):
        miss = goal - mapping(grid, found)
        found = found + miss @ inverse.T
    settled = np.abs(goal - mapping(grid, found)).max(axis=1) < 0.5
    return np.asarray(found[settled & np.isfinite(found).all(axis=1)])


def fit_affine(source: Points, target: Points) -> tuple[Points, Points]:
    """Least-squares affine `target ≈ source @ linear.T + shift`; rows with NaN do not count.

    Raises OutputError if fewer than three finite points remain or they fix no affine.
    """
    good = np.isfinite(target).all(axis=1)
    design = np.column_stack([source[good], np.ones(int(good.sum()))])
    if good.sum() >= 3:
        solution, _, rank, _ = np.linalg.lstsq(design, target[good], rcond=None)
        linear: Points = solution[:2].T
        if rank == 3 and abs(np.linalg.det(linear)) > 1e-12:
            return linear, solution[2]
    raise OutputError("The transform cannot be inverted.", "Try a simpler model.")
