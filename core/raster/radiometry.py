"""From pixel values to 8-bit images for matching. The delivered raster keeps its values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import Flags, InputError, Pixels

Array = npt.NDArray[np.floating[Any]]

POWER, AMPLITUDE, DB, EIGHT_BIT = "power", "amplitude", "db", "8bit"

# Calibrated backscatter lies within about -60 … +25 dB; 20·log10 of raw amplitudes reaches 100.
_DB_LOWEST, _DB_HIGHEST = -100.0, 130.0
# Speckle and terrain spread linear values widely (coefficient of variation ≥ 0.4), their logarithms little.
_DB_VARIATION = 0.3
# sigma0 in linear power rarely exceeds 10 even in cities; amplitudes in digital numbers do everywhere.
_POWER_MEDIAN = 10.0


def detect_sar_kind(sample: npt.NDArray[np.generic], dtype: str = "") -> str:
    """Tell what SAR values are: "power", "amplitude", "db" or "8bit".

    sample: values of any shape; NaN and zeros (fill) are ignored. dtype: name of the stored type ("Byte",
    "uint8", "Float32" …); the sample's own if empty.
    Between power and amplitude the doubt is harmless: the logarithm makes of one the double of the other,
    and the stretch undoes that.
    """
    if (dtype or str(sample.dtype)).lower() in ("byte", "uint8"):
        return EIGHT_BIT
    values = np.asarray(sample, dtype=np.float64).ravel()
    values = values[np.isfinite(values) & (values != 0)]
    if len(values) == 0:
        return POWER
    low, median, high = np.percentile(values, [2, 50, 98])
    # Noise-corrected power has a few tiny negatives; dB has many, whole units below zero.
    if low < -1.0 and np.mean(values < 0) > 0.05:
        return DB
    spread = float(values.std() / abs(values.mean())) if values.mean() else math.inf
    if low > 1.0 and high < _DB_HIGHEST and spread < _DB_VARIATION and not _is_integer(dtype, sample):
        return DB
    return POWER if median < _POWER_MEDIAN and not _is_integer(dtype, sample) else AMPLITUDE


def _is_integer(dtype: str, sample: npt.NDArray[np.generic]) -> bool:
    name = (dtype or str(sample.dtype)).lower()
    return "int" in name and "float" not in name


def db_unit(sample: npt.NDArray[np.generic]) -> float:
    """Units per dB: 1, or 10, 100, 1000 where dB were stored as scaled integers (-2350 for -23.5 dB)."""
    values = np.asarray(sample, dtype=np.float64)
    values = values[np.isfinite(values)]
    lowest = float(np.percentile(values, 2)) if len(values) else 0.0
    unit = 1.0
    while lowest / unit < _DB_LOWEST and unit < 1000:
        unit *= 10
    return unit


def to_power(values: Array, kind: str, unit: float = 1.0) -> Array:
    """SAR values of a kind → linear power, same shape; NaN where there is none (zero, negative, not finite).

    unit: see `db_unit`. 8-bit values are a display already and only become floating.
    """
    values = np.asarray(values, dtype=np.result_type(values, np.float32))
    with np.errstate(all="ignore"):
        if kind == DB:
            power = np.power(10.0, values / (10.0 * unit)).astype(values.dtype)
        elif kind == AMPLITUDE:
            power = np.where(values > 0, values * values, np.nan)
        else:
            power = values
    usable = np.isfinite(power) if kind == EIGHT_BIT else np.isfinite(power) & (power > 0)
    return np.where(usable, power, np.asarray(np.nan, dtype=values.dtype))


def power_to_db(power: Array, kind: str) -> Array:
    """Linear power, as `to_power` made it of `kind`, → dB; displays (8 bit) stay as they are."""
    if kind == EIGHT_BIT:
        return power
    with np.errstate(all="ignore"):
        return np.asarray(10.0 * np.log10(power))


def stretch_limits(values: Array, valid: Flags, low: float, high: float, label: str) -> tuple[float, float]:
    """Percentiles `low` and `high` (0…100) of the valid values, to be shown black and white.

    Raises InputError, naming the layer, if there are no valid values or all are the same.
    """
    chosen = values[valid]
    if chosen.size == 0:
        raise InputError(
            f"Layer '{label}' has no valid pixels in the overlap.",
            "Choose another area or check its NoData value.",
        )
    black, white = (float(v) for v in np.percentile(chosen, [low, high]))
    if black < white:
        return black, white
    black, white = float(chosen.min()), float(chosen.max())
    if black < white:
        return black, white
    raise InputError(
        f"Layer '{label}' is constant: all its pixels in the overlap are {black:g}.",
        "Choose another band or another area.",
    )


def to_uint8(values: Array, valid: Flags, low: float, high: float) -> Pixels:
    """Stretch `low`…`high` linearly to 1…255, clipped; 0 where not valid. Same shape."""
    with np.errstate(all="ignore"):
        scaled = np.clip((values - low) * (254.0 / (high - low)), 0.0, 254.0) + 1.5
    return np.where(valid, np.nan_to_num(scaled, nan=0.0), 0.0).astype(np.uint8)


# Written by many programs for "nothing here"; besides them, any value far from all others.
_USUAL_FILL = (-9999.0, -32768.0, float(np.finfo(np.float32).min))


def find_fill(values: Array, valid: Flags, dtype: str = "") -> float | None:
    """The value that stands for NoData although the file does not declare it; None if there is none.

    values: (bands, rows, columns) as stored. dtype: the stored type, GDAL's name.
    Fill is the same in all bands: zeros in areas, or the lowest or highest value if it stands apart from the
    others by more than their spread, and is one of the usual values or fills areas. (In 8 bits only zeros: the
    extremes are ordinary there.)
    """
    if dtype != "Byte" and valid.any():
        for extreme in (values[:, valid].min(), values[:, valid].max()):
            same = np.isclose(values, extreme, rtol=1e-6, atol=0.0).all(axis=0) & valid
            usual = bool(np.isclose(extreme, _USUAL_FILL, rtol=1e-6, atol=0.0).any())
            if (
                extreme != 0
                and (usual or _fills_areas(same, 0.8))
                and _stands_apart(extreme, values[:, valid & ~same])
            ):
                return float(extreme)
    return 0.0 if _fills_areas((values == 0).all(axis=0) & valid) else None


def _stands_apart(value: float, others: Array) -> bool:
    """Whether a value is further from the others than they are spread. Their tails are blends with the fill."""
    if others.size == 0:
        return False
    low, high = (float(v) for v in np.percentile(others, [5, 95]))
    return max(low - float(value), float(value) - high) > high - low


def _fills_areas(same: Flags, enclosed_share: float = 0.95) -> bool:
    """Whether pixels make up over 1 % of the picture and hang together: most have only such neighbours.

    Dark or saturated pixels are scattered. A picture of nothing else has no fill.
    """
    if same.mean() < 0.01 or same.all():
        return False
    inner = same[1:-1, 1:-1]
    enclosed = inner & same[:-2, 1:-1] & same[2:, 1:-1] & same[1:-1, :-2] & same[1:-1, 2:]
    return bool(enclosed.sum() > enclosed_share * inner.sum() > 0)
