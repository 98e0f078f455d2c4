"""Scene hints on the command line."""

from __future__ import annotations

import pytest
from sarto.cli.main import build_parser, main
from sarto.core.matching import prompts

LAYERS = ["--optical", "a.tif", "--sar", "b.tif"]


@pytest.mark.parametrize("command", ["register", "match", "assess"])
def test_the_scenes_are_listed_without_any_layer(command: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--list-scenes"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == len(prompts.load_library().scenes)
    assert ["open-sea", "Open", "sea"] in [line.split() for line in shown]
    assert [line.split(None, 1)[1] for line in shown] == sorted(
        (line.split(None, 1)[1] for line in shown), key=str.lower
    )


def test_a_broken_library_is_one_clear_line(capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(prompts, "FOLDER", tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["match", "--list-scenes"])
    assert ended.value.code == 3
    assert "scenes.json" in capsys.readouterr().err


def test_an_unknown_scene_is_refused_with_the_closest(tmp_path, capsys) -> None:
    assert main(["register", *LAYERS, "--out", str(tmp_path / "o"), "--scene", "harbor,river"]) == 2
    shown = capsys.readouterr().err
    assert "Scene 'harbor' is not in the prompt library." in shown
    assert "Closest: harbour" in shown


def test_the_help_says_which_methods_heed_it(reader) -> None:
    text = " ".join(build_parser().parse_args(["match", *LAYERS]).parser.format_help().split())
    assert "(default: auto; only with --method" in text
    assert "--land-cover" in text
    assert "--list-scenes" in text


def test_scene_and_land_cover_reach_the_files(sample_scene, reader, tmp_path, capsys) -> None:
    layers = ["--optical", str(sample_scene.optical), "--sar", str(sample_scene.sar), "--method", "reader"]
    status = main(["match", *layers, "--scene", "River", "--land-cover", "--out", str(tmp_path / "o"), "--quiet"])
    assert status in (0, 10)
    assert (tmp_path / "o" / "land_cover.tif").is_file()
    assert "land_cover" in capsys.readouterr().out


def test_a_record_keeps_both(sample_scene, reader, tmp_path, capsys) -> None:
    layers = ["--optical", str(sample_scene.optical), "--sar", str(sample_scene.sar), "--method", "reader"]
    main(["register", *layers, "--scene", "river", "--land-cover", "--out", str(tmp_path / "a"), "--quiet"])
    record = str(tmp_path / "a" / "record.json")
    main(["register", "--from", record, "--out", str(tmp_path / "b"), "--quiet"])
    assert (tmp_path / "b" / "land_cover.tif").is_file()
    capsys.readouterr()
    assert main(["register", "--from", record, "--out", str(tmp_path / "c"), "--scene", "lake"]) == 2
    assert "--scene" in capsys.readouterr().err
