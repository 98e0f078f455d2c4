"""The synthetic picture through a whole run, with a stand-in that paints the negative of the SAR image."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from sarto.core.contract import LayerSource, MatchOptions, OutputError, OutputOptions, RegisterJob, Reporter
from sarto.core.matching import create, methods_with
from sarto.core.pipeline import Review, apply_edits, register, register_in_worker

NAME = "synthetic_optical.tif"


def job_of(scene, out: Path | str = "", method: str = "reader", **output) -> RegisterJob:
    return RegisterJob(
        LayerSource(str(scene.optical)),
        LayerSource(str(scene.sar)),
        match=MatchOptions(method=method, points=60),
        output=OutputOptions(**{"directory": str(out), "painted": True, **output}),
    )


def grid_of(path: str) -> tuple[object, ...]:
    raster = gdal.Open(path)
    return raster.RasterXSize, raster.RasterYSize, raster.GetGeoTransform(), raster.GetProjection()


@pytest.mark.parametrize("grid", ["reference", "source"])
def test_a_picture_on_the_aligned_place_through_the_worker(sample_scene, reader_python, tmp_path, grid) -> None:
    result = register_in_worker(job_of(sample_scene, tmp_path / "out", grid=grid), reader_python)
    assert result.files["painted"] == str(tmp_path / "out" / NAME)
    assert grid_of(result.files["painted"]) == grid_of(result.files["aligned"])
    raster = gdal.Open(result.files["painted"])
    facts = raster.GetMetadata()
    assert (facts["SYNTHETIC"], facts["METHOD"], facts["WEIGHTS"]) == ("YES", "reader", "a brush")
    painted = raster.ReadAsArray().astype(float)
    radar = gdal.Open(result.files["aligned"])
    aligned = radar.GetRasterBand(1).ReadAsArray().astype(float)
    both = (painted > 0) & np.isfinite(aligned) & (aligned > 0)
    assert both.mean() > 0.7
    aligned = np.where(both, np.log(np.where(both, aligned, 1)), 0)
    assert np.corrcoef(painted[both], aligned[both])[0, 1] < -0.7
    moved = np.roll(painted, (8, 8), (0, 1))
    assert np.corrcoef(moved[both], aligned[both])[0, 1] > np.corrcoef(painted[both], aligned[both])[0, 1] + 0.1
    assert [note for note in result.notes if NAME in note and "synthetic" in note]
    html = Path(result.files["report"]).read_text(encoding="utf-8")
    assert "painted (synthetic)" in html
    assert 'aria-label="Synthetic picture"' in html


def test_only_on_request(sample_scene, reader, tmp_path) -> None:
    result = register(job_of(sample_scene, tmp_path / "out", painted=False), create("reader"))
    assert result.steps["painting"] is False
    assert "painted" not in result.files
    assert NAME not in os.listdir(tmp_path / "out")
    assert "synthetic" not in Path(result.files["report"]).read_text(encoding="utf-8")
    assessed = register(job_of(sample_scene), create("reader"), kinds=())
    assert assessed.steps["painting"] is False


def test_a_method_that_does_not_paint_is_noted_and_nothing_fails(sample_scene, tmp_path) -> None:
    assert "promptmid" in methods_with("paints")
    assert "structural" not in methods_with("paints")
    said: list[str] = []
    job = job_of(sample_scene, tmp_path / "out", "structural")
    result = register(job, create("structural"), Reporter(on_log=said.append))
    note = "No synthetic picture was written: the method 'structural' paints none."
    assert note in result.notes
    assert note in said
    assert NAME not in os.listdir(tmp_path / "out")


def test_a_file_in_the_way_is_said_before_the_work(sample_scene, tmp_path) -> None:
    (tmp_path / NAME).write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        register(job_of(sample_scene, tmp_path), None)
    assert (tmp_path / NAME).read_bytes() == b"mine"


def test_without_the_aligned_raster(sample_scene, reader, tmp_path) -> None:
    result = register(job_of(sample_scene, tmp_path / "out"), create("reader"), kinds=("painted", "record"))
    assert sorted(os.listdir(tmp_path / "out")) == ["record.json", NAME]
    assert grid_of(result.files["painted"])[:2] == grid_of(str(sample_scene.optical))[:2]


def test_edits_say_that_there_is_none_any_more(sample_scene, reader, tmp_path) -> None:
    result = register(job_of(sample_scene, tmp_path / "a"), create("reader"))
    review = Review.load(Path(result.files["record"]))
    review.set_enabled([0], False)
    again = apply_edits(review.edited(), str(tmp_path / "b"))
    assert "painted" not in again.files
    assert NAME not in os.listdir(tmp_path / "b")
    assert [note for note in again.notes if "synthetic" in note] == [
        "The synthetic picture was not written again: it is painted while the images are matched."
    ]


def test_a_painting_of_nothing_is_none(sample_scene, reader, tmp_path, monkeypatch) -> None:
    blank = reader.painting_of
    monkeypatch.setattr(
        reader, "painting_of", lambda moving: replace(blank(moving), values=0 * blank(moving).values)
    )
    result = register(job_of(sample_scene, tmp_path / "out"), create("reader"))
    assert "painted" not in result.files
