"""What is there stays there: inputs, older results, and nothing half-written beside them."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from osgeo import gdal
from sarto.core.contract import (
    Cancelled,
    LayerSource,
    OutputError,
    OutputOptions,
    RegisterJob,
    Reporter,
)
from sarto.core.matching import create
from sarto.core.pipeline import register

from .jobs import job_of


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


def test_a_full_disk_is_said_and_leaves_nothing(sample_scene, tmp_path: Path) -> None:
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=1m tmpfs '{tmp_path}' 2>/dev/null"):
        pytest.skip("a small file system can be mounted by root only")
    try:
        with pytest.raises(OutputError):
            register(job_of(sample_scene, tmp_path / "out"), create("structural"))
        assert not list(tmp_path.iterdir())
    finally:
        os.system(f"umount '{tmp_path}'")
