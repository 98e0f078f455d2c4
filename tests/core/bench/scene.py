"""A procedural landscape for the bench's tests."""

from __future__ import annotations

import cv2
import numpy as np
from sarto.core.contract import Pixels


def landscape(seed: int, side: int = 256, grain: float = 5.0) -> Pixels:
    """A smooth random landscape, uint8 (side, side) of 20…235; `grain` is its scale in pixels."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.standard_normal((side, side)), (0, 0), grain)
    return np.clip(128 + 45 * noise / noise.std(), 20, 235).astype(np.uint8)


def textured(seed: int, side: int = 256) -> Pixels:
    """Landscape with detail at all scales, as real images have and phase correlation needs."""
    layers = [landscape(seed + i, side, grain).astype(np.float32) for i, grain in enumerate((0.8, 2.0, 6.0))]
    return np.mean(layers, axis=0).astype(np.uint8)
