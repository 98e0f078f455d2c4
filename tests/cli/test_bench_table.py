"""`sarto bench-table` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from sarto.cli import main


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Benches of SIFT on three pairs, and their manifest beside them."""
    folder = tmp_path_factory.mktemp("bench")
    lines = ["pair_id,optical,sar,tight"]
    for i in range(3):
        noise = np.random.default_rng(i).standard_normal((96, 96))
        cv2.imwrite(str(folder / f"{i}.png"), 128 + 200 * cv2.GaussianBlur(noise, (0, 0), 2.0))
        lines.append(f"p{i},{i}.png,{i}.png,{int(i > 0)}")
    (folder / "pairs.csv").write_text("\n".join(lines))
    words = ["--method", "peer:sift", "--protocol", "promptmid,shuffled", "--no-consistency"]
    assert main(["bench", str(folder / "pairs.csv"), *words, "--out", str(folder / "out")]) == 0
    return folder


def test_the_tables_are_printed(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = f"Three={results / 'pairs.csv'}"
    assert main(["bench-table", str(results / "out"), "--set", named]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "## `promptmid`" in lines
    assert any(line.startswith("| Three, tight | `peer:sift` | 2 |") for line in lines)
    assert "| Three, all | `peer:sift` | 3 | – |" in lines  # shuffled: SIFT trusts nothing


def test_a_file_is_written_and_not_replaced_unasked(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench-table", str(results / "out"), "--out", str(tmp_path / "table.md")]
    assert main(words) == 0
    written = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| pairs | method | n | CMR@3 |" in written
    assert "## " not in capsys.readouterr().out
    assert main(words) == 5
    assert "--overwrite" in capsys.readouterr().err
    (tmp_path / "table.md").write_text("old")
    assert main([*words, "--overwrite"]) == 0
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == written


def test_json(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench-table", str(results / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(t["protocol"], t["group"], t["n"]) for t in told] == [
        ("promptmid", "tight", 2), ("promptmid", "all", 3), ("shuffled", "tight", 2), ("shuffled", "all", 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [(["--set", "Three"], 2, "NAME=MANIFEST"), (["--set", "Three=nowhere.csv"], 3, "nowhere.csv")],
)
def test_errors_say_the_way_out(
    words: list[str], status: int, said: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench-table", str(results / "out"), *words]) == status
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Traceback" not in shown.err


def test_a_folder_of_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench-table", str(tmp_path)]) == 3
    assert "does not hold a finished bench" in capsys.readouterr().err
