"""What is measured on one pair, given the truth."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..contract import Floats
from ..geometry import affine
from .methods import Answer
from .protocols import Layout, Sample

CORRECT_TIE_PX = 3.0  # a tie point within this of truth is a correct match


def pose_rmse(found: Floats | None, sample: Sample) -> float:
    """Root mean square error in SAR pixels over a dense grid of the optical window; NaN if it has no meaning."""
    if found is None or sample.truth is None:
        return float("nan")
    shape = sample.optical.shape
    return affine.grid_distance(found, sample.truth, (shape[0], shape[1]), n=32)


def tie_errors(reference: npt.ArrayLike, moving: npt.ArrayLike, truth: Floats | None) -> Floats:
    """(N,) distance in SAR pixels of each tie point from where the truth puts it; NaN without truth."""
    observed = np.asarray(moving, dtype=np.float64).reshape(-1, 2)
    if truth is None:
        return np.full(len(observed), np.nan)
    expected = affine.apply(truth, np.asarray(reference, dtype=np.float64).reshape(-1, 2))
    return np.asarray(np.hypot(*(expected - observed).T), dtype=np.float64)


@dataclass(frozen=True)
class CorrectMatches:
    """The tie points that a transform rests on and that are within 3 px of truth.

    count: NCM; None without truth. rmse: root mean square of their errors in SAR pixels; NaN where there are none.
    """

    count: int | None
    rmse: float


def correct_matches(answer: Answer, sample: Sample) -> CorrectMatches:
    """NCM and RMSE of one pair, as PromptMID measures them (arXiv 2502.18104)."""
    if sample.truth is None:
        return CorrectMatches(None, float("nan"))
    errors = tie_errors(answer.ties.reference, answer.ties.moving, sample.truth)
    errors = errors[errors <= CORRECT_TIE_PX]
    return CorrectMatches(len(errors), float(np.sqrt(np.mean(errors**2))) if len(errors) else float("nan"))


def consistency_rmse(first: Floats | None, second: Floats | None, samples: tuple[Sample, Sample]) -> float:
    """Distance in pixels of the SAR chip between what two warps of one pair led to; NaN if one failed.

    Each result is taken back to the two chips by its own known window and warp, which leaves the method's
    answer to "where does this optical pixel lie in the SAR chip". The published alignment cancels out: it can
    be wrong without harm. Compared over a dense grid of the part of the chip that both optical windows show.
    """
    if first is None or second is None:
        return float("nan")
    a, b = to_chips(first, samples[0]), to_chips(second, samples[1])
    grid = _common_grid(samples)
    return float(np.sqrt(np.mean(np.sum((affine.apply(a, grid) - affine.apply(b, grid)) ** 2, axis=1))))


def to_chips(found: Floats, windows: Sample | Layout) -> Floats:
    """A result between two windows as an affine optical chip pixel → SAR chip pixel."""
    to_window = np.column_stack([np.eye(2), -np.array(windows.origin, dtype=np.float64)])
    return affine.compose(windows.to_chip, affine.compose(found, to_window))


def _common_grid(samples: tuple[Sample, Sample], n: int = 32) -> Floats:
    """(n², 2) positions in the optical chip over the overlap of both windows."""
    origins = np.array([s.origin for s in samples], dtype=np.float64)
    ends = origins + np.array([s.optical.shape[::-1] for s in samples]) - 1
    low, high = origins.max(axis=0), ends.min(axis=0)
    x, y = np.meshgrid(np.linspace(low[0], high[0], n), np.linspace(low[1], high[1], n))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def restart_peak_memory() -> None:
    """Let the high-water mark begin anew where the system can (Linux): one run does not count for the next."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_mb() -> float:
    """High-water mark of this process in MB (10⁶ bytes), so it only rises; NaN where the system has no figure."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
