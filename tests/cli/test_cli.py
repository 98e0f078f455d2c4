"""The command line as a user meets it: real processes, files, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sarto.cli.main import build_parser, main
from sarto.cli.options import read_dataclass
from sarto.core.contract import MatchOptions, ModelOptions, OutputOptions, RadiometryOptions, TransformRecord
from sarto.core.contract.codec import from_dict
from sarto.core.geometry.fitting import from_record

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def sarto(*args: str, **kwargs) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sarto", *args], capture_output=True, text=True, env=ONE_THREAD, **kwargs
    )


@pytest.fixture(scope="module")
def registered(sample_scene, tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "out"
    layers = ["--optical", str(sample_scene.optical), "--sar", str(sample_scene.sar)]
    done = sarto("register", *layers, "--range", "georef", "--points", "150", "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out, layers, done


def test_register_says_what_came_out_and_where(registered) -> None:
    out, _, done = registered
    assert "TRUSTED" in done.stdout
    for name in (
        "aligned.tif",
        "gcps.gpkg",
        "gcps.points",
        "gcps.csv",
        "gcps.geojson",
        "record.json",
        "report.html",
    ):
        assert (out / name).stat().st_size > 0
        assert str(out / name) in done.stdout
    assert "Matching tie points" in done.stderr


def test_the_default_is_trusted_and_closer_than_half_a_pixel(registered, sample_scene) -> None:
    out, _, _ = registered
    record = json.loads((out / "record.json").read_text(encoding="utf-8"))
    assert record["job"]["match"]["method"] == MatchOptions.method
    assert record["assessment"]["verdict"] == "trusted"
    grid, truth = record["reference_grid"], sample_scene.truth
    x, y = np.meshgrid(np.linspace(0, grid["width"] - 1, 20), np.linspace(0, grid["height"] - 1, 20))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    found = from_record(from_dict(TransformRecord, record["transform"])).apply(points)
    off = found - (points @ truth[:, :2].T + truth[:, 2])
    assert float(np.sqrt((off**2).sum(axis=1).mean())) <= 0.5


def test_running_again_needs_permission(registered) -> None:
    out, layers, _ = registered
    again = sarto("register", *layers, "--out", str(out))
    assert again.returncode == 5
    assert "exists already" in again.stderr
    assert "Traceback" not in again.stderr


def test_from_a_record(registered, tmp_path: Path) -> None:
    out, _, _ = registered
    done = sarto("register", "--from", str(out / "record.json"), "--out", str(tmp_path / "b"), "--json")
    assert done.returncode == 0, done.stderr
    first = json.loads((out / "record.json").read_text(encoding="utf-8"))
    second = json.loads(done.stdout)
    assert second["transform"] == first["transform"]
    assert second["job"]["match"] == first["job"]["match"]


def test_warp_with_edited_gcps(registered, tmp_path: Path) -> None:
    out, layers, _ = registered
    for name in ("gcps.gpkg", "gcps.csv", "gcps.geojson", "gcps.points"):
        target = tmp_path / f"{name}.tif"
        done = sarto(
            "warp", *layers, "--gcps", str(out / name), "--model", "similarity", "--out", str(target), "--json"
        )
        assert done.returncode == 0, done.stderr
        assert target.exists()
        assert json.loads(done.stdout)["rmse_fit"] < 1.0


def test_warp_chooses_the_transform_that_register_chose(registered, tmp_path: Path) -> None:
    out, layers, _ = registered
    chosen = json.loads((out / "record.json").read_text(encoding="utf-8"))["transform"]["model"]
    done = sarto("warp", *layers, "--gcps", str(out / "gcps.gpkg"), "--out", str(tmp_path / "a.tif"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == chosen


def test_warp_measures_in_the_pixels_of_the_coarser_layer(registered, tmp_path: Path) -> None:
    from osgeo import gdal

    out, layers, _ = registered
    fine = str(tmp_path / "fine.tif")
    own = gdal.Open(layers[1])
    gdal.Translate(fine, own, width=3 * own.RasterXSize, height=3 * own.RasterYSize)
    told = []
    for optical in (layers[1], fine):
        target = str(tmp_path / f"{len(told)}.tif")
        done = sarto(
            *["warp", "--optical", optical, *layers[2:], "--gcps", str(out / "gcps.gpkg")],
            *["--out", target, "--grid", "source", "--json"],
        )
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout))
    assert told[1]["model"] == told[0]["model"]
    assert told[1]["rmse_fit"] == pytest.approx(told[0]["rmse_fit"], rel=0.02)


def test_warp_overwrites_nothing_that_it_reads(registered, tmp_path: Path, capsys) -> None:
    out, layers, _ = registered
    gcps = out / "gcps.gpkg"
    link = tmp_path / "link.tif"
    link.symlink_to(layers[1])
    before = {path: path.read_bytes() for path in (gcps, Path(layers[1]), Path(layers[3]))}
    for target in (gcps, link, layers[1], layers[3]):
        given = ["--gcps", str(gcps), "--out", str(target), "--overwrite", "--quiet"]
        assert main(["warp", *layers, *given]) == 5
        assert str(target) in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before


def test_warp_without_check_points_says_so(registered, tmp_path: Path) -> None:
    out, layers, _ = registered
    done = sarto("warp", *layers, "--gcps", str(out / "gcps.points"), "--out", str(tmp_path / "a.tif"))
    assert done.returncode == 0, done.stderr
    assert "no check points" in done.stdout
    assert "nan" not in done.stdout


def test_warp_checks_its_options(registered, tmp_path: Path, capsys) -> None:
    out, layers, _ = registered
    given = ["--gcps", str(out / "gcps.gpkg"), "--out", str(tmp_path / "a.tif"), "--smoothing", "-1"]
    assert main(["warp", *layers, *given]) == 2
    assert "smoothing" in capsys.readouterr().err


def test_assess_measures_what_is_left(registered) -> None:
    out, layers, _ = registered
    done = sarto("assess", *layers[:3], str(out / "aligned.tif"))
    assert done.returncode == 0, done.stderr
    assert "off by 0." in done.stderr


def test_match_writes_no_raster(registered, tmp_path: Path) -> None:
    _, layers, _ = registered
    done = sarto("match", *layers, "--points", "100", "--out", str(tmp_path / "m"), "--quiet")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "m" / "aligned.tif").exists()
    assert (tmp_path / "m" / "gcps.gpkg").exists()


@pytest.mark.slow
def test_the_worker_process_gives_the_same_result(registered, tmp_path: Path) -> None:
    out, layers, _ = registered
    done = sarto("register", *layers, "--points", "150", "--out", str(tmp_path / "w"), "--worker", "--json")
    assert done.returncode == 0, done.stderr
    first = json.loads((out / "record.json").read_text(encoding="utf-8"))
    assert json.loads(done.stdout)["transform"] == first["transform"]


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (["--optical", "missing.tif", "--sar", "missing.tif"], 3, "missing.tif"),
        (["--range", "far"], 2, "far"),
        (["--method", "magic"], 2, "magic"),
        (["--optical-bands", "17"], 3, "17"),
        (["--optical-bands", "²"], 3, "²"),
        (["--out", "/dev/null/x"], 5, "/dev/null"),
        (["--area", "POLYGON((0 0,1 0,1 1,0 0))"], 3, "area"),
    ],
)
def test_mistakes_are_explained(
    args: list[str], code: int, word: str, sample_scene, tmp_path: Path, capsys
) -> None:
    layers = ["--optical", str(sample_scene.optical), "--sar", str(sample_scene.sar), "--out", str(tmp_path / "o")]
    assert main(["register", *layers, "--quiet", *args]) == code
    message = capsys.readouterr().err
    assert word in message
    assert message.startswith("sarto: ")


def test_a_bad_record_is_explained(tmp_path: Path, capsys) -> None:
    record = tmp_path / "record.json"
    record.write_text('{"job": 3}')
    assert main(["register", "--from", str(record), "--out", str(tmp_path)]) == 3
    assert "record" in capsys.readouterr().err


def test_unrelated_layers_are_not_trusted(sample_scene, tmp_path: Path) -> None:
    """The SAR layer turned upside down: same statistics, nothing in common."""
    from osgeo import gdal

    source = gdal.Open(str(sample_scene.sar))
    turned = gdal.GetDriverByName("GTiff").CreateCopy(str(tmp_path / "turned.tif"), source)
    for band in range(1, 3):
        turned.GetRasterBand(band).WriteArray(source.GetRasterBand(band).ReadAsArray()[::-1, ::-1].copy())
    del turned
    done = sarto(
        *["register", "--optical", str(sample_scene.optical), "--sar", str(tmp_path / "turned.tif")],
        *["--points", "150", "--out", str(tmp_path / "o")],
    )
    assert done.returncode == 10, done.stdout + done.stderr
    assert "NOT TRUSTED" in done.stdout
    assert (tmp_path / "o" / "report.html").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals for another process")
@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_ctrl_c_and_a_closed_terminal_cancel_cleanly(name: str, sample_scene, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "sarto", "register", "--optical", str(sample_scene.optical)]
    command += ["--sar", str(sample_scene.sar), "--out", str(tmp_path / "o")]
    environment = {**ONE_THREAD, "TMPDIR": str(scratch)}
    heard = partial(signal.signal, getattr(signal, name), signal.SIG_DFL)  # also where the tests run under nohup
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, preexec_fn=heard) as process:
        assert process.stderr is not None
        seen = b""
        while b"Searching" not in seen:
            seen += process.stderr.read(16)
        assert list(scratch.glob("sarto-*"))
        process.send_signal(getattr(signal, name))
        asked = time.monotonic()
        process.stderr.read()
        assert process.wait(20) == 130
        assert time.monotonic() - asked < 10  # generous: the machine may be busy
    assert not (tmp_path / "o").exists()
    assert not list(scratch.glob("sarto-*"))


def test_help_teaches(capsys) -> None:
    for command in ("register", "match", "warp", "assess", "bench"):
        with pytest.raises(SystemExit) as stopped:
            main([command, "--help"])
        assert stopped.value.code == 0
        shown = capsys.readouterr().out
        assert f"sarto {command}" in shown
        assert len(shown) > 500


def test_defaults_are_the_contracts() -> None:
    args = build_parser().parse_args(["register", "--optical", "a", "--sar", "b"])
    for kind in (MatchOptions, ModelOptions, RadiometryOptions, OutputOptions):
        assert read_dataclass(args, kind) == kind()
