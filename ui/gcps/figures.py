"""The figures above the GCP table."""

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


def figures_texts(review: Review) -> tuple[str, str]:
    """Two lines, of the fit and of the check: RMSE, what it was before the edits, how many points take part.

    Where the points fix no transform there is no RMSE.
    """
    before = review.result.assessment.figures
    return (
        f"Fit RMSE {_rmse(review, review.fit, before.rmse_fit)}, {_counted(review, review.fit, GCP)}",
        f"Check RMSE {_rmse(review, review.check, before.rmse_check)}, {_counted(review, review.check, CHECK)}",
    )


def _rmse(review: Review, now: Summary, before: float) -> str:
    if review.problem:
        return "–"
    was = f", was {before:.2f}" if review.is_changed and math.isfinite(before) else ""
    return _length(now, review.metres_per_pixel) + was


def _length(summary: Summary, metres_per_pixel: float) -> str:
    if not math.isfinite(summary.rmse):
        return "–"
    metres = summary.rmse * metres_per_pixel
    return f"{summary.rmse:.2f} px" + (f" ({_sensible(metres)} m)" if math.isfinite(metres) else "")


def _sensible(value: float) -> str:
    """About three significant digits, no exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _counted(review: Review, now: Summary, role: str) -> str:
    total = int((review.table.role == role).sum())
    number = f"{now.count}" if now.count == total else f"{now.count} of {total}"
    noun = "GCP" if role == GCP else "check point"
    return f"{number} {noun}" + ("" if total == 1 else "s")
