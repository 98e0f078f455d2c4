"""Keypoints of a whole image, however large, on pixels of any size: square by square, to save memory."""

from __future__ import annotations

import numpy as np
import torch

from ...contract import Pixels, Reporter
from .. import imaging
from .detect import DENSITY, Keypoints, detect

CORE = 448
"""Side of the squares, level pixels, that keypoints are taken from."""
RIM = 32
"""Level pixels around a square that detection sees as well, so that its border makes no difference."""


def detect_whole(kind: str, pixels: Pixels, factor: float, device: torch.device, reporter: Reporter) -> Keypoints:
    """Keypoints of an image, uint8 (rows, columns), 0 = NoData, on pixels `factor` ≥ 1 times larger.

    About one per 40 valid level pixels at most; positions in full pixels. Square after square, so that only
    within one the strongest come first. Raises OptionError for an unknown kind, Cancelled.
    """
    rows, columns = (int(np.ceil(side / factor)) for side in pixels.shape)
    parts = []
    for top in range(0, rows, CORE):
        for left in range(0, columns, CORE):
            reporter.check()
            parts.append(_in_square(kind, pixels, factor, (left, top), (columns, rows), device))
    positions, strength = (np.concatenate(column) for column in zip(*((p.positions, p.strength) for p in parts)))
    return Keypoints(factor * (positions + 0.5) - 0.5, strength)


def _in_square(
    kind: str, pixels: Pixels, factor: float, first: tuple[int, int], end: tuple[int, int], device: torch.device
) -> Keypoints:
    """Those in the square that begins at level pixel `first` (x, y), of an image that ends before `end`."""
    x0, y0 = (max(0, start - RIM) for start in first)
    x1, y1 = (min(stop, start + CORE + RIM) for start, stop in zip(first, end))
    lattice = np.array([[factor, 0, factor * (x0 + 0.5) - 0.5], [0, factor, factor * (y0 + 0.5) - 0.5]])
    layer = imaging.patch(pixels, lattice, (y1 - y0, x1 - x0))
    count = max(1, int(DENSITY * layer.valid.sum()))
    found = detect(kind, layer.values, layer.valid, count, device)
    positions = found.positions + np.array([x0, y0])
    within = np.all((positions >= np.array(first) - 0.5) & (positions < np.array(first) + CORE - 0.5), axis=1)
    return Keypoints(positions[within], found.strength[within])
