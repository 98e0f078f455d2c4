"""What the command line says when something goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sarto.cli import commands
from sarto.cli.console import figure_lines
from sarto.cli.main import build_parser, main
from sarto.core.contract import (
    Assessment,
    Figures,
    GcpTable,
    Grid,
    LayerSource,
    RegisterJob,
    RegisterResult,
    TransformRecord,
    Verdict,
)

LAYERS = ["--optical", "a.tif", "--sar", "b.tif"]


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (KeyboardInterrupt(), 130, "Cancelled"),
        (MemoryError(), 1, "memory"),
        (OSError(28, "No space left on device"), 1, "unexpected error: [Errno 28] No space left"),
        (ZeroDivisionError("by nought\nand more"), 1, "unexpected error: ZeroDivisionError: by nought\n"),
    ],
)
def test_every_error_is_one_clear_line(error, status: int, word: str, monkeypatch, capsys) -> None:
    def fail(_name: str) -> None:
        raise error

    monkeypatch.setattr(commands, "create", fail)
    before = signal.getsignal(signal.SIGINT)
    assert main(["register", *LAYERS, "--out", "o"]) == status
    shown = capsys.readouterr().err
    assert shown.startswith("sarto: ")
    assert word in shown
    assert "Traceback" not in shown
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.setenv("SARTO_DEBUG", "1")
    main(["register", *LAYERS, "--out", "o"])
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_while_a_method_loads(presses: int, tmp_path: Path) -> None:
    """The first is an orderly cancel as soon as possible, the second does not wait."""
    code = """
import sys, time
from sarto.cli import commands
from sarto.cli.main import main
def load(name):
    print("loading", flush=True)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        time.sleep(0.1)
commands.create = load
sys.exit(main(["register", "--optical", "a", "--sar", "b", "--out", "o"]))
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        for _ in range(presses):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        asked = time.monotonic()
        status = process.wait(30)
        shown = process.stderr.read().decode()
    assert "Traceback" not in shown
    if presses == 1:
        assert status == 130
        assert "Cancelled" in shown
    else:
        assert status == -signal.SIGINT
        assert time.monotonic() - asked < 2


@pytest.mark.parametrize(
    "given", [["--points", "99"], ["--model", "affine"], ["--gsd", "20"], ["--sar", "x.tif"], ["--sar-bands", "2"]]
)
def test_a_record_takes_no_other_options(given: list[str], tmp_path: Path, capsys) -> None:
    assert main(["register", "--from", "record.json", "--out", str(tmp_path), *given]) == 2
    assert given[0] in capsys.readouterr().err


def test_a_record_takes_what_concerns_the_run(tmp_path: Path, capsys) -> None:
    more = ["--out", str(tmp_path), "--overwrite", "--json", "--quiet", "--worker"]
    assert main(["register", "--from", str(tmp_path / "record.json"), *more]) == 3  # there is none
    assert "not a record" in capsys.readouterr().err


@pytest.mark.parametrize("given", [["--points", "0"], ["--check-share", "nan"], ["--low-percentile", "99.5"]])
def test_options_outside_their_limits_are_refused(given: list[str], tmp_path: Path, capsys) -> None:
    assert main(["register", *LAYERS, "--out", str(tmp_path / "o"), *given]) == 2
    assert given[0].strip("-").replace("-", "_") in capsys.readouterr().err


@pytest.mark.parametrize("number", ["-9999", "-3.4028235e+38", "-1e20", "-inf"])
def test_negative_numbers_are_no_options(number: str, tmp_path: Path, capsys) -> None:
    """argparse alone takes all but the first for options."""
    layers = ["--optical", str(tmp_path / "a.tif"), "--sar", str(tmp_path / "b.tif")]
    assert main(["register", *layers, "--out", str(tmp_path / "o"), "--sar-nodata", number]) == 3
    assert "a.tif" in capsys.readouterr().err  # which is not there: so far it came


def test_help_shows_the_limits() -> None:
    parser = build_parser().parse_args(["register"]).parser
    assert "10 to 20000" in " ".join(parser.format_help().split())


def test_what_was_not_measured_is_a_dash() -> None:
    nan = float("nan")
    none, grid = np.zeros((0, 2)), Grid(9, 9, (0.0, 1.0, 0.0, 0.0, 0.0, -1.0))
    table = GcpTable(
        grid, grid, none, none, none[:, 0], none[:, 0], none, np.zeros(0, bool), np.zeros(0, dtype=np.str_)
    )
    figures = Figures(0, 0, 0, 9, nan, nan, nan, nan, nan, 0.0, nan, nan, nan, 0.1, 1.0)
    job = RegisterJob(LayerSource("a"), LayerSource("b"))
    assessment = Assessment(Verdict.NOT_TRUSTED, (), figures)
    result = RegisterResult(job, grid, grid, table, TransformRecord("affine", {}), assessment)
    lines = dict(figure_lines(figures, result))
    assert "nan" not in " ".join(lines.values())
    assert lines["CE90"] == lines["Coverage"] == lines["Similarity"] == "–"
