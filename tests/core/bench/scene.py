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
