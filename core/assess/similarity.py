"""Structural similarity of two images as they lie on each other, measured apart from any tie point."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..contract import Pixels
from .sampling import Warp, bilinear, seen_at

TILE = 192
TILES_PER_SIDE = 4
MIN_VALID = 0.3


def structural_similarity(reference: Pixels, moving: Pixels, to_moving: Warp) -> float:
    """Correlation, -1…1, of the edges and their orientation over tiles spread across the reference.

    to_moving: reference pixel (..., 2) → moving pixel. NaN where the images share too few valid pixels.
    """
    products = energies_r = energies_m = 0.0
    for column, row, width, height in _tiles(reference.shape):
        fixed = reference[row : row + height, column : column + width].astype(np.float32)
        fixed = np.where(fixed > 0, fixed, np.nan)
        seen = bilinear(moving, seen_at(to_moving, column, row, width, height))
        valid = np.isfinite(fixed) & np.isfinite(seen)
        if valid.mean() < MIN_VALID:
            continue
        r, mask_r = _edges(fixed)
        m, mask_m = _edges(seen)
        both = mask_r & mask_m
        products += float((r * m)[:, both].sum())
        energies_r += float((r * r)[:, both].sum())
        energies_m += float((m * m)[:, both].sum())
    energy = np.sqrt(energies_r * energies_m)
    return float(products / energy) if energy > 0 else float("nan")


def _tiles(shape: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """(column, row, width, height) of tiles spread evenly over an image."""
    rows, columns = shape
    width, height = min(TILE, columns), min(TILE, rows)
    xs = np.linspace(0, columns - width, min(TILES_PER_SIDE, -(-columns // width))).astype(int)
    ys = np.linspace(0, rows - height, min(TILES_PER_SIDE, -(-rows // height))).astype(int)
    return [(int(x), int(y), width, height) for y in ys for x in xs]


def _edges(values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Edge strength times the double-angle orientation (2, rows, columns), and where it is defined."""
    smooth = values
    for _ in range(3):  # binomial smoothing; NaN spreads, so that NoData makes no edges
        smooth = _binomial(_binomial(smooth).T).T
    gy, gx = np.gradient(smooth)
    power = gx * gx + gy * gy
    defined = np.isfinite(power)
    power = np.where(defined, power, 0)
    typical = np.sqrt(power[defined].mean()) if defined.any() else 1.0
    magnitude = np.sqrt(power) + 1e-6
    weight = 1 / (magnitude + typical) / magnitude
    with np.errstate(invalid="ignore"):
        edges = np.stack([(gx * gx - gy * gy) * weight, 2 * gx * gy * weight])
    return np.where(defined, edges, 0).astype(np.float32), defined


def _binomial(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    padded = np.pad(values, ((1, 1), (0, 0)), mode="edge")
    smooth: npt.NDArray[np.float32] = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    return smooth
