from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from sarto.core.bench import cli
from sarto.core.contract import SILENT, OptionError

from .conftest import WriteManifest


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(words)


def test_one_method_and_protocol_write_into_the_folder(
    write_manifest: WriteManifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = parse(
        str(write_manifest(3)), "--method", "peer:sift", "--protocol", "georef", "--out", str(tmp_path / "o")
    )
    assert cli.run(args, SILENT) == 0
    assert {p.name for p in (tmp_path / "o").iterdir()} == {
        "bench.json", "pairs.csv", "summary.json", "summary.md", "samples",
    }  # fmt: skip
    text = capsys.readouterr().out
    assert "CMR@3" in text
    assert "tight" not in text


def test_several_get_a_folder_each_and_see_the_same_images(
    write_manifest: WriteManifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o"
    words = [str(write_manifest(3)), "--method", "peer:sift", "--protocol", "georef, shuffled", "--out", str(out)]
    assert cli.run(parse(*words, "--json", "--ties"), SILENT) == 0
    assert (out / "peer-sift" / "georef" / "pairs.csv").exists()
    assert (out / "peer-sift" / "shuffled" / "summary.json").exists()
    printed = json.loads(capsys.readouterr().out)
    assert [r["options"]["protocol"] for r in printed] == ["georef", "shuffled"]
    assert printed[0]["groups"]["all"]["pairs"] == 3
    assert printed[1]["options"]["search"]["rotation_deg"] == 2.0
    args = parse("--reliability", str(out / "peer-sift" / "georef"))
    assert cli.run(args, SILENT) == 0
    assert "nothing recorded" in capsys.readouterr().out  # SIFT has no confidence


def test_range_for_pairs_as_they_are(write_manifest: WriteManifest, tmp_path: Path) -> None:
    words = [str(write_manifest(2)), "--method", "peer:sift", "--protocol", "none", "--out", str(tmp_path)]
    cli.run(parse(*words, "--range", "wild"), SILENT)
    assert json.loads((tmp_path / "bench.json").read_text())["search"]["rotation_deg"] == 180


@pytest.mark.parametrize("missing", ["manifest", "--method", "--protocol", "--out"])
def test_what_is_missing_is_named(missing: str) -> None:
    words = {"manifest": "m.csv", "--method": "structural", "--protocol": "tar", "--out": "o"}
    del words[missing]
    flat = [w for name, value in words.items() for w in ((value,) if name == "manifest" else (name, value))]
    with pytest.raises(OptionError, match=missing):
        cli.run(parse(*flat), SILENT)
