"""The line of figures above the GCP table."""

from __future__ import annotations

import math

from ...core.contract import CHECK, GCP
from ...core.pipeline import Review, Summary

TOOLTIP = (
    "RMSE = √(mean(dx² + dy²)) over the points that are switched on, in pixels of the analysis.\n"
    "QGIS's Georeferencer divides by the number of points minus the least number that the transform needs, "
    "so that its figure is a little larger.\n"
    "The check points take no part in the fit: their figure is the honest one."
)


def figures_text(review: Review) -> str:
    """Fit and check RMSE with what they were before the edits, and how many points take part."""
    table, before = review.table, review.result.assessment.figures
    scale = review.metres_per_pixel
    parts = []
    for title, role, now, was in (
        ("Fit", GCP, review.fit, before.rmse_fit),
        ("Check", CHECK, review.check, before.rmse_check),
    ):
        total = int((table.role == role).sum())
        noun = "GCP" if role == GCP else "check point"
        parts.append(f"{title} RMSE {_length(now, scale)}{_was(review, was)}, {_counted(now.count, total, noun)}")
    # The line may only break between the two: no number leaves its unit.
    return "  ·  ".join(part.replace(" ", "\u00a0") for part in parts)


def _length(summary: Summary, metres_per_pixel: float) -> str:
    if not math.isfinite(summary.rmse):
        return "–"
    metres = summary.rmse * metres_per_pixel
    return f"{summary.rmse:.2f} px" + (f" ({_sensible(metres)} m)" if math.isfinite(metres) else "")


def _sensible(value: float) -> str:
    """About three significant digits, no exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _was(review: Review, before: float) -> str:
    return f", was {before:.2f} px" if review.is_changed and math.isfinite(before) else ""


def _counted(count: int, total: int, noun: str) -> str:
    number = f"{count}" if count == total else f"{count} of {total}"
    return f"{number} {noun}" + ("" if total == 1 else "s")
