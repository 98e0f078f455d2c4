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
    Cancelled,
    Grid,
    InputError,
    LayerSource,
    MatchOptions,
    MatchResult,
    ModelOptions,
    OptionError,
    OutputError,
    OutputOptions,
    PreparedPair,
    RegisterJob,
    RegisterResult,
    Reporter,
    TiePoints,
    Verdict,
    from_dict,
)
from sarto.core.geometry import from_record
from sarto.core.matching import create
from sarto.core.pipeline import conclude, register
from sarto.core.pipeline.deliver import FILES
from sarto.core.pipeline.realign import realign
from sarto.core.pipeline.register import with_absolute_paths


def job_of(scene, out: Path, **model: object) -> RegisterJob:
    return RegisterJob(
        LayerSource(str(scene.optical)),
        LayerSource(str(scene.sar)),
        match=MatchOptions(method="structural", points=150),
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


@pytest.mark.parametrize("form", ["{}|option:NUM_THREADS=1", "vrt"])
def test_an_input_behind_another_name_is_never_overwritten(form: str, sample_scene, tmp_path: Path) -> None:
    own = tmp_path / "aligned.tif"
    own.write_bytes(sample_scene.sar.read_bytes())
    source = form.format(own)
    if form == "vrt":
        source = str(tmp_path / "view.vrt")
        gdal.Translate(source, str(own), format="VRT")
    job = RegisterJob(
        LayerSource(str(sample_scene.optical)),
        LayerSource(source),
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
    "Aligning the SAR layer",
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


class Guided:
    """Tie points by themselves, off by up to a pixel, and sixty that the pose has placed exactly on itself."""

    def __init__(self, own: int = 40) -> None:
        self.own = own

    def match(self, task, reporter=None) -> MatchResult:
        rng = np.random.default_rng(4)
        points = rng.uniform(20, 480, (self.own + 60, 2))
        off = rng.uniform(-1, 1, points.shape) * (np.arange(len(points)) < self.own)[:, None]
        back = np.where(np.arange(len(points)) < self.own, 0.1, np.nan)
        ties = TiePoints(points, points + 5 + off, np.full(len(points), 0.8), back)
        return MatchResult(ties, np.ones(len(points), bool), np.array([[1.0, 0, 5], [0, 1, 5]]), 0.95, 400)


def test_points_that_the_pose_helped_to_find_take_part_in_the_fit_and_tell_no_error() -> None:
    image, grid = np.ones((500, 500), np.uint8), Grid(500, 500, (0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    pair = PreparedPair(image, image, grid, grid)
    solution = conclude(pair, Guided().match(None), ModelOptions(), 0)
    table, figures = solution.gcps, solution.assessment.figures
    helped = np.isnan(table.round_trip)
    assert helped.sum() == 60
    assert (table.role[helped] == "gcp").all()
    assert figures.check_points == 10
    assert figures.gcps == 90
    assert figures.rmse_check > 0.5
    assert figures.round_trip == pytest.approx(0.1)
    assert figures.inlier_share == pytest.approx(40 / 400)


def test_points_that_the_pose_helped_to_find_do_not_earn_trust() -> None:
    image, grid = np.ones((500, 500), np.uint8), Grid(500, 500, (0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    pair = PreparedPair(image, image, grid, grid)
    few, many = (conclude(pair, Guided(own).match(None), ModelOptions(), 0).assessment for own in (40, 90))
    assert many.verdict is Verdict.TRUSTED
    assert few.verdict is Verdict.CARE
    assert any("Only 40 of 400 places" in reason for reason in few.reasons)


def test_points_that_the_pose_helped_to_find_cover_nothing() -> None:
    image, grid = np.ones((500, 500), np.uint8), Grid(500, 500, (0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    found = Guided(90).match(None)
    corner = np.where(np.isfinite(found.ties.round_trip)[:, None], 0.2, 1.0) * found.ties.reference
    ties = dataclasses.replace(
        found.ties, reference=corner, moving=corner + found.ties.moving - found.ties.reference
    )
    pair = PreparedPair(image, image, grid, grid)
    assessment = conclude(pair, dataclasses.replace(found, ties=ties), ModelOptions(), 0).assessment
    assert assessment.figures.coverage < 0.2
    assert assessment.verdict is not Verdict.TRUSTED
    everywhere = conclude(pair, found, ModelOptions(), 0).assessment
    assert everywhere.figures.coverage > 0.9
    assert everywhere.verdict is Verdict.TRUSTED


class OnALine:
    """Tie points that all lie on one line: enough for the choice of a model, but not for its fit."""

    def match(self, task, reporter=None) -> MatchResult:
        x = np.linspace(50, 400, 40)
        points = np.stack([x, x], axis=1)
        ties = TiePoints(points, points + 5, np.full(40, 0.9), np.zeros(40))
        return MatchResult(ties, np.ones(40, bool), np.array([[1.0, 0, 5], [0, 1, 5]]), 0.9, 50)


def test_a_model_that_cannot_be_fitted_is_named(sample_scene, tmp_path: Path) -> None:
    result = register(job_of(sample_scene, tmp_path, model="homography"), OnALine(), kinds=())
    assert result.assessment.verdict is Verdict.NOT_TRUSTED
    assert "homography" in result.assessment.reasons[0]
    assert "could not be fitted" in result.assessment.reasons[0]
    assert not any("Only 0" in reason for reason in result.assessment.reasons)
    assert result.assessment.figures.gcps == 0
    assert any("homography" in note for note in result.notes)
    assert result.transform.model == "affine"


def test_a_wrong_option_is_no_failed_fit() -> None:
    image, grid = np.ones((500, 500), np.uint8), Grid(500, 500, (0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    pair = PreparedPair(image, image, grid, grid)
    with pytest.raises(OptionError):
        conclude(pair, OnALine().match(None), ModelOptions(model="tps", smoothing=-1.0), 0)


def test_images_that_share_no_world_have_no_before() -> None:
    image = np.random.default_rng(0).integers(1, 255, (500, 500), np.uint8)
    grid = Grid(500, 500, (0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    plain = conclude(PreparedPair(image, image, grid, grid), FewPoints().match(None), ModelOptions(), 0)
    assert np.isnan(plain.assessment.figures.similarity_before)
    placed = dataclasses.replace(grid, crs="EPSG:32633")
    shared = conclude(PreparedPair(image, image, placed, placed), FewPoints().match(None), ModelOptions(), 0)
    assert np.isfinite(shared.assessment.figures.similarity_before)


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


def test_a_full_disk_is_said_and_leaves_nothing(sample_scene, tmp_path: Path) -> None:
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=1m tmpfs '{tmp_path}' 2>/dev/null"):
        pytest.skip("a small file system can be mounted by root only")
    try:
        with pytest.raises(OutputError):
            register(job_of(sample_scene, tmp_path / "out"), create("structural"))
        assert not list(tmp_path.iterdir())
    finally:
        os.system(f"umount '{tmp_path}'")


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


def test_what_cannot_be_replaced_leaves_all_old_results(sample_scene, tmp_path: Path, monkeypatch) -> None:
    job = job_of(sample_scene, tmp_path)
    job = dataclasses.replace(job, output=dataclasses.replace(job.output, overwrite=True))
    names = ("aligned.tif", "gcps.csv", "gcps.gpkg", "record.json")
    for name in names:
        (tmp_path / name).write_text(f"old {name}")
    replace = os.replace

    def stubborn(source, target) -> None:
        if Path(source) == tmp_path / "gcps.gpkg":
            raise PermissionError(13, "Permission denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", stubborn)
    with pytest.raises(OutputError, match=r"gcps\.gpkg' cannot be replaced: Permission denied"):
        register(job, create("structural"))
    assert sorted(os.listdir(tmp_path)) == sorted(names)
    assert all((tmp_path / name).read_text() == f"old {name}" for name in names)


def test_a_folder_where_a_result_belongs_is_refused_before_any_work(sample_scene, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    job = job_of(sample_scene, tmp_path)
    job = dataclasses.replace(job, output=dataclasses.replace(job.output, overwrite=True))
    with pytest.raises(OutputError, match=r"report\.html' is a folder"):
        register(job, create("structural"))
    with pytest.raises(OutputError, match="cannot be written"):
        register(job_of(sample_scene, tmp_path / ("x" * 300)), create("structural"))
    assert os.listdir(tmp_path) == ["report.html"]


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
