"""The figures of a bench, from its rows.

Errors are capped at 20 px and a pair without a transform counts as 20 px: leaving failures out would reward
methods that give up on hard pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..contract import Floats, Verdict
from .records import FAILED, Row

CAP_PX = 20.0
THRESHOLDS = (1, 3, 5)
WRONG_PX = 5.0  # a trusted result further off than this is wrongly trusted
GOOD_PX = 3.0  # a result this close ought to be trusted
SUCCESS_NCM = 10  # PromptMID: a pair is matched with at least this many correct matches
_Z95 = 1.959964


@dataclass(frozen=True)
class Share:
    """A share of pairs with its 95 % interval (Wilson), 0…1; `of` pairs in all."""

    value: float
    low: float
    high: float
    of: int


@dataclass(frozen=True)
class GroupSummary:
    """The figures of a group of pairs; None where they have no meaning (no truth, no verdicts, not measured).

    cmr: by threshold, share of pairs with RMSE below it. rmse_*: pixels, capped at 20, failures counted as 20.
    success: SR, share of pairs with at least 10 correct matches. ncm_mean: correct matches, mean over all pairs.
    ncm_of_success, match_rmse: correct matches, and the root mean square of their errors in pixels, each as the
        mean over the pairs of `success` alone; failures do not count, as in the PromptMID paper. None where no
        pair is a success; match_rmse also where a success was recorded before it was measured.
    auc10: area under the cumulative error curve up to 10 px, 0…1.
    trusted, wrongly_trusted: of all pairs. trusted_of_good: of the pairs registered within 3 px.
    error_over_stated: RMSE against truth over that of the check points, median over the trusted pairs; above 1,
        what the method states of itself is too good. None where no trusted pair has check points.
    no_transform: share of pairs without a transform; failed: number of pairs on which the method broke down.
    consistency: by threshold, share of pairs whose results under two warps differ by less.
    """

    pairs: int
    cmr: dict[str, Share] | None
    rmse_median: float | None
    rmse_mean: float | None
    auc10: float | None
    success: Share | None
    ncm_mean: float | None
    ncm_of_success: float | None
    match_rmse: float | None
    trusted: Share | None
    wrongly_trusted: Share | None
    trusted_of_good: Share | None
    error_over_stated: float | None
    no_transform: Share
    failed: int
    consistency: dict[str, Share] | None
    seconds_median: float
    seconds_p95: float
    peak_mb: float


def share(hits: int, of: int) -> Share | None:
    """Hits among `of` with the Wilson interval, which stays honest near 0 and 1; None for no pairs at all."""
    if of == 0:
        return None
    p, z2 = hits / of, _Z95**2
    middle = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z95 / (1 + z2 / of) * math.sqrt(p * (1 - p) / of + z2 / (4 * of * of))
    low = 0.0 if hits == 0 else middle - half
    high = 1.0 if hits == of else middle + half
    return Share(p, low, high, of)


def auc(errors: Floats, limit: float = 10.0) -> float:
    """Area under the share-of-pairs curve from 0 to `limit` pixels, as a share of the whole rectangle."""
    return float(np.mean(np.clip(1.0 - errors / limit, 0.0, 1.0)))


def capped(rows: Sequence[Row]) -> Floats:
    """(N,) RMSE in pixels, at most 20; 20 where no transform was found."""
    errors = np.array([r.rmse for r in rows], dtype=np.float64)
    return np.minimum(np.nan_to_num(errors, nan=CAP_PX), CAP_PX)


def summarise(rows: Sequence[Row], has_truth: bool, has_consistency: bool) -> GroupSummary:
    """The figures of one group; at least one row.

    has_truth: false under `shuffled`, where every transform is wrong.
    has_consistency: whether two warps were tried.
    """
    n = len(rows)
    errors = capped(rows)
    judged = any(r.verdict not in ("", FAILED) for r in rows)
    trusted = np.array([r.verdict == Verdict.TRUSTED.value for r in rows])
    wrong = trusted & (errors > WRONG_PX)
    good = errors <= GOOD_PX
    ncm = np.array([r.ncm or 0 for r in rows])
    succeeded = [r for r in rows if has_truth and is_success(r)]
    seconds = np.array([r.seconds for r in rows])
    peaks = [r.peak_mb for r in rows if math.isfinite(r.peak_mb)]
    return GroupSummary(
        pairs=n,
        cmr=_below(errors, THRESHOLDS) if has_truth else None,
        rmse_median=float(np.median(errors)) if has_truth else None,
        rmse_mean=float(np.mean(errors)) if has_truth else None,
        auc10=auc(errors) if has_truth else None,
        success=share(len(succeeded), n) if has_truth else None,
        ncm_mean=float(ncm.mean()) if has_truth else None,
        ncm_of_success=_mean([float(r.ncm or 0) for r in succeeded]),
        match_rmse=_mean([r.match_rmse for r in succeeded]),
        trusted=share(int(trusted.sum()), n) if judged else None,
        wrongly_trusted=share(int(wrong.sum()), n) if judged else None,
        trusted_of_good=share(int((trusted & good).sum()), int(good.sum())) if judged and has_truth else None,
        error_over_stated=_over_stated(rows) if has_truth else None,
        no_transform=share(sum(r.affine is None for r in rows), n) or Share(0, 0, 0, 0),
        failed=sum(r.verdict == FAILED for r in rows),
        consistency=_below(_consistency(rows), (1, 3)) if has_consistency else None,
        seconds_median=float(np.median(seconds)),
        seconds_p95=float(np.percentile(seconds, 95)),
        peak_mb=max(peaks, default=math.nan),
    )


def is_success(row: Row) -> bool:
    """Whether a pair is matched in PromptMID's sense: at least 10 tie points within 3 px of truth."""
    return row.ncm is not None and row.ncm >= SUCCESS_NCM


def _mean(values: Sequence[float]) -> float | None:
    """None where there is nothing, or something not measured (NaN), for then it would be the mean of others."""
    return float(np.mean(values)) if len(values) and np.isfinite(values).all() else None


def _over_stated(rows: Sequence[Row]) -> float | None:
    told = [r for r in rows if r.verdict == Verdict.TRUSTED.value and r.check_rmse > 0 and math.isfinite(r.rmse)]
    return float(np.median([r.rmse / r.check_rmse for r in told])) if told else None


def _consistency(rows: Sequence[Row]) -> Floats:
    """(N,) pixels; a pair that failed under one of the warps is infinitely inconsistent."""
    return np.nan_to_num(np.array([r.consistency_rmse for r in rows], dtype=np.float64), nan=np.inf)


def _below(errors: Floats, thresholds: Sequence[int]) -> dict[str, Share]:
    found = {str(t): share(int((errors < t).sum()), len(errors)) for t in thresholds}
    return {name: value for name, value in found.items() if value is not None}


def groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows by group: all, tight, loose, each set, and the tight pairs of each set; no empty groups."""
    named: dict[str, list[Row]] = {
        "all": list(rows),
        "tight": [r for r in rows if r.tight],
        "loose": [r for r in rows if r.tight is False],
    }
    sets = sorted({r.set for r in rows if r.set})
    for name in sets:
        named[name] = [r for r in rows if r.set == name]
        named[f"{name}, tight"] = [r for r in rows if r.set == name and r.tight]
    return {name: members for name, members in named.items() if members}
