"""Small pictures of the pair for the report: reference, moving as it lay, moving as it lies now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..assess import bilinear, pixel_positions
from ..contract import SILENT, Floats, Painting, Pixels, PreparedPair, Reporter
from ..geometry import Transform, affine

VIEW_SIDE = 2000
BLOCK_ROWS = 64
"""Rows moved between two questions for a cancel; a spline takes long."""


@dataclass(frozen=True)
class PairViews:
    """uint8 (rows, columns) each, one size, over the footprint of the analysis grid; 0 = NoData."""

    reference: Pixels
    before: Pixels
    after: Pixels


def pair_views(pair: PreparedPair, transform: Transform, reporter: Reporter = SILENT) -> PairViews:
    """Views of at most VIEW_SIDE pixels a side. 'before' is empty where the layers shared no world.

    Raises Cancelled.
    """
    factor = _factor(pair)
    reference = _shrink(pair.reference, factor)
    moving = _shrink(pair.moving, factor)
    before = moving if pair.is_georeferenced else np.zeros_like(reference)
    after = _moved(moving, factor, np.eye(2, 3), reference.shape, factor, transform, reporter)
    return PairViews(reference, before, after)


def painted_view(
    pair: PreparedPair, transform: Transform, painted: Painting, reporter: Reporter = SILENT
) -> Pixels:
    """A painting of the moving image as `PairViews.after` shows the image itself. Raises Cancelled."""
    factor = _factor(pair)
    rows, columns = (n // factor for n in pair.reference.shape)
    size = float(np.sqrt(abs(np.linalg.det(painted.lattice[:, :2]))))
    fewer = min(max(1, round(factor / size)), *painted.values.shape)
    small = _shrink(painted.values, fewer)
    return _moved(small, fewer, affine.invert(painted.lattice), (rows, columns), factor, transform, reporter)


def _factor(pair: PreparedPair) -> int:
    return max(1, -(-max(pair.reference.shape) // VIEW_SIDE))


def _moved(
    image: Pixels,
    shrunk: int,
    from_moving: Floats,
    shape: tuple[int, ...],
    factor: int,
    transform: Transform,
    reporter: Reporter,
) -> Pixels:
    """An image on the reference's footprint, every `factor` pixels.

    shrunk: pixels of the whole image per pixel of this one; from_moving: (2, 3) moving pixel → its whole pixel.
    """
    half = (factor - 1) / 2
    after = np.zeros((shape[0], shape[1]), np.uint8)
    for row in range(0, shape[0], BLOCK_ROWS):
        reporter.check()
        height = min(BLOCK_ROWS, shape[0] - row)
        positions = pixel_positions(half, row * factor + half, shape[1], height, factor)
        target = affine.apply(from_moving, transform.apply(positions.reshape(-1, 2))).reshape(positions.shape)
        values = bilinear(image, (target - (shrunk - 1) / 2) / shrunk)
        after[row : row + height] = np.where(np.isfinite(values), np.rint(np.nan_to_num(values)), 0)
    return after


def _shrink(image: Pixels, factor: int) -> Pixels:
    """Mean of the valid pixels of factor × factor blocks; what is left over at the edges is cut off."""
    if factor == 1:
        return np.array(image)
    rows, columns = image.shape[0] // factor, image.shape[1] // factor
    small = np.zeros((rows, columns), np.uint8)
    for row in range(rows):
        strip = np.asarray(image[row * factor : (row + 1) * factor, : columns * factor])
        blocks = strip.reshape(factor, columns, factor)
        valid = (blocks > 0).sum(axis=(0, 2))
        mean = blocks.sum(axis=(0, 2), dtype=np.float64) / np.maximum(valid, 1)
        small[row] = np.where(valid > 0, np.maximum(np.rint(mean), 1), 0)
    return small
