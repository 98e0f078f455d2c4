"""The control: with speckle for SAR there is nothing to register, so a method must score at chance.

If it does better, the windows give the warp away (a frame, a mirrored edge), and every other figure of the bench
would be worth nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contract import Floats, Pixels
from ..geometry import affine
from .protocols import WARPS, Warp, generator, random_similarity


def speckle_like(sar: Pixels, pair_id: str, seed: int) -> Pixels:
    """Gamma speckle with the mean and variance of a SAR chip and no structure; uint8 1…255, same shape."""
    rng = generator("control", pair_id, seed)
    mean, variance = float(sar.mean()), float(sar.var())
    if variance < 1e-6:
        return sar.copy()
    drawn = rng.gamma(mean * mean / variance, variance / mean, sar.shape)
    speckle: Pixels = np.clip(np.rint(drawn), 1, 255).astype(np.uint8)
    return speckle


@dataclass(frozen=True)
class Chance:
    """Shares of pairs within a threshold that a method reaches without looking at the images.

    random: it answers a random pose of the protocol's range.
    constant: it always answers the middle of the range.
    """

    random: dict[str, float]
    constant: dict[str, float]


def chance(protocol: str, side: tuple[int, int], draws: int = 10_000, seed: int = 0) -> Chance | None:
    """Chance level of CMR@1, 3 and 5 px for windows of size `side` = (width, height), by Monte Carlo.

    None for the protocols that have no range of truths.
    """
    warp = WARPS.get(protocol)
    if warp is None or protocol == "shuffled":
        return None
    rng = generator(protocol, "chance", seed)
    truths = np.stack([random_similarity(warp, side, rng) for _ in range(draws)])
    answers = rng.permutation(truths)  # a pose of another pair is a random pose
    return Chance(_shares(truths, answers, side), _shares(truths, _middle(warp, side), side))


def _middle(warp: Warp, side: tuple[int, int]) -> Floats:
    """The pose in the middle of a protocol's range: no rotation, no shift, the geometric mean of the scales."""
    centre = affine.centre((side[1], side[0]))
    return affine.similarity(0.0, float(np.sqrt(warp.scale_min * warp.scale_max)), centre)


def _shares(truths: Floats, answers: Floats, side: tuple[int, int]) -> dict[str, float]:
    """Shares within 1, 3 and 5 px for affines (N, 2, 3) against affines (N, 2, 3) or one (2, 3)."""
    x, y = np.meshgrid(np.linspace(0, side[0] - 1, 16), np.linspace(0, side[1] - 1, 16))
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    moments = points @ points.T / x.size
    gap = truths - answers
    # The mean of |gap·p|² over the grid needs the grid's second moments only.
    errors = np.sqrt(np.einsum("nij,jk,nik->n", gap, moments, gap))
    return {f"cmr{t}": float(np.mean(errors < t)) for t in (1, 3, 5)}
