"""Runs whose files were written by the engine's own writers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, osr
from sarto.core.contract import (
    Assessment,
    Figures,
    GcpTable,
    Grid,
    LayerSource,
    OutputOptions,
    RegisterJob,
    RegisterResult,
    TransformRecord,
    Verdict,
    to_dict,
)
from sarto.core.geometry import Projective
from sarto.core.raster import Scene, source_positions, write_aligned, write_gpkg

SIZE = 200


def wkt(epsg: int) -> str:
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    return reference.ExportToWkt()


def write_raster(path: Path, grid: Grid | None, bands: int = 1) -> str:
    values = 10 + np.add.outer(np.arange(SIZE), np.arange(SIZE)) / 2
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), SIZE, SIZE, bands, gdal.GDT_Float32)
    if grid is not None:
        dataset.SetGeoTransform(grid.geotransform)
        dataset.SetProjection(grid.crs)
    for number in range(1, bands + 1):
        dataset.GetRasterBand(number).WriteArray(values)
    del dataset
    return str(path)


def make_table(reference: Grid, moving: Grid, count: int) -> GcpTable:
    rng = np.random.default_rng(5)
    position = rng.uniform(10, SIZE - 10, (count, 2))
    return GcpTable(
        reference, moving, position, position + np.array([4.0, -3.0]), rng.random(count), rng.random(count),
        rng.normal(0, 1.0, (count, 2)), np.arange(count) % 10 != 0,
        np.where(np.arange(count) % 4 == 3, "check", "gcp"),
    )  # fmt: skip


@pytest.fixture
def make_run(tmp_path):
    """make_run(georeferenced=True, count=40, bands=1) → a RegisterResult with its files on the disk."""

    def make(georeferenced: bool = True, count: int = 40, bands: int = 1, name: str = "run") -> RegisterResult:
        folder = tmp_path / name
        folder.mkdir()
        crs = wkt(32632)
        grid = Grid(SIZE, SIZE, (500_000.0, 10.0, 0.0, 5_500_000.0, 0.0, -10.0), crs)
        grid = grid if georeferenced else Grid.of_pixels(SIZE, SIZE)
        optical = write_raster(folder / "optical.tif", grid if georeferenced else None)
        sar = write_raster(folder / "sar.tif", grid if georeferenced else None, bands)
        job = RegisterJob(
            LayerSource(optical, "Optical"), LayerSource(sar, "SAR"), output=OutputOptions(directory=str(folder))
        )
        table = make_table(grid, grid, count)
        shift = Projective("affine", np.array([[1.0, 0, 4], [0, 1, -3], [0, 0, 1]]))
        files = {
            "aligned": str(write_aligned(job.moving, shift.apply, grid, grid, grid, folder / "aligned.tif")),
            "gpkg": str(folder / "gcps.gpkg"),
            "record": str(folder / "record.json"),
            "report": str(folder / "report.html"),
        }
        with Scene(job.moving, "SAR") as scene:
            write_gpkg(table, source_positions(table, scene), files["gpkg"])
        (folder / "report.html").write_text("<p>report</p>")
        figures = Figures(
            count, 30, 10, 60, 0.81, 0.92, 1.4, 0.9, 0.77, 0.6, 0.3, 0.1, 0.5, 0.99, grid.gsd
        )  # fmt: skip
        result = RegisterResult(
            job, grid, grid, table, TransformRecord("affine", shift.to_record().parameters),
            Assessment(Verdict.CARE, ("The check points are few.",), figures), files, ("A note.", "Another."),
        )  # fmt: skip
        Path(files["record"]).write_text(json.dumps(to_dict(result)))
        return result

    return make
