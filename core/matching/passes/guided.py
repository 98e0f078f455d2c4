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
import torch

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
    probability = (found.logs.double().exp() - FLOOR).clamp_min(0)
    side = probability.shape[-1]
    axis = torch.arange(side, device=probability.device, dtype=torch.float64) - side // 2
    back = affine.apply(affine.invert(base), affine.apply(pose, found.reference))
    expected = torch.from_numpy((back - found.reference) / unit).to(probability)
    away = (axis[None, :, None] - expected[:, 1, None, None]) ** 2
    away = away + (axis[None, None, :] - expected[:, 0, None, None]) ** 2
    near = probability * (away <= REACH**2)
    mass = near.sum((1, 2))
    shift = torch.stack([(near * axis).sum((1, 2)), (near * axis[:, None]).sum((1, 2))], dim=1)
    shift = shift / mass.clamp_min(1e-12)[:, None]
    moving = affine.apply(base, found.reference + shift.cpu().numpy() * unit)
    seen = np.asarray((mass >= LEAST_MASS).cpu().numpy()) & found.valid
    return replace(found, moving=moving, margin=np.zeros(len(found)), round_trip=np.full(len(found), np.nan)), seen
