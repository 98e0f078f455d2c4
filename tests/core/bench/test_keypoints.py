"""Repeatability of keypoints: the measure itself."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from sarto.core.bench import keypoints
from sarto.core.bench.keypoints import KeypointOptions, KeypointRow, run_keypoints, summarise
from sarto.core.bench.manifest import read_manifest
from sarto.core.contract import SILENT, Cancelled, InputError, OptionError, OutputError, Pixels, Reporter

from .scene import textured

SIDE = 128


def write_pair(folder: Path, name: str, optical: Pixels, sar: Pixels, **columns: str) -> dict[str, str]:
    for kind, image in (("o", optical), ("s", sar)):
        cv2.imwrite(str(folder / f"{name}-{kind}.png"), image)
    return {"pair_id": name, "optical": f"{name}-o.png", "sar": f"{name}-s.png", **columns}


def write_manifest(folder: Path, rows: list[dict[str, str]]) -> Path:
    path = folder / "pairs.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def measured(folder: Path, rows: list[dict[str, str]], **options: object) -> list[KeypointRow]:
    manifest = read_manifest(write_manifest(folder, rows))
    return run_keypoints(manifest, KeypointOptions(folder / "out", **options), SILENT)  # type: ignore[arg-type]


def test_the_same_image_repeats_nearly_all(tmp_path: Path) -> None:
    pairs = [write_pair(tmp_path, f"p{i}", textured(i, SIDE), textured(i, SIDE)) for i in range(2)]
    rows = measured(tmp_path, pairs, kinds=("pc-fast", "sift"), count=100, radius=2.0)
    assert len(rows) == 4
    for row in rows:
        assert row.repeated > 0.6
        assert row.repeated > 3 * max(row.uniform, row.moved)


def test_other_images_and_grids_repeat_by_accident_only(tmp_path: Path) -> None:
    pairs = [write_pair(tmp_path, f"p{i}", textured(i, SIDE), textured(100 + i, SIDE)) for i in range(12)]
    rows = measured(tmp_path, pairs, count=100)
    for (_, _), figures in summarise(rows).items():
        assert abs(figures.gain) < max(4 * figures.gain_error, 0.05)


def test_the_truth_says_where_keypoints_belong(tmp_path: Path) -> None:
    whole = textured(3, 2 * SIDE)
    optical, sar = whole[:SIDE, :SIDE], whole[5 : 5 + SIDE, 9 : 9 + SIDE]
    told = write_pair(tmp_path, "told", optical, sar, truth="1 0 -9 0 1 -5")
    kept = write_pair(tmp_path, "kept from it", optical, sar, truth="")
    told_row, kept_row = measured(tmp_path, [told, kept], kinds=("pc-fast",), count=100, radius=2.0)
    assert told_row.repeated > 0.6
    assert kept_row.repeated < 0.3
    assert told_row.compared < told_row.optical


def test_accident_is_what_geometry_says(tmp_path: Path) -> None:
    pairs = [write_pair(tmp_path, f"p{i}", textured(i, SIDE), textured(i, SIDE)) for i in range(4)]
    rows = measured(tmp_path, pairs, kinds=("pc-fast",), count=60)
    sides = SIDE - 10 - np.mean(keypoints.MARGIN)
    expected = 1 - math.exp(-rows[0].sar * math.pi * 3.0**2 / sides**2)
    assert np.mean([r.uniform for r in rows]) == pytest.approx(expected, rel=0.25)


def test_nothing_to_compare_is_no_figure(tmp_path: Path) -> None:
    plain = np.full((64, 64), 90, np.uint8)
    rows = measured(tmp_path, [write_pair(tmp_path, "p", plain, textured(0, 64))], kinds=("pc-fast",))
    assert rows[0].optical == rows[0].compared == 0
    assert math.isnan(rows[0].repeated)
    assert "–" in keypoints.text(rows)
    assert keypoints.to_json(rows)[0]["repeated"] is None
    plain_sar = measured(
        tmp_path, [write_pair(tmp_path, "q", textured(0, 64), plain)], kinds=("sift",), overwrite=True
    )
    assert plain_sar[0].repeated == 0


def test_the_same_again_whatever_the_order(tmp_path: Path) -> None:
    pairs = [write_pair(tmp_path, f"p{i}", textured(i, 64), textured(i, 64)) for i in range(3)]
    first = measured(tmp_path, pairs, kinds=("pc-fast",))
    second = measured(tmp_path, pairs[::-1], kinds=("pc-fast",), overwrite=True)[::-1]
    for a, b in zip(first, second):
        assert (a.pair_id, a.repeated, a.uniform, a.moved) == (b.pair_id, b.repeated, b.uniform, b.moved)


def test_what_is_written(tmp_path: Path) -> None:
    columns = [{"set": "one", "tight": "1"}, {"set": "two", "tight": "1"}, {"set": "two", "tight": "0"}]
    pairs = [write_pair(tmp_path, f"p{i}", textured(i, 64), textured(i, 64), **c) for i, c in enumerate(columns)]
    rows = measured(tmp_path, pairs, only_tight=True, kinds=("pc-fast", "grid"))
    out = tmp_path / "out"
    assert {p.name for p in out.iterdir()} == set(keypoints.FILES)
    with (out / "keypoints.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [r["pair_id"] for r in written] == ["p0", "p0", "p1", "p1"]
    assert float(written[0]["repeated"]) == pytest.approx(rows[0].repeated, rel=1e-4)
    figures = json.loads((out / "keypoints.json").read_text())["figures"]
    assert [(f["group"], f["pairs"]) for f in figures if f["kind"] == "grid"] == [
        ("all", 2), ("one", 1), ("two", 1),
    ]  # fmt: skip
    assert "| all | pc-fast | 2 |" in (out / "keypoints.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ("harris",)}, "harris"),
        ({"kinds": ()}, "no keypoints to measure"),
        ({"radius": 0.0}, "0.0 px"),
        ({"radius": math.nan}, "nan px"),
        ({"count": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_is_said_before_the_work(options: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=message):
        measured(tmp_path, [write_pair(tmp_path, "p", textured(0, 64), textured(0, 64))], **options)


def test_results_are_not_replaced_unasked(tmp_path: Path) -> None:
    pairs = [write_pair(tmp_path, "p", textured(0, 64), textured(0, 64))]
    measured(tmp_path, pairs, kinds=("grid",))
    with pytest.raises(OutputError, match="exists already"):
        measured(tmp_path, pairs, kinds=("grid",))
    measured(tmp_path, pairs, kinds=("grid",), overwrite=True)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    pairs = [write_pair(tmp_path, "p", textured(0, 64), textured(0, 64))]
    (tmp_path / "p-s.png").unlink()
    with pytest.raises(InputError, match=r"p-s\.png"):
        measured(tmp_path, pairs)


def test_it_can_be_stopped(tmp_path: Path) -> None:
    path = write_manifest(tmp_path, [write_pair(tmp_path, "p", textured(0, 64), textured(0, 64))])
    reporter = Reporter(is_cancelled=lambda: True)
    with pytest.raises(Cancelled):
        run_keypoints(read_manifest(path), KeypointOptions(tmp_path / "out"), reporter)
    assert not (tmp_path / "out").exists()
