"""Settings: what ships is right, and what makes no sense is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sarto.core.contract import InputError, OptionError
from sarto.core.matching.tar.config import TarConfig
from sarto.core.train.settings import FOLDER, find_settings
from sarto.core.train.tar_config import TarTraining


def test_the_shipped_network_has_the_defaults() -> None:
    assert TarTraining.read(find_settings("tar")) == TarTraining()


def test_shipped_settings() -> None:
    files = [path for path in FOLDER.glob("*.json") if not path.stem.startswith("promptmid")]
    found = {path.stem: TarTraining.read(path) for path in files}
    assert set(found) == {"tar", "tar-small", "tar-no-text", "tar-gpu", "tar-local"}
    assert found["tar-small"].network.widths == (24, 48, 64)
    assert found["tar-no-text"].network == TarConfig(text=False)
    assert (found["tar-gpu"].pairs, found["tar-gpu"].side) == (32, 192)
    assert found["tar-gpu"].network == replace(TarConfig(), local=(64, 96, 32))
    assert found["tar-small"].network.local == (16, 24, 12)


def test_tar_local_trains_the_local_features_of_the_shipped_network() -> None:
    settings = TarTraining.read(find_settings("tar-local"))
    assert settings.network == TarConfig()
    assert (settings.has_coarse, settings.has_local) == (False, True)


def test_a_part_without_weight_is_left_out() -> None:
    none = {"coarse_weight": 0, "window_weight": 0, "text_weight": 0}
    assert TarTraining().has_coarse
    assert TarTraining().has_local
    for one in none:
        assert TarTraining.from_json({**none, one: 0.1}).has_coarse
    assert not TarTraining.from_json(none).has_coarse
    assert not TarTraining.from_json({"local_weight": 0}).has_local
    with pytest.raises(OptionError, match="'local_weight'"):
        TarTraining.from_json({**none, "local_weight": 0})


def test_there_and_back() -> None:
    settings = TarTraining(TarConfig(stem=8, text=False), steps=7, sets=("a", "b"))
    assert TarTraining.from_json(settings.to_json()) == settings
    assert TarTraining.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_what_is_left_out_keeps_its_default(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"steps": 5, "network": {"dilations": [2]}, "rate": 1e-2}')
    assert TarTraining.read(path) == TarTraining(TarConfig(dilations=(2,)), steps=5, rate=0.01)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"step": 5}, "step"),
        ({"steps": 0}, "steps"),
        ({"steps": 1.5}, "steps"),
        ({"steps": True}, "steps"),
        ({"rate": "fast"}, "rate"),
        ({"rate": None}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"rate": -1e-3}, "rate"),
        ({"side": 100}, "side"),
        ({"local_side": 100}, "local_side"),
        ({"local_pairs": 0}, "local_pairs"),
        ({"fine_weight": 1.0}, "fine_weight"),
        ({"average": 1.0}, "average"),
        ({"sets": "ombria"}, "sets"),
        ({"sets": [1]}, "sets"),
        ({"precision": "half"}, "precision"),
        ({"optimiser": "sgd"}, "optimiser"),
        ({"cooldown": 2}, "cooldown"),
        ({"network": {"width": 3}}, "width"),
        ({"network": 3}, "network"),
        ({"network": {"widths": [48, 96]}}, "widths"),
        ({"network": {"widths": [48, 96, 128, 128]}}, "widths"),
        ({"network": {"widths": [48, 96, 1e9]}}, "widths"),
        ({"network": {"local": [32, 48]}}, "local"),
        ({"network": {"local": [32, 48, 24, 24]}}, "local"),
        ({"network": {"local": [32, 48, 2]}}, "local"),
        ({"network": {"local": [32, 48, "24"]}}, "local"),
        ({"network": {"dilations": []}}, "dilations"),
        ({"network": {"dilations": [1] * 9}}, "dilations"),
        ({"network": {"dilations": [0]}}, "dilations"),
        ({"network": {"dilations": [17]}}, "dilations"),
        ({"network": {"fine": 32}}, "fine"),
        ({"network": {"heads": 5}}, "heads"),
        ({"network": {"window": [4, 2]}}, "window"),
        ({"network": {"text": 1}}, "text"),
        ({"network": {"stem": 0}}, "stem"),
    ],
)
def test_the_field_that_makes_no_sense_is_named(values: dict[str, object], field: str) -> None:
    with pytest.raises(OptionError, match=rf"'(network\.)?{field}'"):
        TarTraining.from_json(values)


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"steps": 1e400}', "[" * 100_000])
def test_files_that_are_no_settings(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises((InputError, OptionError), match="settings"):
        TarTraining.read(path)


def test_names_of_settings(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="tar-gpu"):
        find_settings("huge")
    path = tmp_path / "own.json"
    path.write_text("{}")
    assert find_settings(str(path)) == path


def test_the_learning_rate_rises_stays_and_falls() -> None:
    settings = TarTraining(steps=100, warmup=10, cooldown=0.5, rate=1.0)
    rates = [settings.rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:50] == [1.0] * 40
    assert rates[75] == pytest.approx(0.5)
    assert 0 < rates[99] < 0.03
    assert replace(settings, warmup=0, cooldown=0).rate_at(0) == 1.0
