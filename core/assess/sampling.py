"""Looking at a moving image through a transform, with numpy alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..contract import Pixels, Points

NODE_SPACING = 8
"""Pixels between the nodes at which `seen_at` asks a transform: so near, what bends is straight."""

Warp = Callable[[Points], Points]
"""Reference pixel (..., 2) → moving pixel."""


def bilinear(image: Pixels, positions: Points) -> npt.NDArray[np.float32]:
    """Values of an image (rows, columns; 0 = NoData) at positions (..., 2), NaN where a neighbour is NoData."""
    rows, columns = image.shape
    x, y = positions[..., 0], positions[..., 1]
    inside = (x >= 0) & (y >= 0) & (x <= columns - 1) & (y <= rows - 1)
    x, y = np.where(inside, x, 0.0), np.where(inside, y, 0.0)
    left, top = np.minimum(x.astype(np.intp), max(columns - 2, 0)), np.minimum(y.astype(np.intp), max(rows - 2, 0))
    right, bottom = np.minimum(left + 1, columns - 1), np.minimum(top + 1, rows - 1)
    fx, fy = (x - left).astype(np.float32), (y - top).astype(np.float32)
    corners = [image[top, left], image[top, right], image[bottom, left], image[bottom, right]]
    weights = [(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy]
    value = sum(c.astype(np.float32) * w for c, w in zip(corners, weights))
    valid = inside & np.logical_and.reduce([c > 0 for c in corners])
    return np.where(valid, value, np.nan).astype(np.float32)


def pixel_positions(column: float, row: float, width: int, height: int, step: float = 1.0) -> Points:
    """Positions (height, width, 2) of a lattice that starts at (column, row)."""
    x, y = np.meshgrid(column + step * np.arange(width), row + step * np.arange(height))
    positions: Points = np.stack([x, y], axis=-1).astype(np.float64)
    return positions


def seen_at(to_moving: Warp, column: int, row: int, width: int, height: int) -> Points:
    """Where every pixel of a window is seen in the moving image: (height, width, 2).

    The transform is asked at nodes some pixels apart, and what lies between is interpolated; affine transforms
    keep their values. Near a node that is not finite nothing is.
    """
    nodes = pixel_positions(
        column, row, -(-width // NODE_SPACING) + 1, -(-height // NODE_SPACING) + 1, NODE_SPACING
    )
    found = to_moving(nodes.reshape(-1, 2)).reshape(nodes.shape)
    return _between(_between(found, height).swapaxes(0, 1), width).swapaxes(0, 1)


def _between(nodes: Points, count: int) -> Points:
    """Every `NODE_SPACING`-th of `count` values along the first axis, and linearly what lies between."""
    at = np.arange(count)
    left, part = at // NODE_SPACING, (at % NODE_SPACING / NODE_SPACING)[:, None, None]
    values: Points = nodes[left] * (1 - part) + nodes[left + 1] * part
    return values
