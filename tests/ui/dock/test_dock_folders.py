"""A folder of its own for each run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sarto.core.contract import OutputError
from sarto.ui.dock.folders import check_folder, file_safe, output_folder


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("S1 VV", "S1_VV"),
        ("a/b\\c:d*e?f", "a_b_c_d_e_f"),
        ("..", "sar"),
        ("", "sar"),
        ("Größe.tif", "Größe.tif"),
        ("x" * 300, "x" * 60),
    ],
)
def test_names_are_safe(name: str, safe: str) -> None:
    assert file_safe(name) == safe


def test_every_run_gets_another_folder(tmp_path: Path) -> None:
    first = output_folder(str(tmp_path), "S1 VV")
    assert first == str(tmp_path / "S1_VV_aligned")
    assert output_folder(str(tmp_path), "S1 VV", {first}) == str(tmp_path / "S1_VV_aligned_2")
    Path(first).mkdir()
    (tmp_path / "S1_VV_aligned_2").write_text("a file is in the way too")
    assert output_folder(str(tmp_path), "S1 VV") == str(tmp_path / "S1_VV_aligned_3")


def test_broken_link_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a_aligned").symlink_to(tmp_path / "nowhere")
    assert output_folder(str(tmp_path), "a") == str(tmp_path / "a_aligned_2")


def test_folder_that_can_be_made_is_fine(tmp_path: Path) -> None:
    check_folder(str(tmp_path / "new" / "newer"))
    assert not (tmp_path / "new").exists()


def test_unusable_folders_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OutputError, match="is a file"):
        check_folder(str(file / "below"))
    with pytest.raises(OutputError, match="full path"):
        check_folder("somewhere")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="cannot be written"):
        check_folder(str(tmp_path))
