"""GCPs for the tests of this folder."""

from __future__ import annotations

import numpy as np


def scattered(seed: int, count: int = 40, side: float = 1000.0, noise: float = 0.5, offset: float = 0.0):
    """GCPs (count, 2) twice: reference, and moving under a mild affine distortion with noise."""
    rng = np.random.default_rng(seed)
    reference = rng.uniform(0, side, (count, 2))
    linear = np.eye(2) + rng.uniform(-0.03, 0.03, (2, 2))
    moving = reference @ linear.T + rng.uniform(-50, 50, 2) + rng.normal(0, noise, (count, 2))
    return reference + offset, moving + offset
