"""Guided matching: once the pose is known, places that did not find it are read again near where it puts them.

The best shift of a place may lie elsewhere, on ground that looks alike, though the place sees what the pose says
as well. To leave such places out draws the fit to those that are sure of themselves. Here a place whose softmax
has enough of its mass near the pose gives a tie point at the mean of that part. (Hartley & Zisserman 2004, ch. 4,
guide the search for further points by the homography in the same way; the mean is our own.) These tie points lean
towards the pose: they take part in the fit, but they are no evidence for it, and never check points.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...contract import Flags, Floats
from ...geometry import affine
from .tiles import Ties
from .vote import FLOOR

REACH = 2.5
"""Fine cells around the place of the pose that count."""
LEAST_MASS = 0.2
"""Share of the softmax that must lie there. Even chances would put 0.07 there."""


def guided(found: Ties, base: Floats, pose: Floats, unit: float) -> tuple[Ties, Flags]:
    """All places with their positions read near a pose, and which of them see something there (N,).

    base: (2, 3) pose under which they were matched; unit: full pixels per fine cell. Their round trip is NaN.
    """
    probability = np.clip(np.exp(found.logs.double().cpu().numpy()) - FLOOR, 0, None)
    y, x = np.indices(probability.shape[1:]) - probability.shape[-1] // 2
    back = affine.apply(affine.invert(base), affine.apply(pose, found.reference))
    expected = (back - found.reference)[:, :, None, None] / unit
    near = probability * ((x - expected[:, 0]) ** 2 + (y - expected[:, 1]) ** 2 <= REACH**2)
    mass = near.sum(axis=(1, 2))
    moment = np.stack([(near * x).sum(axis=(1, 2)), (near * y).sum(axis=(1, 2))], axis=1)
    shift = moment / np.maximum(mass, 1e-12)[:, None]
    moving = affine.apply(base, found.reference + shift * unit)
    unknown = np.full(len(found), np.nan)
    read = replace(found, moving=moving, margin=np.zeros(len(found)), round_trip=unknown)
    return read, (mass >= LEAST_MASS) & found.valid
