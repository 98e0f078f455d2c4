"""The verdict and its reasons, in plain words.

The rules ask three things: are the images of one place at all (evidence), is the transform known everywhere
(number of GCPs, coverage), and does it predict points that it has not seen (check points).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contract import Assessment, Figures, Verdict


@dataclass(frozen=True)
class Rules:
    """Limits of the verdict, each with a value for 'trusted' and one for 'usable with care'.

    evidence: set on pairs of different places so that fewer than 1 % of them are trusted (docs/benchmarks.md).
    error_px: check-point RMSE. points: GCPs and check points that the pose did not help to find, for trust also
    `agreeing_share` of the places tried, but never more than `plenty`: windows overlap, so that a few may agree by
    chance. coverage: share of the overlap; a stiff model (shift, similarity) cannot bend where there are no GCPs
    and needs less.
    """

    evidence: tuple[float, float] = (0.50, 0.20)
    error_px: tuple[float, float] = (3.0, 5.0)
    coverage: tuple[float, float] = (0.60, 0.25)
    coverage_stiff: tuple[float, float] = (0.30, 0.15)
    points: tuple[int, int] = (12, 8)
    agreeing_share: float = 0.2
    plenty: int = 60


RULES = Rules()
STIFF = ("shift", "similarity")


def judge(figures: Figures, model: str, rules: Rules = RULES) -> Assessment:
    """Verdict for the figures of one registration. model: the transform that was fitted."""
    doubts: list[tuple[int, str]] = []  # (grade that it allows: 1 = with care, 2 = not trusted; reason)
    praise: list[str] = []

    def check(value: float, limits: tuple[float, float], larger_is_better: bool, bad: str, good: str) -> None:
        sign = 1.0 if larger_is_better else -1.0
        if not np.isfinite(value) or sign * value < sign * limits[1]:
            doubts.append((2, bad))
        elif sign * value < sign * limits[0]:
            doubts.append((1, bad))
        else:
            praise.append(good)

    f = figures
    count = min(f.gcps + f.check_points, round(f.inlier_share * f.tried))
    wanted = max(rules.points[0], min(round(rules.agreeing_share * f.tried), rules.plenty))
    check(
        f.evidence,
        rules.evidence,
        True,
        f"The two images agree hardly better than images of different places would (evidence {f.evidence:.2f}).",
        f"The images clearly show the same place (evidence {f.evidence:.2f}).",
    )
    check(
        float(count),
        (wanted, rules.points[1]),
        True,
        f"Only {count} of {f.tried} places tried gave a tie point that agrees with the others; "
        f"for trust it takes {wanted}.",
        f"{count} of {f.tried} places tried gave tie points that agree.",
    )
    check(
        f.coverage,
        rules.coverage_stiff if model in STIFF else rules.coverage,
        True,
        f"GCPs lie near only {f.coverage:.0%} of the overlap; elsewhere the result is extrapolated.",
        f"GCPs cover {f.coverage:.0%} of the overlap.",
    )
    check(
        f.rmse_check,
        rules.error_px,
        False,
        "There are too few check points to measure the error."
        if not np.isfinite(f.rmse_check)
        else f"Check points are off by {f.rmse_check:.1f} px (RMSE).",
        f"Held-out check points fit within {f.rmse_check:.1f} px (RMSE).",
    )
    grade = max((level for level, _ in doubts), default=0)
    verdict = (Verdict.TRUSTED, Verdict.CARE, Verdict.NOT_TRUSTED)[grade]
    reasons = [reason for _, reason in sorted(doubts, key=lambda d: -d[0])]
    return Assessment(verdict, tuple(reasons or praise), figures)
