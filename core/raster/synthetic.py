"""The synthetic picture: what a method painted of the moving image, on the aligned raster's place.

Name, metadata and band all say that it is synthetic, so that nobody takes it for an image of an optical sensor.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from osgeo import gdal

from ..contract import SILENT, Grid, LayerSource, OutputError, Painting, Points, Reporter
from .gdal_tools import gdal_errors, quiet_gdal
from .target import Backward
from .warp import write_aligned

ABOUT = (
    "Synthetic picture: what the SAR image might look like to an optical sensor, as a network imagines it. "
    "Nothing in it was measured by an optical sensor; it is for the eye only."
)
BAND = "synthetic (painted from SAR)"
LABEL = "synthetic picture"
_STAGE = "Writing the synthetic picture"


def write_synthetic(
    painted: Painting,
    backward: Backward,
    reference_grid: Grid,
    target: Grid,
    path: str | Path,
    told: Mapping[str, str],
    reporter: Reporter = SILENT,
    overwrite: bool = False,
) -> Path:
    """Warp a painting onto `target` and write it as Cloud Optimized GeoTIFF, 0 = NoData; returns the path.

    backward: `reference_grid` pixel positions → pixels of the moving image that was painted.
    told: further metadata items, such as METHOD.
    Raises OutputError (path exists, disk full, nothing would be seen), Cancelled.
    """
    linear = np.linalg.inv(painted.lattice[:, :2])
    rows, columns = painted.values.shape

    def to_painting(points: Points) -> Points:
        moved = np.asarray(backward(points), dtype=np.float64) - painted.lattice[:, 2]
        found: Points = np.asarray(moved @ linear.T, dtype=np.float64)
        return found

    def progress(_stage: str, fraction: float) -> None:
        reporter.on_progress(_STAGE, fraction)

    with _in_memory(painted, told) as name:
        return write_aligned(
            LayerSource(name, LABEL),
            to_painting,
            reference_grid,
            Grid.of_pixels(columns, rows),
            target,
            path,
            "bilinear",
            Reporter(progress, reporter.on_log, reporter.is_cancelled),
            overwrite,
        )


@contextmanager
def _in_memory(painted: Painting, told: Mapping[str, str]) -> Iterator[str]:
    """The name of a raster in memory that holds the painting, on its own pixels."""
    name = f"/vsimem/sarto-{uuid.uuid4().hex}.tif"
    rows, columns = painted.values.shape
    try:
        with gdal_errors(OutputError, "The synthetic picture could not be prepared"):
            raster = gdal.GetDriverByName("GTiff").Create(name, columns, rows, 1, gdal.GDT_Byte)
            facts = {"SYNTHETIC": "YES", "DESCRIPTION": ABOUT, "TIFFTAG_IMAGEDESCRIPTION": ABOUT}
            raster.SetMetadata({**told, **facts, "TIFFTAG_SOFTWARE": "Sarto"})
            band = raster.GetRasterBand(1)
            band.SetDescription(BAND)
            band.SetNoDataValue(0)
            band.WriteArray(np.ascontiguousarray(painted.values))
            raster.FlushCache()
            del band, raster  # closing writes the rest
        yield name
    finally:
        with quiet_gdal():
            gdal.Unlink(name)
