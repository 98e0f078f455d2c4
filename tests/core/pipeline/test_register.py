"""The whole job on the generated scene, and what happens when it is disturbed."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, ogr
from sarto.core.contract import (
    CHECK,
    GCP,
    Cancelled,
    InputError,
    LayerSource,
    MatchOptions,
    MatchResult,
    ModelOptions,
    OutputError,
    OutputOptions,
    RegisterJob,
    RegisterResult,
    Reporter,
    TiePoints,
    Verdict,
    from_dict,
)
from sarto.core.geometry import from_record
from sarto.core.matching import create
from sarto.core.pipeline import register
from sarto.core.pipeline.deliver import FILES


def job_of(scene, out: Path, **model: object) -> RegisterJob:
    return RegisterJob(
        LayerSource(str(scene.optical)),
        LayerSource(str(scene.sar)),
        match=MatchOptions(points=150),
        model=ModelOptions(**model),
        output=OutputOptions(directory=str(out)),
    )


def true_rmse(result: RegisterResult, truth: np.ndarray) -> float:
    grid = result.reference_grid
    x, y = np.meshgrid(np.linspace(0, grid.width - 1, 20), np.linspace(0, grid.height - 1, 20))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    off = from_record(result.transform).apply(points) - (points @ truth[:, :2].T + truth[:, 2])
    return float(np.sqrt((off**2).sum(axis=1).mean()))


@pytest.fixture(scope="module")
def finished(sample_scene, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "results ü"
    before = sample_scene.fingerprint()
    result = register(job_of(sample_scene, out), create("structural"))
    assert sample_scene.fingerprint() == before
    return out, result


def test_the_true_error_is_below_half_a_pixel(finished, sample_scene) -> None:
    _, result = finished
    assert true_rmse(result, sample_scene.truth) <= 0.5
    assert result.assessment.verdict is Verdict.TRUSTED
    assert result.transform.model == "similarity"


def test_exactly_the_promised_files_are_there(finished) -> None:
    out, result = finished
    assert sorted(os.listdir(out)) == sorted(FILES.values())
    assert result.files == {kind: str(out / name) for kind, name in FILES.items()}


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


def test_existing_results_are_not_overwritten(finished, sample_scene) -> None:
    out, _ = finished
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    with pytest.raises(OutputError, match="exists"):
        register(job_of(sample_scene, out), create("structural"))
    assert {p.name: p.stat().st_mtime_ns for p in out.iterdir()} == before


def test_an_input_is_never_overwritten(sample_scene, tmp_path: Path) -> None:
    own = tmp_path / "aligned.tif"
    own.write_bytes(sample_scene.sar.read_bytes())
    job = RegisterJob(
        LayerSource(str(sample_scene.optical)),
        LayerSource(str(own)),
        output=OutputOptions(directory=str(tmp_path), overwrite=True),
    )
    with pytest.raises(OutputError, match="input"):
        register(job, create("structural"))
    assert own.read_bytes() == sample_scene.sar.read_bytes()


STAGES = [
    "Reading the optical layer",
    "Reading the SAR layer",
    "Searching the position",
    "Matching tie points",
    "Fitting the transform",
    "Warping the moving layer",
    "Writing the aligned raster",
    "Writing the GCPs",
    "Writing the report",
]


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_at_every_stage_leaves_nothing(stage: str, sample_scene, tmp_path: Path) -> None:
    seen: list[str] = []
    reporter = Reporter(on_progress=lambda s, _f: seen.append(s), is_cancelled=lambda: stage in seen)
    before = sample_scene.fingerprint()
    with pytest.raises(Cancelled):
        register(job_of(sample_scene, tmp_path / "out"), create("structural"), reporter)
    assert stage in seen
    assert not (tmp_path / "out").exists()
    assert sample_scene.fingerprint() == before


class FewPoints:
    """Stands in for a matcher on hopeless images: a pose and three tie points."""

    def match(self, task, reporter=None) -> MatchResult:
        points = np.array([[100.0, 100.0], [300.0, 120.0], [200.0, 400.0]])
        ties = TiePoints(points, points + 5, np.full(3, 0.2), np.zeros(3))
        return MatchResult(ties, np.ones(3, bool), np.array([[1.0, 0, 5], [0, 1, 5]]), 0.02, 200)


def test_thin_evidence_is_handed_over_but_not_trusted(sample_scene, tmp_path: Path) -> None:
    result = register(job_of(sample_scene, tmp_path / "out"), FewPoints())
    assert result.assessment.verdict is Verdict.NOT_TRUSTED
    assert len(result.assessment.reasons) >= 3
    assert not result.gcps.enabled.any()
    assert (tmp_path / "out" / "aligned.tif").exists()
    assert np.allclose(from_record(result.transform).apply([[10.0, 20.0]]), [[15, 25]])


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


def test_a_full_disk_is_said_and_leaves_nothing(sample_scene, tmp_path: Path) -> None:
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=1m tmpfs '{tmp_path}' 2>/dev/null"):
        pytest.skip("a small file system can be mounted by root only")
    try:
        with pytest.raises(OutputError):
            register(job_of(sample_scene, tmp_path / "out"), create("structural"))
        assert not list(tmp_path.iterdir())
    finally:
        os.system(f"umount '{tmp_path}'")
