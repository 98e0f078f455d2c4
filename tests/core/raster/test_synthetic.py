"""The synthetic picture as a raster: where it lies, what it says it is, and that it replaces nothing."""

from __future__ import annotations

import os

import numpy as np
import pytest
from osgeo import gdal
from sarto.core.contract import Cancelled, Grid, OutputError, Painting, Reporter
from sarto.core.raster import write_synthetic
from sarto.core.raster.crs import spatial_reference

TOLD = {"METHOD": "promptmid", "WEIGHTS": "promptmid.safetensors (SHA-256 0123456789ab…)"}


def utm_grid(width: int, height: int) -> Grid:
    wkt = spatial_reference("EPSG:32632").ExportToWkt()
    return Grid(width, height, (500_000.0, 10.0, 0.0, 5_500_000.0, 0.0, -10.0), wkt)


def painting(factor: float = 1.0, rows: int = 90, columns: int = 120) -> Painting:
    """Its grey tells the moving pixel: 40 + column / 2 + row / 4; NoData in a corner."""
    half = (factor - 1) / 2
    x, y = np.meshgrid(np.arange(columns) * factor + half, np.arange(rows) * factor + half)
    values = np.rint(40 + x / 2 + y / 4).astype(np.uint8)
    values[:10, :10] = 0
    return Painting(values, np.array([[factor, 0, half], [0, factor, half]]))


def shifted(points):
    return points + np.array([5.0, -3.0])


@pytest.mark.parametrize("factor", [1.0, 2.0])
@pytest.mark.parametrize("georeferenced", [True, False])
def test_it_lies_where_the_moving_image_belongs(tmp_path, factor, georeferenced) -> None:
    rows, columns = (round(n / factor) for n in (90, 120))
    grid = utm_grid(120, 90) if georeferenced else Grid.of_pixels(120, 90)
    path = tmp_path / "synthetic_optical.tif"
    assert write_synthetic(painting(factor, rows, columns), shifted, grid, grid, path, TOLD) == path
    raster = gdal.Open(str(path))
    assert (raster.RasterXSize, raster.RasterYSize, raster.RasterCount) == (120, 90, 1)
    if georeferenced:
        assert raster.GetGeoTransform() == grid.geotransform
        assert raster.GetSpatialRef().GetAuthorityCode(None) == "32632"
    else:
        assert not raster.GetProjection()
    found = raster.ReadAsArray().astype(float)
    x, y = np.meshgrid(np.arange(120) + 5, np.arange(90) - 3)
    inside = (x < 117) & (y > 2) & ~((x < 12 * factor) & (y < 12 * factor))
    assert np.abs(found - (40 + x / 2 + y / 4))[inside].max() <= 1.0
    assert not found[:3].any()  # beyond the moving image
    assert not found[3:8, :3].any()  # NoData of the painting


def test_it_says_that_it_is_synthetic(tmp_path) -> None:
    grid = utm_grid(120, 90)
    raster = gdal.Open(str(write_synthetic(painting(), shifted, grid, grid, tmp_path / "s.tif", TOLD)))
    facts = raster.GetMetadata()
    assert facts["SYNTHETIC"] == "YES"
    assert facts["DESCRIPTION"] == facts["TIFFTAG_IMAGEDESCRIPTION"]
    assert "for the eye only" in facts["DESCRIPTION"]
    assert {name: facts[name] for name in TOLD} == TOLD
    band = raster.GetRasterBand(1)
    assert band.GetDescription() == "synthetic (painted from SAR)"
    assert (band.GetNoDataValue(), band.DataType) == (0, gdal.GDT_Byte)


def test_it_replaces_nothing_and_leaves_nothing_behind(tmp_path) -> None:
    grid, path = utm_grid(120, 90), tmp_path / "s.tif"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        write_synthetic(painting(), shifted, grid, grid, path, TOLD)
    assert path.read_bytes() == b"mine"
    write_synthetic(painting(), shifted, grid, grid, path, TOLD, overwrite=True)
    assert gdal.Open(str(path)) is not None
    said = []

    def progress(stage: str, _fraction: float) -> None:
        said.append(stage)

    with pytest.raises(Cancelled):
        write_synthetic(
            painting(),
            shifted,
            grid,
            grid,
            tmp_path / "t.tif",
            TOLD,
            Reporter(progress, is_cancelled=lambda: bool(said)),
        )
    assert set(said) == {"Writing the synthetic picture"}
    with pytest.raises(OutputError, match=r"synthetic picture.* would not be seen"):
        write_synthetic(painting(), lambda points: points + 1000, grid, grid, tmp_path / "t.tif", TOLD)
    assert os.listdir(tmp_path) == ["s.tif"]
    assert not [name for name in gdal.ReadDir("/vsimem/") or [] if "sarto" in name]
