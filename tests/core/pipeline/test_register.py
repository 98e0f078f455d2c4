"""The whole job on the generated scene, and what happens when it is disturbed."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, ogr
from sarto.core.contract import (
    CHECK,
    GCP,
    InputError,
    LayerSource,
    OptionError,
    OutputOptions,
    RegisterJob,
    RegisterResult,
    Reporter,
    Verdict,
    from_dict,
)
from sarto.core.geometry import from_record
from sarto.core.matching import create
from sarto.core.pipeline import register
from sarto.core.pipeline.deliver import FILES
from sarto.core.pipeline.register import with_absolute_paths

from .jobs import FewPoints, job_of, true_rmse


def test_the_true_error_is_below_half_a_pixel(finished, sample_scene) -> None:
    _, result = finished
    assert true_rmse(result, sample_scene.truth) <= 0.5
    assert result.assessment.verdict is Verdict.TRUSTED
    assert result.transform.model == "similarity"


def test_exactly_the_promised_files_are_there(finished) -> None:
    out, result = finished
    unasked = {kind: name for kind, name in FILES.items() if kind not in ("land_cover", "painted")}
    assert sorted(os.listdir(out)) == sorted(unasked.values())
    assert result.files == {kind: str(out / name) for kind, name in unasked.items()}


def test_the_aligned_raster_lies_on_the_reference(finished, sample_scene) -> None:
    """Measured by registering the result again: what is left must be far below a pixel."""
    out, _ = finished
    again = RegisterJob(LayerSource(str(sample_scene.optical)), LayerSource(str(out / "aligned.tif")))
    result = register(again, create("structural"), kinds=())
    left = result.gcps.moving_px - result.gcps.reference_px
    assert np.hypot(*np.median(left, axis=0)) < 0.6
    assert result.assessment.verdict is Verdict.TRUSTED


def test_the_aligned_raster_keeps_everything(finished, sample_scene) -> None:
    out, _ = finished
    source, aligned = gdal.Open(str(sample_scene.sar)), gdal.Open(str(out / "aligned.tif"))
    assert aligned.RasterCount == source.RasterCount
    assert aligned.GetMetadataItem("LAYOUT", "IMAGE_STRUCTURE") == "COG"
    for band in (1, 2):
        a, s = aligned.GetRasterBand(band), source.GetRasterBand(band)
        assert a.DataType == s.DataType
        assert a.GetDescription() == s.GetDescription()


def test_roles_and_figures_agree_with_the_table(finished) -> None:
    _, result = finished
    table, figures = result.gcps, result.assessment.figures
    assert figures.gcps == (table.role == GCP).sum()
    assert figures.check_points == (table.role == CHECK).sum() > 20
    held = table.residual_px[table.role == CHECK]
    assert figures.rmse_check == pytest.approx(np.sqrt((held**2).sum(axis=1).mean()))
    transform = from_record(result.transform)
    again = transform.residuals(table.reference_px, table.moving_px)
    assert np.allclose(again, table.residual_px)


def test_the_geopackage_holds_points_and_links(finished) -> None:
    out, result = finished
    source = ogr.Open(str(out / "gcps.gpkg"))
    assert source.GetLayerByName("gcps").GetFeatureCount() == len(result.gcps)
    assert source.GetLayerByName("links").GetFeatureCount() == len(result.gcps)


def test_the_record_repeats_the_run(finished, sample_scene, tmp_path: Path) -> None:
    out, result = finished
    stored = from_dict(RegisterResult, json.loads((out / "record.json").read_text(encoding="utf-8")))
    assert stored.job == result.job
    output = dataclasses.replace(stored.job.output, directory=str(tmp_path / "again"))
    again = register(dataclasses.replace(stored.job, output=output), create("structural"))
    assert np.allclose(again.gcps.moving_px, result.gcps.moving_px)
    assert again.transform == result.transform


def test_options_of_a_hand_made_job_are_checked_first(sample_scene, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="check_share"):
        register(job_of(sample_scene, tmp_path / "out", check_share=float("nan")), FewPoints())
    assert not (tmp_path / "out").exists()


def test_the_time_includes_writing(sample_scene, tmp_path: Path, monkeypatch) -> None:
    from sarto.core.pipeline import deliver

    def slow(*_: object) -> None:
        time.sleep(1.0)

    monkeypatch.setattr(deliver, "write_gpkg", slow)
    before = time.monotonic()
    ended: list[float] = []
    reporter = Reporter(
        on_progress=lambda stage, _: ended.append(time.monotonic()) if "Fitting" in stage else None
    )
    result = register(job_of(sample_scene, tmp_path / "out"), FewPoints(), reporter, ("gpkg", "record"))
    assert result.seconds >= ended[-1] - before + 0.9
    record = json.loads((tmp_path / "out" / "record.json").read_text(encoding="utf-8"))
    assert record["seconds"] == result.seconds


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.tif", "{0}/a.tif"),
        ("a.tif|option:NUM_THREADS=2", "{0}/a.tif|option:NUM_THREADS=2"),
        ("b.gpkg|layername=x", "{0}/b.gpkg|layername=x"),
        ("GPKG:b.gpkg:x", "GPKG:{0}/b.gpkg:x"),
        ("GPKG:b.gpkg:x|option:A=B", "GPKG:{0}/b.gpkg:x|option:A=B"),
        ('NETCDF:"c:d.nc":band', 'NETCDF:"{0}/c:d.nc":band'),
        ("GTIFF_DIR:2:a.tif", "GTIFF_DIR:2:{0}/a.tif"),
        ("GPKG:/elsewhere/b.gpkg:x", "GPKG:/elsewhere/b.gpkg:x"),
        ("/vsizip/a.zip/a.tif", "/vsizip/a.zip/a.tif"),
        ("missing.tif|layername=x", "missing.tif|layername=x"),
        ("", ""),
    ],
)
def test_sources_mean_the_same_from_any_folder(source: str, expected: str, tmp_path: Path, monkeypatch) -> None:
    for name in ("a.tif", "b.gpkg", "c:d.nc"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    job = with_absolute_paths(RegisterJob(LayerSource(source), LayerSource("b.gpkg")))
    assert job.reference.source == expected.format(tmp_path)


@pytest.mark.parametrize("model", ["shift", "similarity", "affine", "homography", "poly2", "tps"])
def test_every_model_delivers(model: str, sample_scene, tmp_path: Path) -> None:
    job = job_of(sample_scene, tmp_path / "out", model=model)
    result = register(job, create("structural"), kinds=("gpkg", "record"))
    assert result.transform.model == model
    assert true_rmse(result, sample_scene.truth) < (6 if model == "shift" else 1)


def test_layers_that_do_not_overlap_are_named(sample_scene, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.tif"
    copy = gdal.Translate(str(moved), str(sample_scene.sar))
    transform = list(copy.GetGeoTransform())
    transform[0] += 1e6
    copy.SetGeoTransform(transform)
    del copy
    with pytest.raises(InputError, match=r"elsewhere\.tif"):
        register(
            RegisterJob(
                LayerSource(str(sample_scene.optical)),
                LayerSource(str(moved)),
                output=OutputOptions(directory=str(tmp_path / "out")),
            ),
            create("structural"),
        )
    assert not (tmp_path / "out").exists()


def test_an_image_against_itself_stays_where_it_is(sample_scene) -> None:
    """No half pixel is lost anywhere between reading, matching and fitting."""
    layer = LayerSource(str(sample_scene.optical))
    result = register(RegisterJob(layer, dataclasses.replace(layer, bands="mean")), create("structural"), kinds=())
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    assert true_rmse(result, identity) < 0.02


def test_a_site_s_own_grid_has_no_geojson_but_all_the_rest(sample_scene, tmp_path: Path) -> None:
    layers = []
    for path in (sample_scene.optical, sample_scene.sar):
        local = 'LOCAL_CS["site grid",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
        layers.append(LayerSource(str(tmp_path / path.name)))
        gdal.Translate(layers[-1].source, str(path), outputSRS=local)
    job = dataclasses.replace(job_of(sample_scene, tmp_path / "out"), reference=layers[0], moving=layers[1])
    result = register(job, create("structural"))
    assert result.assessment.verdict is Verdict.TRUSTED
    assert "geojson" not in result.files
    assert {"aligned", "gpkg", "csv", "points"} <= set(result.files)
    assert any("No GeoJSON" in note for note in result.notes)


def test_the_same_layer_twice_is_said(sample_scene) -> None:
    layer = LayerSource(str(sample_scene.optical), bands="mean")
    result = register(RegisterJob(layer, layer), create("structural"), kinds=())
    assert any("are the same layer" in note for note in result.notes)
