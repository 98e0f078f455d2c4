"""Image pairs with known transforms, made on the spot."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from sarto.core.contract import Floats, Pixels
from sarto.core.geometry import affine

REACH = 150
"""Pixels from a seed beyond which another one is always nearer."""


def landscape(side: int, seed: int = 0) -> np.ndarray:
    """Fields: a Voronoi mosaic with values 0…1, float32 (side, side)."""
    rng = np.random.default_rng(seed)
    seeds = rng.uniform(-20, side + 20, (max(20, side * side // 500), 2)).astype(np.float32)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    nearest = np.zeros((side, side), np.intp)
    best = np.full((side, side), np.inf, np.float32)
    for k, (cx, cy) in enumerate(seeds):
        rows, columns = (slice(max(int(c) - REACH, 0), max(int(c) + REACH, 0)) for c in (cy, cx))
        distance = (x[rows, columns] - cx) ** 2 + (y[rows, columns] - cy) ** 2
        closer = distance < best[rows, columns]
        best[rows, columns][closer], nearest[rows, columns][closer] = distance[closer], k
    assert best.max() < REACH**2
    return rng.uniform(0, 1, len(seeds)).astype(np.float32)[nearest]


def as_optical(fields: np.ndarray, seed: int = 0) -> Pixels:
    rng = np.random.default_rng(seed)
    return np.clip(60 + 150 * fields + rng.normal(0, 4, fields.shape), 1, 255).astype(np.uint8)


def as_sar(fields: np.ndarray, seed: int = 1) -> Pixels:
    """The same fields with another brightness each, in part inverted, under 4-look speckle."""
    rng = np.random.default_rng(seed)
    power = 0.02 + 0.3 * np.abs(np.sin(7 * fields)) ** 2
    speckle = rng.gamma(4, 1 / 4, fields.shape)
    decibel = 10 * np.log10(power * speckle)
    return np.clip(128 + 7 * (decibel + 10), 1, 255).astype(np.uint8)


@dataclass(frozen=True)
class Pair:
    """truth: (2, 3) optical pixel → SAR pixel."""

    optical: Pixels
    sar: Pixels
    truth: Floats


def make_pair(
    side: int = 256,
    degrees: float = 0.0,
    scale: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
    seed: int = 0,
) -> Pair:
    """Windows of `side` out of a larger landscape, so that no image shows where the other one ends."""
    border = side // 2
    whole = landscape(side + 2 * border, seed)
    window = slice(border, border + side)
    middle = (np.array([side, side]) - 1) / 2
    truth = affine.similarity(degrees, scale, middle, middle + shift)
    to_whole = affine.invert(truth) + np.array([[0, 0, border], [0, 0, border]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(whole, to_whole, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT)
    return Pair(as_optical(whole[window, window], seed), as_sar(np.asarray(moved), seed + 1), truth)


@pytest.fixture(scope="session")
def georeferenced_pair() -> Pair:
    return make_pair(256, degrees=1.2, scale=1.01, shift=(9.4, -6.7))
