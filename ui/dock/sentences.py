"""What the dock says: a forecast, a duration, a verdict."""

from __future__ import annotations

import math
from typing import Protocol

from ...core.contract import Grid, Verdict
from .tones import CARE, GOOD, PLAIN, PROBLEM


class ForecastLike(Protocol):
    """What is said about a run before it starts (see `core.pipeline.Forecast`)."""

    @property
    def reference_grid(self) -> Grid: ...
    @property
    def overlap_km2(self) -> float: ...
    @property
    def gsd_text(self) -> str: ...


def about(seconds: float) -> str:
    """A duration in round words: 'about 20 s', 'about 3 min'; "" if it is not known."""
    if not math.isfinite(seconds) or seconds < 0:
        return ""
    if seconds < 1.5:
        return "about a second"
    if seconds < 9.5:
        return f"about {seconds:.0f} s"
    if seconds < 85:
        return f"about {10 * max(1, round(seconds / 10))} s"
    if seconds < 85 * 60:
        return f"about {max(1, round(seconds / 60))} min"
    return f"about {seconds / 3600:.1f} h".replace(".0 h", " h")


def square_kilometres(area: float) -> str:
    """An area in km² with about three digits; "" if it is not known."""
    if not math.isfinite(area):
        return ""
    if area >= 100:
        return f"{area:,.0f} km²"
    return f"{area:.3g} km²"


def forecast_sentence(forecast: ForecastLike, seconds: float, folder: str, is_temporary: bool) -> str:
    """What a run will do, in one or two lines. seconds: what it is expected to take on this computer."""
    grid = forecast.reference_grid
    text = f"{grid.width:,} × {grid.height:,} pixels of {forecast.gsd_text}"
    overlap = square_kilometres(forecast.overlap_km2)
    text += f", {overlap} overlap. " if overlap else ". "
    duration = about(seconds)
    text += f"{duration[0].upper()}{duration[1:]}. " if duration else ""
    return text + ("Results: temporary folder." if is_temporary else f"Results: {folder}.")


def progress_sentence(stage: str, seconds_left: float) -> str:
    """What is being done, and for how long still."""
    left = about(seconds_left)
    return f"{stage} — {left} left" if left else stage


def waiting_sentence(waiting: int) -> str:
    """How many runs wait behind the one in work; "" for none."""
    return f"{waiting} more waiting" if waiting > 0 else ""


_ADVICE = {
    Verdict.TRUSTED.value: (GOOD, ""),
    Verdict.CARE.value: (CARE, "Compare both layers and look at the GCPs with large residuals before you use it."),
    Verdict.NOT_TRUSTED.value: (
        PROBLEM,
        "Do not use it as it is. Try a smaller area, another band, or a larger 'How far off'.",
    ),
}


def verdict_sentence(text: str, level: str) -> tuple[str, str]:
    """The line about a result and its tone. level: a `Verdict`'s value; an unknown one is shown plainly."""
    tone, advice = _ADVICE.get(level, (PLAIN, ""))
    return f"{text} {advice}".strip(), tone
