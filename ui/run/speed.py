"""How fast this computer is, learnt from its runs."""

from __future__ import annotations

import math

from qgis.core import QgsSettings

_SETTING = "sarto/slowness"
_LIMITS = (0.1, 10.0)


def corrected(seconds: float) -> float:
    """An estimate for a typical computer → for this one."""
    return seconds * _slowness()


def remember(expected: float, taken: float) -> None:
    """Learn from a run. expected: uncorrected estimate, seconds; taken: what it took."""
    if expected > 0 and taken > 0 and math.isfinite(expected) and math.isfinite(taken):
        ratio = min(_LIMITS[1], max(_LIMITS[0], taken / expected))
        # A mean of logarithms: one run on a busy machine must not spoil the estimate.
        QgsSettings().setValue(_SETTING, math.sqrt(_slowness() * ratio))


def _slowness() -> float:
    try:
        value = float(QgsSettings().value(_SETTING, 1.0))
    except (TypeError, ValueError):
        return 1.0
    return min(_LIMITS[1], max(_LIMITS[0], value)) if math.isfinite(value) else 1.0
