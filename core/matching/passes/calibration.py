"""From matching figures to probabilities: is the pose real, is a tie point right?

Two logistic models. Their weights belong to the network's and are stored in the same file; `sarto train calibrate`
fits them on training pairs and on the same pairs shuffled between places. A file without them gives no evidence,
so that nothing is trusted. Beside them stand the limits from which the search for a pose may end early.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ...contract import Floats

EVIDENCE_SPAN = 6.0
"""Limit of the evidence's log-odds as an input to the confidence."""


NEVER = 1e6
"""A limit that nothing reaches."""


@dataclass(frozen=True)
class Limits:
    """What wrong poses do not reach: the score of a hypothesis in the first pass, the gain of the second pass."""

    score: float = NEVER
    gain: float = NEVER


@dataclass(frozen=True)
class Calibration:
    """Weights of both models by the names of their features, and their offsets; `Limits`."""

    evidence: dict[str, float] = field(default_factory=dict)
    evidence_offset: float = -EVIDENCE_SPAN
    confidence: dict[str, float] = field(default_factory=dict)
    confidence_offset: float = -EVIDENCE_SPAN
    limits: Limits = field(default_factory=Limits)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> Calibration:
        """The reverse of `to_json`. Raises TypeError for unknown fields."""
        limits = Limits(**values.get("limits", {}))
        return Calibration(**{**values, "limits": limits})

    def log_odds(self, features: dict[str, float]) -> float:
        """Of the pose's being real. features: see `matcher`; those without a weight do not count."""
        total = self.evidence_offset + sum(w * features[name] for name, w in self.evidence.items())
        return float(np.clip(total, -50, 50))

    def tie_confidence(self, features: dict[str, Floats], log_odds: float) -> Floats:
        """Probability (N,) that a tie point is right within 2 px."""
        pose = float(np.clip(log_odds, -EVIDENCE_SPAN, EVIDENCE_SPAN))
        count = len(next(iter(features.values())))
        total = np.full(count, self.confidence_offset + self.confidence.get("evidence", 0.0) * pose)
        for name, values in features.items():
            total = total + self.confidence.get(name, 0.0) * values
        return logistic(total)


def logistic(log_odds: Floats) -> Floats:
    """Probability of log-odds of any shape."""
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -50, 50))), dtype=np.float64)
