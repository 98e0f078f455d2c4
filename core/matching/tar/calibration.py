"""From matching figures to probabilities: is the pose real, is a tie point right?"""

from __future__ import annotations

import numpy as np

from ...contract import Floats


def logistic(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -50, 50))), dtype=np.float64)


def evidence_features(score: float, lead: float, agreement: float, spread: float, margin: float) -> dict[str, float]:
    return {"score": score, "lead": lead, "agreement": agreement, "spread": spread, "margin": margin}
