"""How a raster is best shown on a screen."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ..contract import LayerSource
from .opening import open_raster

_SIDE = 512  # pixels of the reduced picture that decides


def display_limits(path: str | Path) -> list[tuple[float, float]]:
    """Values to be shown black and white, per band: the 2nd and 98th percentile of the valid pixels.

    Reads overviews where there are any. (NaN, NaN) for a band without valid pixels; raises InputError for
    what is no raster.
    """
    dataset = open_raster(LayerSource(str(path)))
    shrink = max(1.0, max(dataset.RasterXSize, dataset.RasterYSize) / _SIDE)
    size = [max(1, round(side / shrink)) for side in (dataset.RasterXSize, dataset.RasterYSize)]
    limits = []
    for number in range(1, dataset.RasterCount + 1):
        band = dataset.GetRasterBand(number)
        values = band.ReadAsArray(buf_xsize=size[0], buf_ysize=size[1]).astype(np.float64)
        mask = band.GetMaskBand().ReadAsArray(buf_xsize=size[0], buf_ysize=size[1])
        valid = values[(mask > 0) & np.isfinite(values)]
        low, high = np.percentile(valid, (2, 98)) if valid.size else (math.nan, math.nan)
        limits.append((float(low), float(high) if high != low else float(high) + 1.0))
    del dataset
    return limits
