"""Settings of PromptMID: what ships is right, and what makes no sense is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sarto.core.contract import InputError, OptionError
from sarto.core.matching.promptmid.compact import CompactNetwork
from sarto.core.matching.promptmid.config import CompactConfig
from sarto.core.matching.promptmid.weights import SHIPPED
from sarto.core.train.promptmid_config import LIMITS, FullTraining, PromptMidTraining
from sarto.core.train.settings import find_settings

from .promptmid_parts import NETWORK


def test_the_shipped_settings_are_those_of_both_stages() -> None:
    first, second = (PromptMidTraining.read(find_settings(f"promptmid-{stage}")) for stage in (1, 2))
    assert (first.stage, second.stage) == (1, 2)
    assert first.network == second.network == CompactConfig()
    assert first == PromptMidTraining(steps=first.steps)  # nothing but its length is its own
    own = {"stage", "steps", "rate", "decay"}
    assert {k: v for k, v in second.to_json().items() if k not in own} == {
        k: v for k, v in first.to_json().items() if k not in own
    }


def test_the_shipped_weights_end_with_the_settings_on_their_card() -> None:
    card = json.loads(SHIPPED.with_suffix(".json").read_text())
    names = ("tuned", "longer", "more", "muon")
    tuned, longer, more, last = (PromptMidTraining.read(find_settings(f"promptmid-2-{name}")) for name in names)
    for later in (longer, more, replace(last, optimiser=tuned.optimiser)):  # the same, gone on with
        assert later == replace(tuned, steps=later.steps, warmup=later.warmup, seed=later.seed)
    assert len({tuned.seed, longer.seed, more.seed, last.seed}) == 4  # other batches each time
    values = json.loads(json.dumps(last.to_json()))
    assert {name: values[name] for name in card["settings"]} == card["settings"]


def test_shipped_settings_name_every_field() -> None:
    for name in ("1", "2", "2-tuned", "2-longer", "2-more", "2-muon"):
        given = json.loads(find_settings(f"promptmid-{name}").read_text())
        assert set(given) == set(PromptMidTraining().to_json())
        assert set(given["network"]) == set(CompactConfig().to_json()) - {"encoder", "prompts"}


def test_there_and_back() -> None:
    settings = PromptMidTraining(NETWORK, stage=2, steps=7, sets=("a", "b"))
    assert PromptMidTraining.from_json(settings.to_json()) == settings
    assert PromptMidTraining.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_what_is_left_out_keeps_its_default(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"steps": 5, "network": {"scales": [4]}, "rate": 1e-2}')
    assert PromptMidTraining.read(path) == PromptMidTraining(CompactConfig(scales=(4,)), steps=5, rate=0.01)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"step": 5}, "step"),
        ({"stage": 3}, "stage"),
        ({"stage": 0}, "stage"),
        ({"stage": 1.5}, "stage"),
        ({"steps": 0}, "steps"),
        ({"steps": True}, "steps"),
        ({"rate": "fast"}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"side": 100}, "side"),
        ({"side": 32}, "side"),
        ({"local_side": 72}, "local_side"),
        ({"local_pairs": 0}, "local_pairs"),
        ({"pure_noise": 1.1}, "pure_noise"),
        ({"words_left_out": -0.1}, "words_left_out"),
        ({"land_use_weight": -1}, "land_use_weight"),
        ({"average": 1.0}, "average"),
        ({"sets": "ombria"}, "sets"),
        ({"precision": "half"}, "precision"),
        ({"optimiser": "sgd"}, "optimiser"),
        ({"coarse_weight": 1.0}, "coarse_weight"),
        ({"network": 3}, "network"),
        ({"network": {"width": 3}}, "width"),
        ({"network": {"widths": [8, 8, 8]}}, "widths"),
        ({"network": {"widths": [8, 8, 8, 12]}}, "widths"),
        ({"network": {"widths": [8, 8, 8, "8"]}}, "widths"),
        ({"network": {"heads": 3}}, "heads"),
        ({"network": {"heads": 0}}, "heads"),
        ({"network": {"time": 30}}, "time"),
        ({"network": {"noise": 1.5}}, "noise"),
        ({"network": {"fine": [8]}}, "fine"),
        ({"network": {"scales": []}}, "scales"),
        ({"network": {"scales": [2, 4]}}, "scales"),
        ({"network": {"window": [2, 1]}}, "window"),
        ({"network": {"window": [3]}}, "window"),
        ({"network": {"window": [3, 0]}}, "window"),
        ({"network": {"descriptor": 2}}, "descriptor"),
        ({"network": {"low": 1e9}}, "low"),
    ],
)
def test_the_field_that_makes_no_sense_is_named(values: dict[str, object], field: str) -> None:
    with pytest.raises(OptionError, match=rf"'(network\.)?{field}'"):
        PromptMidTraining.from_json(values)


def test_every_number_has_limits() -> None:
    numbers = set()
    for made in (PromptMidTraining(), FullTraining()):
        settings = made.to_json()
        network = settings.pop("network")
        numbers |= {k for k, v in settings.items() if isinstance(v, (int, float))}
        chosen = ("scales", "without")
        numbers |= {f"network.{k}" for k, v in network.items() if not isinstance(v, str) and k not in chosen}
    assert set(LIMITS) == numbers


@pytest.mark.parametrize(
    "change", [{"widths": (8, 8, 8, 8), "heads": 1}, {"time": 8}, {"scales": (16,)}, {"window": (1, 1)}]
)
def test_the_smallest_networks_allowed_can_be_made_and_used(change: dict[str, object]) -> None:
    from ..matching.tensors import pairs

    settings = PromptMidTraining.from_json({"network": {**NETWORK.to_json(), **change}})
    network = CompactNetwork(settings.network).eval()
    found = network.describe(pairs(1, 32, 32), network.prompt(network.tokens.new_zeros(1, 7)))
    assert found.sar.shape == (1, NETWORK.descriptor, 8, 8)


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"steps": 1e400}'])
def test_files_that_are_no_settings(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises((InputError, OptionError), match="settings"):
        PromptMidTraining.read(path)


def test_the_learning_rate_is_that_of_all_training() -> None:
    settings = PromptMidTraining(steps=100, warmup=10, cooldown=0.5, rate=1.0)
    rates = [settings.rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:50] == [1.0] * 40
    assert rates[75] == pytest.approx(0.5)
    assert replace(settings, warmup=0, cooldown=0).rate_at(0) == 1.0
