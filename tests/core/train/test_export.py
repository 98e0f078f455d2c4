"""Weights from a checkpoint, with their results card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sarto.core.contract import EngineError, InputError, OptionError, OutputError
from sarto.core.matching.passes.calibration import Calibration
from sarto.core.matching.passes.weight_files import read_card
from sarto.core.matching.tar.weights import load_model, read_bank, read_weights
from sarto.core.train.checkpoint import read
from sarto.core.train.export import export, put_calibration
from sarto.core.train.tar import Run

from .conftest import NETWORK, ONLY_LOCAL


@pytest.fixture
def trained(make_run, chips) -> Run:
    run = make_run(steps=3)
    run.train(chips, chips[:1], 600, lambda line: None)
    return run


def test_the_averaged_weights_are_what_the_method_loads(trained: Run, bank, tmp_path: Path) -> None:
    path = tmp_path / "out" / "w.safetensors"
    export(trained.checkpoint, path)
    model = load_model(path, torch.device("cpu"))
    for key, value in model.network.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, trained.state.average[key], rtol=2e-3, atol=1e-6)
    assert read_bank(path).digest == bank.digest
    assert read_weights(path).config == NETWORK


def test_the_card_says_what_it_is_and_names_no_path(trained: Run, bank, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    card = export(trained.checkpoint, path, card=tmp_path / "more" / "card.json")
    assert json.loads(path.with_suffix(".json").read_text()) == card
    assert json.loads((tmp_path / "more" / "card.json").read_text()) == card
    assert read_card(path) == card
    assert card["steps"] == 3
    assert card["trained on"] == {"made": 4}
    assert card["held out"] == {"made": 1}
    assert card["figures"]["step"] == 3
    assert card["text"]["digest"].replace(" ", "") == bank.digest
    assert card["settings"]["pairs"] == 2
    assert card["network"]["stem"] == 4
    assert set(card["versions"]) == {"sarto", "python", "torch", "numpy"}
    assert str(tmp_path) not in json.dumps(card)


def test_the_local_part_of_another_run(make_run, chips, trained: Run, tmp_path: Path) -> None:
    other = make_run("local", steps=5, seed=2, **ONLY_LOCAL)
    other.train(chips, chips[:1], 600, lambda line: None)
    path = tmp_path / "w.safetensors"
    card = export(trained.checkpoint, path, local=other.checkpoint)
    tensors = read_weights(path).tensors
    for key, value in tensors.items():
        of = other if key.startswith("local.") or key == "sharpness" else trained
        assert torch.allclose(value.float(), of.state.average[key].float(), rtol=2e-3, atol=1e-6), key
    assert card["local part"]["steps"] == 5
    assert card["local part"]["settings"]["seed"] == 2
    assert card["local part"]["trained on"] == {"made": len(chips)}
    assert card["figures"]["local right"] == other.state.facts.figures["local right"]
    assert card["figures"]["coarse right"] == trained.state.facts.figures["coarse right"]
    assert read_card(path) == card


def test_the_local_part_of_another_network(make_run, chips, trained: Run, tmp_path: Path) -> None:
    other = make_run("wide", steps=1, network=replace(NETWORK, local=(8, 8, 4)))
    other.train(chips, [], 600, lambda line: None)
    with pytest.raises(InputError, match="another network"):
        export(trained.checkpoint, tmp_path / "w.safetensors", local=other.checkpoint)
    assert not (tmp_path / "w.safetensors").exists()


def test_promptmid_has_no_local_part_to_take(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said before anything about networks that differ."""
    checkpoint = read(trained.checkpoint)
    staged = replace(checkpoint, settings={**checkpoint.settings, "stage": 2})
    monkeypatch.setattr("sarto.core.train.export.read", lambda path: staged if path == tmp_path else checkpoint)
    with pytest.raises(OptionError, match="local part"):
        export(trained.checkpoint, tmp_path / "w.safetensors", local=tmp_path)
    assert not (tmp_path / "w.safetensors").exists()


