"""`sarto bench-keypoints` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from sarto.cli import main


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    lines = ["pair_id,optical,sar,set,tight"]
    for i in range(3):
        noise = np.random.default_rng(i).standard_normal((64, 64))
        cv2.imwrite(str(tmp_path / f"{i}.png"), 128 + 200 * cv2.GaussianBlur(noise, (0, 0), 2.0))
        lines.append(f"p{i},{i}.png,{i}.png,s,{int(i > 0)}")
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(lines))
    return path


def test_a_table_and_files(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["bench-keypoints", str(manifest), "--out", str(out), "--only-tight"]) == 0
    shown = capsys.readouterr()
    for word in ("pc-fast", "sift", "grid", "repeated", "uniform", str(out)):
        assert word in shown.out
    assert "Finding keypoints" in shown.err
    assert len((out / "keypoints.csv").read_text().splitlines()) == 1 + 2 * 3


def test_json_only(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--kinds", "pc-fast, grid", "--limit", "1", "--count", "50", "--radius", "2", "--json"]
    assert main(["bench-keypoints", str(manifest), "--out", str(tmp_path / "out"), *words]) == 0
    shown = capsys.readouterr()
    assert [(f["kind"], f["pairs"]) for f in json.loads(shown.out)] == [("pc-fast", 1), ("grid", 1)]
    assert shown.err == ""


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--kinds", "harris"], 2, "pc-fast, sift, grid"),
        (["--radius", "-1"], 2, "-1"),
        (["--sets", "other"], 3, "'other'"),
    ],
)
def test_errors_say_the_way_out(
    words: list[str], status: int, said: str, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench-keypoints", str(manifest), "--out", str(tmp_path / "out"), *words]) == status
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Traceback" not in shown.err


def test_results_are_not_replaced_unasked(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench-keypoints", str(manifest), "--out", str(tmp_path / "out"), "--kinds", "grid", "--quiet"]
    assert main(words) == 0
    assert main(words) == 5
    assert "--overwrite" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
