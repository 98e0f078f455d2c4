"""GCPs edited after a run, and the run delivered again."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from sarto.core.contract import (
    CHECK,
    GCP,
    Cancelled,
    InputError,
    LayerSource,
    MatchOptions,
    ModelOptions,
    OptionError,
    OutputError,
    OutputOptions,
    RegisterJob,
    Reporter,
    Verdict,
)
from sarto.core.matching import create
from sarto.core.pipeline import (
    FILES,
    Review,
    apply_edits,
    convert_gcps,
    export_gcps,
    is_edited,
    realign,
    register,
)
from sarto.core.raster import read_gcps


@pytest.fixture(scope="module")
def finished(sample_scene, tmp_path_factory):
    job = RegisterJob(
        LayerSource(str(sample_scene.optical)),
        LayerSource(str(sample_scene.sar)),
        match=MatchOptions(points=120),
        output=OutputOptions(directory=str(tmp_path_factory.mktemp("run") / "first")),
    )
    return register(job, create("structural"))


def test_residuals_follow_a_switched_point_and_come_back(finished) -> None:
    review = Review(finished)
    before = review.table.residual_px.copy()
    row = int(np.flatnonzero(review.table.role == GCP)[3])
    review.set_enabled([row], False)
    assert review.is_changed
    assert review.fit.count == finished.assessment.figures.gcps - 1
    assert not np.array_equal(review.table.residual_px, before)
    review.set_enabled([row], True)
    assert not review.is_changed
    np.testing.assert_array_equal(review.table.residual_px, before)


def test_a_check_point_changes_only_the_check(finished) -> None:
    review = Review(finished)
    fit = review.fit
    row = int(np.flatnonzero(review.table.role == CHECK)[0])
    review.set_enabled([row], False)
    assert review.fit == fit
    assert review.check.count == finished.assessment.figures.check_points - 1


def test_too_few_points_are_a_problem_not_an_exception(finished) -> None:
    review = Review(finished)
    review.set_enabled(np.flatnonzero(review.table.role == GCP), False)
    assert "needs at least" in review.problem
    with pytest.raises(InputError):
        review.edited()
    review.reset()
    assert review.problem == ""
    assert not review.is_changed


def test_another_model(finished) -> None:
    review = Review(finished)
    review.choose_model("tps")
    assert review.model == "tps"
    assert review.is_changed
    with pytest.raises(OptionError):
        review.choose_model("bananas")
    assert review.model == "tps"


def test_a_record_is_read_back(finished, tmp_path) -> None:
    review = Review.load(Path(finished.files["record"]))
    np.testing.assert_allclose(review.table.residual_px, finished.gcps.residual_px)
    broken = tmp_path / "record.json"
    broken.write_text(Path(finished.files["record"]).read_text()[:-50])
    with pytest.raises(InputError, match=r"record\.json"):
        Review.load(broken)


def test_delivered_again(finished, tmp_path) -> None:
    review = Review(finished)
    row = int(np.flatnonzero(review.table.role == GCP)[5])
    review.set_enabled([row], False)
    before = Path(finished.files["aligned"]).read_bytes()
    again = apply_edits(review.edited(), str(tmp_path / "edited"))
    assert sorted(os.listdir(tmp_path / "edited")) == sorted(
        set(FILES.values()) - {"land_cover.tif", "synthetic_optical.tif"}
    )
    assert Path(finished.files["aligned"]).read_bytes() == before
    assert again.assessment.verdict is Verdict.TRUSTED
    assert any("1 GCP was switched off by hand" in note for note in again.notes)
    assert again.transform.parameters != finished.transform.parameters
    stored = json.loads((tmp_path / "edited" / "record.json").read_text())
    assert stored["gcps"]["enabled"][row] is False or not stored["gcps"]["enabled"][row]
    raster = gdal.Open(again.files["aligned"])
    assert (raster.RasterXSize, raster.RasterYSize) == (
        finished.reference_grid.width,
        finished.reference_grid.height,
    )


def test_without_check_points_it_is_not_trusted_more(finished, tmp_path) -> None:
    """Who removes the check points that do not fit must not get a better verdict for it."""
    review = Review(finished)
    checks = np.flatnonzero(review.table.role == CHECK)
    worst = checks[np.argsort(-review.table.residual_length_px[checks])[:3]]
    review.set_enabled(worst, False)
    assert review.check.rmse < finished.assessment.figures.rmse_check
    again = apply_edits(review.edited(), str(tmp_path / "edited"))
    assert again.assessment.verdict is Verdict.CARE
    assert "3 check points were switched off by hand" in again.assessment.reasons[-1]


def test_a_second_edit_does_not_make_the_verdict_better(finished, tmp_path) -> None:
    """The check points that were switched off stay known, however often the run is delivered again."""
    review = Review(finished)
    checks = np.flatnonzero(review.table.role == CHECK)
    review.set_enabled(checks[:3], False)
    once = apply_edits(review.edited(), str(tmp_path / "once"))
    again = Review.load(Path(once.files["record"]))
    again.set_enabled([int(np.flatnonzero(again.table.role == GCP)[0])], False)
    twice = apply_edits(again.edited(), str(tmp_path / "twice"))
    assert twice.assessment.verdict is Verdict.CARE
    assert "3 check points were" in twice.assessment.reasons[-1]
    assert [note for note in twice.notes if "check point" in note] == ["3 check points were switched off by hand."]
    assert is_edited(twice)
    assert not is_edited(finished)
    back = Review(twice)
    back.set_enabled(checks[:3], True)
    third = apply_edits(back.edited(), str(tmp_path / "third"))
    assert third.assessment.verdict is Verdict.TRUSTED


def test_a_moved_folder_is_taken_as_it_lies(finished, tmp_path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(finished.job.output.directory, moved)
    review = Review.load(moved / "record.json")
    assert review.result.job.output.directory == str(moved)
    assert review.result.files["aligned"] == str(moved / "aligned.tif")


def test_nothing_is_left_after_a_cancel_or_in_a_folder_in_use(finished, tmp_path) -> None:
    review = Review(finished)
    review.choose_model("affine")
    asked = []

    def after_a_while() -> bool:
        asked.append(1)
        return len(asked) > 12

    with pytest.raises(Cancelled):
        apply_edits(review.edited(), str(tmp_path / "edited"), Reporter(is_cancelled=after_a_while))
    assert not (tmp_path / "edited").exists()
    with pytest.raises(OutputError, match="exists already"):
        apply_edits(review.edited(), finished.job.output.directory)


def test_layers_that_changed_are_noticed(finished, tmp_path) -> None:
    smaller = tmp_path / "smaller.tif"
    gdal.Translate(str(smaller), finished.job.moving.source, srcWin=[0, 0, 300, 300])
    job = replace(finished.job, moving=replace(finished.job.moving, source=str(smaller)))
    review = Review(replace(finished, job=job))
    review.choose_model("affine")
    with pytest.raises(InputError, match="not the file that it was"):
        apply_edits(review.edited(), str(tmp_path / "edited"))


@pytest.mark.parametrize("suffix", [".points", ".csv", ".geojson", ".gpkg"])
def test_exported_and_converted(finished, tmp_path, suffix: str) -> None:
    path = export_gcps(finished.gcps, finished.job, tmp_path / f"out{suffix}")
    stored = read_gcps(path)
    np.testing.assert_allclose(stored.map_xy, finished.gcps.map_xy, atol=1e-4)
    with pytest.raises(OutputError, match="exists"):
        export_gcps(finished.gcps, finished.job, path)
    other = convert_gcps(path, finished.job.reference, finished.job.moving, tmp_path / "again.csv")
    np.testing.assert_allclose(read_gcps(other).map_xy, finished.gcps.map_xy, atol=1e-4)


def test_export_refuses_nonsense(finished, tmp_path) -> None:
    with pytest.raises(OutputError, match=r"\.points"):
        export_gcps(finished.gcps, finished.job, tmp_path / "gcps.txt")
    path = export_gcps(finished.gcps, finished.job, tmp_path / "gcps.csv")
    with pytest.raises(OutputError, match="itself"):
        convert_gcps(path, finished.job.reference, finished.job.moving, path, overwrite=True)


def test_realigned_with_exported_points_is_the_same_image(finished, tmp_path) -> None:
    gcps = export_gcps(finished.gcps, finished.job, tmp_path / "gcps.gpkg")
    done = realign(
        finished.job.reference,
        finished.job.moving,
        gcps,
        tmp_path / "again.tif",
        ModelOptions(model=finished.transform.model),
    )
    assert done.check.rmse == pytest.approx(finished.assessment.figures.rmse_check, abs=1e-3)
    first, second = (gdal.Open(str(p)).ReadAsArray() for p in (finished.files["aligned"], done.path))
    np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["again.png", "again"])
def test_only_geotiffs_are_written(finished, tmp_path, name: str) -> None:
    with pytest.raises(OutputError, match=r"\.tif"):
        realign(finished.job.reference, finished.job.moving, finished.files["gpkg"], tmp_path / name)
    assert not (tmp_path / name).exists()