def test_weights_that_change_are_noticed(trained: Run, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    export(trained.checkpoint, path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(EngineError, match="checksum"):
        read_weights(path)
    export(trained.checkpoint, path)
    read_weights(path)


def test_the_bank_of_an_old_checkpoint_is_asked_for(trained: Run, bank, tmp_path: Path) -> None:
    content = torch.load(trained.checkpoint, weights_only=True)
    del content["text"]
    torch.save(content, trained.checkpoint)
    path = tmp_path / "w.safetensors"
    with pytest.raises(OptionError, match="--bank"):
        export(trained.checkpoint, path)
    assert not path.exists()
    export(trained.checkpoint, path, bank)
    assert read_bank(path).digest == bank.digest


def test_another_bank_is_refused(trained: Run, bank, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="was trained with text bank"):
        export(trained.checkpoint, tmp_path / "w.safetensors", bank.shuffled(1))


def test_without_text(make_run, tmp_path: Path) -> None:
    run = make_run(network=replace(NETWORK, text=False))
    run.save()
    card = export(run.checkpoint, tmp_path / "w.safetensors")
    assert card["text"] is None
    assert read_bank(tmp_path / "w.safetensors") is None


def test_weights_too_large_for_half_precision(make_run, tmp_path: Path) -> None:
    run = make_run()
    run.save()
    content = torch.load(run.checkpoint, weights_only=True)
    key = next(k for k, v in content["average"].items() if v.ndim == 4)
    content["average"][key] = content["average"][key].float() + 1e5
    torch.save(content, run.checkpoint)
    with pytest.raises(InputError, match="too large"):
        export(run.checkpoint, tmp_path / "w.safetensors")


def test_a_place_that_cannot_be_written(trained: Run, tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        export(trained.checkpoint, trained.checkpoint / "w.safetensors")


def test_a_calibration_is_added(trained: Run, bank, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    before = export(trained.checkpoint, path)
    calibration = Calibration({"score": 2.0}, -1.0)
    tensors = read_weights(path).tensors
    card = put_calibration(path, calibration, {"registrations": 5})
    found = read_weights(path)
    assert found.calibration == calibration
    assert found.bank.digest == bank.digest
    assert all(torch.equal(v, found.tensors[k]) for k, v in tensors.items())
    assert card["calibration"] == {"registrations": 5}
    assert card["sha256"] != before["sha256"]
    assert {k: v for k, v in card.items() if k not in ("sha256", "calibration")} == {
        k: v for k, v in before.items() if k != "sha256"
    }


def test_a_run_starts_from_exported_weights(trained: Run, make_run, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    export(trained.checkpoint, path)
    run = make_run("next")
    run.start_from(path)
    key = next(k for k, v in run.network.state_dict().items() if v.ndim == 4)
    assert torch.allclose(run.network.state_dict()[key], trained.state.average[key], rtol=2e-3, atol=1e-6)
    with pytest.raises(InputError, match="'text_dim'"):
        make_run("other", text=False, network=replace(NETWORK, text_dim=16)).start_from(path)
    with pytest.raises(EngineError):
        run.start_from(tmp_path / "none.safetensors")


def test_weights_whose_local_features_are_trained_on_keep_all_others(
    trained: Run, chips, make_run, tmp_path
) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    export(trained.checkpoint, first)
    run = make_run("next", steps=2, **ONLY_LOCAL)
    run.start_from(first)
    assert (run.state.step, len(run.state.optimiser.state)) == (0, 0)
    run.train(chips, [], 600, lambda line: None)
    export(run.checkpoint, second)
    before, after = (read_weights(path).tensors for path in (first, second))
    changed = {name for name, values in before.items() if not torch.equal(values, after[name])}
    assert {name.split(".")[0] for name in changed} == {"local", "sharpness"}
