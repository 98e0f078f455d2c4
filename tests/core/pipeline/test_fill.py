"""Fill that a file does not declare is kept out of what is written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from osgeo import gdal
from sarto.core.contract import (
    LayerSource,
    Reporter,
)
from sarto.core.matching import create
from sarto.core.pipeline import register
from sarto.core.pipeline.realign import realign

from .jobs import job_of


def in_db_with_fill(scene, path: Path, fill: float) -> Path:
    """The scene's SAR layer in dB, its left tenth filled with a value that the file does not declare."""
    source = gdal.Open(str(scene.sar))
    shown = source.ReadAsArray().astype(np.float32)
    values = 10 * np.log10(np.maximum(shown if shown.ndim == 2 else shown[0], 1e-3))
    values[:, : values.shape[1] // 10] = fill
    made = gdal.GetDriverByName("GTiff").Create(str(path), values.shape[1], values.shape[0], 1, gdal.GDT_Float32)
    made.SetGeoTransform(source.GetGeoTransform())
    made.SetProjection(source.GetProjection())
    made.GetRasterBand(1).WriteArray(values)
    return path


def test_fill_that_the_file_does_not_declare_is_not_blended_into_the_result(sample_scene, tmp_path: Path) -> None:
    moving = in_db_with_fill(sample_scene, tmp_path / "db.tif", -9999.0)
    job = dataclasses.replace(job_of(sample_scene, tmp_path / "out"), moving=LayerSource(str(moving)))
    result = register(job, create("structural"), kinds=("aligned", "record"))
    aligned = gdal.Open(result.files["aligned"])
    values = aligned.ReadAsArray()
    assert aligned.GetRasterBand(1).GetNoDataValue() == -9999.0
    assert (values == -9999.0).mean() > 0.02
    assert values[values != -9999.0].min() > -40
    assert result.job.moving.nodata == -9999.0  # so that whoever repeats the run, or edits it, knows
    assert result.job.reference.nodata is None


def test_a_warp_by_stored_gcps_does_not_blend_fill_either(finished, sample_scene, tmp_path: Path) -> None:
    moving = in_db_with_fill(sample_scene, tmp_path / "db.tif", -9999.0)
    layers = LayerSource(str(sample_scene.optical)), LayerSource(str(moving))
    told: list[str] = []
    reporter = Reporter(on_log=told.append)
    realign(*layers, finished[1].files["gpkg"], tmp_path / "warped.tif", reporter=reporter)
    warped = gdal.Open(str(tmp_path / "warped.tif"))
    values = warped.ReadAsArray()
    assert warped.GetRasterBand(1).GetNoDataValue() == -9999.0
    assert values[values != -9999.0].min() > -40
    assert any("areas of -9999 are taken for NoData" in text for text in told)
