"""A GCP table refitted, as it happens on every edit of the table, and its summary figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contract import GCP, Flags, Floats, GcpTable, ModelOptions, OptionError, Points
from .fitting import fit, leave_one_out
from .transform import Transform


@dataclass(frozen=True)
class Summary:
    """Residuals of `count` points in pixels.

    rmse: sqrt(mean(dx² + dy²)). ce90: 90th percentile of the lengths (circular error). median, largest: of
    the lengths. All NaN where there are no points.
    """

    count: int
    rmse: float
    ce90: float
    median: float
    largest: float


def refit(table: GcpTable, model: str, smoothing: float = ModelOptions.smoothing) -> tuple[Transform, GcpTable]:
    """Fit `model` to the enabled GCPs and give every row (check points and disabled ones too) its residual.

    Raises OptionError for 'auto' (see `choose_model`), InputError where the GCPs do not suffice.
    """
    if model == "auto":
        raise OptionError("A GCP table is refitted with a definite model, not 'auto'.", "Choose a model.")
    used = table.used(GCP)
    transform = fit(model, table.reference_px[used], table.moving_px[used], smoothing=smoothing)
    return transform, table.with_columns(residual_px=transform.residuals(table.reference_px, table.moving_px))


def loo_rmse(table: GcpTable, model: str, smoothing: float = ModelOptions.smoothing) -> float:
    """Root mean square leave-one-out residual of the enabled GCPs, pixels; NaN where there are too few."""
    used = table.used(GCP)
    residual = leave_one_out(model, table.reference_px[used], table.moving_px[used], smoothing=smoothing)
    return summary(residual).rmse if np.isfinite(residual).all() else float("nan")


def summary(residual_px: Points, used: Flags | None = None) -> Summary:
    """Figures of residuals (N, 2), over the rows `used` (N,) or all."""
    chosen = residual_px if used is None else residual_px[used]
    length: Floats = np.hypot(chosen[:, 0], chosen[:, 1])
    if not len(length):
        nan = float("nan")
        return Summary(0, nan, nan, nan, nan)
    return Summary(
        count=len(length),
        rmse=float(np.sqrt((length**2).mean())),
        ce90=float(np.percentile(length, 90)),
        median=float(np.median(length)),
        largest=float(length.max()),
    )
