"""From correlation figures to probabilities: is the pose real, is a tie point right?

Two logistic models. They were fitted on chips of the Sentinel training set and of other satellites under the
bench's `georef`, `tar` and `wild` warps, against the same chips shuffled between places. How well they hold is
shown by `sarto bench --reliability` (docs/benchmarks.md has the tables).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...contract import Flags, Floats
from ...geometry import affine
from .local import Windows
from .pose import PoseSearch

UNIT_SIDE = 192.0
"""Side in pixels of the chips it was calibrated on: the scatter of a chance correlation falls with the side."""
CHANCE_AGREEMENT = 0.13
"""Share of windows that agree by chance on images of different places."""
MOST_INDEPENDENT = 40.0
"""Windows counted as independent at most: even a large scene has regional errors."""
EVIDENCE_WEIGHTS = {"score": 24.6, "lead": 51.3, "agreement": 1.97, "margin": 157.0, "poses tried": -0.6}
"""The fit gave -0.26 for the logarithm of the poses tried. A wider search has more chances to err, and a wrong
answer that is trusted is worse than a right one that is not: more is asked of it."""
EVIDENCE_OFFSET = -5.84
CONFIDENCE_WEIGHTS = {"value": -1.25, "margin": 9.31, "round trip": -0.5, "residual": -0.807, "evidence": 0.262}
CONFIDENCE_OFFSET = 0.839
EVIDENCE_SPAN = 6.0
"""Limit of the evidence's log-odds as an input to the confidence."""


@dataclass(frozen=True)
class Evidence:
    """How sure the pose is. log_odds of its being real; features: what they were made of."""

    log_odds: float
    features: dict[str, float]

    @property
    def probability(self) -> float:
        return float(_logistic(np.array(self.log_odds)))


def pose_evidence(
    search: PoseSearch, windows: Windows, agreed: Flags, overlap_pixels: float, window_pixels: float
) -> Evidence:
    """Weigh the pose.

    windows: all windows tried; agreed: the accepted ones that fit one transform (any length).
    overlap_pixels: overlap of the images on the pose search's finest level, which the score was taken on.
    window_pixels: area of a window relative to the overlap's area at full size, times overlap_pixels.
    """
    best = search.poses[0].score
    second = search.poses[1].score if len(search.poses) > 1 else 0.0
    size = np.sqrt(overlap_pixels) / UNIT_SIDE
    count = max(len(windows), 1)
    independent = min(count, MOST_INDEPENDENT, overlap_pixels / window_pixels)
    spread = np.sqrt(CHANCE_AGREEMENT * (1 - CHANCE_AGREEMENT) / max(independent, 1.0))
    features = {
        "score": best * size,
        "lead": (best - second) * size,
        "agreement": min((agreed.sum() / count - CHANCE_AGREEMENT) / spread, 8.0),
        "margin": float(np.median(windows.margin)) * size if len(windows) else 0.0,
        "poses tried": float(np.log(search.tried)),
    }
    log_odds = EVIDENCE_OFFSET + sum(EVIDENCE_WEIGHTS[name] * value for name, value in features.items())
    return Evidence(float(log_odds), features)


def tie_confidence(ties: Windows, pose: Floats, evidence: Evidence) -> Floats:
    """Probability (N,) that a tie point is right within 2 px."""
    residual = np.linalg.norm(ties.moving - affine.apply(pose, ties.reference), axis=1)
    features = {
        "value": ties.value,
        "margin": ties.margin,
        "round trip": np.minimum(ties.round_trip, 2.0),
        "residual": np.minimum(residual, 8.0),
        "evidence": np.clip(evidence.log_odds, -EVIDENCE_SPAN, EVIDENCE_SPAN),
    }
    log_odds = CONFIDENCE_OFFSET + sum(CONFIDENCE_WEIGHTS[name] * value for name, value in features.items())
    return _logistic(np.broadcast_to(log_odds, len(ties)))


def _logistic(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -50, 50))), dtype=np.float64)
