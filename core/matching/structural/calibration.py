"""From correlation figures to probabilities."""

from __future__ import annotations

import numpy as np

from ...contract import Flags, Floats
from .local import Windows
from .pose import PoseSearch


def pose_evidence(
    search: PoseSearch, windows: Windows, good: Windows, agreed: Flags, spacing: float
) -> tuple[float, dict[str, float]]:
    best = search.poses[0].score
    other = search.poses[1].score if len(search.poses) > 1 else 0.0
    features = {
        "score": best,
        "lead": best - other,
        "contrast": search.contrast,
        "agree": float(agreed.sum() / max(len(windows), 1)),
        "n": float(len(windows)),
        "good": len(good) / max(len(windows), 1),
        "agree_of_good": float(agreed.sum()) / max(len(good), 1),
        "value": float(np.median(windows.value)) if len(windows) else 0.0,
        "value_agreed": float(np.median(good.value[agreed])) if agreed.any() else 0.0,
        "margin": float(np.median(windows.margin)) if len(windows) else 0.0,
    }
    return 0.5, features


def tie_confidence(good: Windows, agreed: Flags, evidence: float) -> Floats:
    return np.where(agreed, 0.8, 0.3)
