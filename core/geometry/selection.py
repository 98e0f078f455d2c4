"""'auto': the simplest transform model that the tie points support."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..contract import Flags, Floats, InputError, ModelOptions, Points
from .check_points import independent_count, spatial_blocks
from .fitting import fit, leave_out, minimum_points
from .frame import as_points

LADDER = ("similarity", "affine", "homography", "poly2", "poly3", "tps")
"""Models that 'auto' considers, simplest first. Two images hardly ever differ by a shift alone; where it looks
like that, a similarity costs two parameters, and a small rotation left out costs more."""

_POINTS_PER_MINIMUM = 3  # GCPs wanted for each GCP that the model needs at least
_FEWEST = 3  # GCPs for more than a shift
_STRAIGHT = ("shift", "similarity", "affine")  # cannot bend to errors that neighbouring GCPs share
_TPS_POINTS = 30  # a spline is as flexible as a poly3
_GAIN = 1.12  # a more complex model must lower the held-out error by 12 %
_WORTH = 0.3  # pixels: it must explain at least this much; neighbouring windows share pixels and so some error
_STANDARD_ERRORS = 2.0  # and by two standard errors of the difference, by more where few blocks tell them
_FEWEST_BLOCKS, _MOST_BLOCKS = 5, 36
_MOST_POINTS = 600  # more say nothing new about the model, but cost time
_CLIP = 3.0  # tolerances beyond which a held-out residual counts no more


@dataclass(frozen=True)
class ModelScore:
    """How one model fared.

    rmse_cv: root mean square residual of GCPs in left-out blocks, pixels; NaN where it could not be fitted.
    rmse_check: the same for the check points; NaN without check points.
    remark: why it was passed over, or that it was taken.
    """

    model: str
    rmse_cv: float
    rmse_check: float
    remark: str


@dataclass(frozen=True)
class ModelChoice:
    """The chosen model and the table behind it, simplest model first."""

    model: str
    scores: tuple[ModelScore, ...]


def choose_model(
    reference: npt.ArrayLike,
    moving: npt.ArrayLike,
    is_check: npt.ArrayLike | None = None,
    tolerance: float = ModelOptions.tolerance_px,
    candidates: tuple[str, ...] = LADDER,
    smoothing: float = ModelOptions.smoothing,
    reach: float = 0.0,
) -> ModelChoice:
    """Take the simplest model that is not clearly worse than the best.

    reference, moving: (N, 2) pixels. is_check: (N,) held-back points: they take no part in the comparison,
    but must confirm its outcome. tolerance: pixels, bounds the influence of a single wrong point.

    The measure is the error in left-out spatial blocks of GCPs (cross-validation). A model is clearly worse
    if its error is 12 % larger *and* the difference exceeds two standard errors over the blocks, or as many as
    are as rare with so few blocks (the one-standard-error rule of Breiman et al. 1984, stricter). Only models
    are tried that have three GCPs for each that they need at least; for models that can bend, GCPs closer than
    `reach` pixels, whose errors are alike, count as one.
    With too few GCPs for any, the simplest is taken, and with fewer than three a shift.
    """
    r, m = as_points(reference, "reference"), as_points(moving, "moving")
    held = np.zeros(len(r), dtype=np.bool_) if is_check is None else np.asarray(is_check, dtype=np.bool_)
    gcps = np.flatnonzero(~held)
    independent = independent_count(r[gcps], reach)
    tried = [c for c in candidates if _enough(c, len(gcps) if c in _STRAIGHT else independent)]
    if not tried:
        return ModelChoice("shift" if len(gcps) < _FEWEST else min(candidates, key=_parameters), ())
    errors = _block_errors(r[gcps], m[gcps], tried, smoothing, _CLIP * tolerance, reach)
    check = {c: _check_rmse(c, r, m, held, smoothing) for c in tried}
    chosen = _confirmed(_simplest(errors, tried), tried, check)
    scores = tuple(
        ModelScore(c, float(np.sqrt(errors[c].mean())), check[c], _remark(c, chosen, tried)) for c in tried
    )
    skipped = tuple(ModelScore(c, np.nan, np.nan, "too few GCPs") for c in candidates if c not in tried)
    return ModelChoice(chosen, scores + skipped)


def _parameters(model: str) -> int:
    return _TPS_POINTS if model == "tps" else minimum_points(model)


def _enough(model: str, count: int) -> bool:
    return count >= (_TPS_POINTS if model == "tps" else _POINTS_PER_MINIMUM * minimum_points(model))


def _block_errors(
    r: Points, m: Points, candidates: list[str], smoothing: float, clip: float, reach: float
) -> dict[str, Floats]:
    """For each model the mean squared, clipped residual in each left-out block (B,); NaN if not fitted.

    There are no more blocks than places with errors of their own, but at least five.
    """
    if len(r) > _MOST_POINTS:
        kept = np.unique(spatial_blocks(r, _MOST_POINTS), return_index=True)[1]
        r, m = r[kept], m[kept]
    most = int(np.clip(independent_count(r, reach), _FEWEST_BLOCKS, _MOST_BLOCKS))
    count = min(len(r), int(np.clip(len(r) // 4, _FEWEST_BLOCKS, most)))
    blocks = spatial_blocks(r, count)
    size = np.bincount(blocks, minlength=count)
    errors = {c: np.full(count, np.nan) for c in candidates}
    for model in candidates:
        with contextlib.suppress(InputError):
            squared = (leave_out(model, r, m, blocks, smoothing) ** 2).sum(axis=1)
            errors[model] = np.bincount(blocks, np.minimum(squared, clip**2), minlength=count) / size
    return errors


def _simplest(errors: dict[str, Floats], candidates: list[str]) -> str:
    """The first candidate that is not clearly worse than the one with the lowest error."""
    valid = [c for c in candidates if np.isfinite(errors[c]).all()]
    if not valid:
        return candidates[0]
    best = min(valid, key=lambda c: float(errors[c].mean()))
    return next(c for c in valid if not _clearly_worse(errors[c], errors[best]))


def _clearly_worse(errors: Floats, best: Floats) -> bool:
    difference = errors - best
    standard_error = difference.std(ddof=1) / np.sqrt(len(difference))
    much = errors.mean() > _GAIN**2 * best.mean() and errors.mean() > best.mean() + _WORTH**2
    return bool(much and difference.mean() > _as_rare(_STANDARD_ERRORS, len(difference)) * standard_error)


def _as_rare(deviations: float, count: int) -> float:
    """Standard errors of the mean of `count` values that are as rare as so many standard deviations.

    Student's quantile by its expansion (Fisher, Cornish 1960), within 1 % from five values on.
    """
    z, n = deviations, count - 1
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / n + second / n**2 + third / n**3


def _check_rmse(model: str, r: Points, m: Points, held: Flags, smoothing: float) -> float:
    if not held.any():
        return float("nan")
    try:
        residual = fit(model, r[~held], m[~held], smoothing=smoothing).residuals(r[held], m[held])
    except InputError:
        return float("nan")
    return float(np.sqrt((residual**2).sum(axis=1).mean()))


def _confirmed(chosen: str, tried: list[str], check: dict[str, float]) -> str:
    """Step down to a simpler model while that predicts the check points as well."""
    while (position := tried.index(chosen)) > 0:
        simpler = min(tried[:position], key=lambda c: np.nan_to_num(check[c], nan=np.inf))
        if not check[simpler] <= check[chosen]:
            break
        chosen = simpler
    return chosen


def _remark(model: str, chosen: str, tried: list[str]) -> str:
    if model == chosen:
        return "taken"
    return "too coarse" if tried.index(model) < tried.index(chosen) else "no clear gain"
