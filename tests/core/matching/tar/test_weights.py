"""Files of weights: what is written is read; what is damaged, foreign or mixed up is refused in plain words."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from sarto.core.contract import EngineError, OptionError, OutputError
from sarto.core.matching.passes.calibration import Calibration, Limits
from sarto.core.matching.passes.weight_files import CARD_SUFFIX, grouped
from sarto.core.matching.tar.config import TarConfig
from sarto.core.matching.tar.network import TarNetwork
from sarto.core.matching.tar.weights import load_model, read_bank, read_weights, save_weights
from sarto.core.matching.text.bank import TextBank

from .conftest import SMALL

CPU = torch.device("cpu")
CALIBRATION = Calibration({"gain": 2.0}, -1.5, limits=Limits(0.02, 1.3))


@pytest.fixture
def weights(tmp_path: Path, network: TarNetwork, bank: TextBank) -> Path:
    path = tmp_path / "some.safetensors"
    save_weights(path, network.state_dict(), SMALL, bank, CALIBRATION)
    return path


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())


def test_what_is_written_is_read(weights: Path, network: TarNetwork, bank: TextBank) -> None:
    model = load_model(weights, CPU)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            assert torch.equal(model.network.state_dict()[name], value.half().float()), name
    assert model.text is not None
    assert torch.equal(model.text.scenes, torch.from_numpy(bank.scenes))
    assert model.calibration == CALIBRATION
    assert not model.network.training
    assert not any(p.requires_grad for p in model.network.parameters())


def test_it_is_loaded_once_and_again_when_the_file_changes(
    weights: Path, network: TarNetwork, bank: TextBank
) -> None:
    first = load_model(weights, CPU).network
    assert load_model(weights, CPU).network is first
    with torch.no_grad():
        network.sharpness.fill_(1.0)
    save_weights(weights, network.state_dict(), SMALL, bank)
    os.utime(weights, ns=(1, 1))
    again = load_model(weights, CPU).network
    assert float(again.sharpness) == 1.0


def test_a_scene_hint_narrows_the_scenes_only(weights: Path, bank: TextBank) -> None:
    model = load_model(weights, CPU, ("river",))
    assert model.text is not None
    assert torch.equal(model.text.scenes, torch.from_numpy(bank.scenes[1:2]))
    assert torch.equal(model.text.covers, torch.from_numpy(bank.covers))
    with pytest.raises(OptionError, match="airport"):
        load_model(weights, CPU, ("airport",))


def test_text_can_be_left_out(weights: Path) -> None:
    assert load_model(weights, CPU, text="none").text is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"nowhere\.safetensors' are missing"):
        load_model(tmp_path / "nowhere.safetensors", CPU)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.99])
def test_a_truncated_file_is_refused(weights: Path, share: float) -> None:
    content = weights.read_bytes()
    weights.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(EngineError, match="cannot be read"):
        read_weights(weights)


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (trap,)  # type: ignore[return-value]

    path = tmp_path / "weights.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(EngineError, match="cannot be read"):
        read_weights(path)
    assert not trap.exists()


def test_the_checksum_on_the_card_is_held(weights: Path) -> None:
    card = weights.with_suffix(CARD_SUFFIX)
    card.write_text(json.dumps({"sha256": grouped(hashlib.sha256(weights.read_bytes()).hexdigest())}))
    read_weights(weights)
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(EngineError, match="damaged"):
        read_weights(weights)


def test_a_broken_card_is_named(weights: Path) -> None:
    weights.with_suffix(CARD_SUFFIX).write_text("{")
    with pytest.raises(EngineError, match=r"some\.json"):
        read_weights(weights)


def _resaved(path: Path, tensors: dict[str, torch.Tensor] | None = None, **metadata: str) -> None:
    kept = _metadata(path) | metadata
    save_file(tensors or load_file(path), path, kept)


def test_another_bank_than_the_one_trained_with_is_refused(weights: Path, bank: TextBank) -> None:
    other = bank.shuffled(1)
    tensors = load_file(weights)
    arrays, facts = other.to_tensors()
    tensors |= {name: torch.from_numpy(values) for name, values in arrays.items()}
    _resaved(weights, tensors, **facts)
    with pytest.raises(EngineError, match="trained with"):
        read_weights(weights)


def test_tensors_that_do_not_fit_are_named(weights: Path) -> None:
    tensors = load_file(weights)
    tensors["net.sharpness"] = torch.zeros(3, dtype=torch.float16)
    _resaved(weights, tensors)
    with pytest.raises(EngineError, match="sharpness"):
        load_model(weights, CPU)


def test_missing_tensors_and_foreign_ones_are_refused(weights: Path) -> None:
    tensors = load_file(weights)
    missing = {k: v for k, v in tensors.items() if k != "net.sharpness"}
    _resaved(weights, missing)
    with pytest.raises(EngineError, match="sharpness"):
        load_model(weights, CPU)
    _resaved(weights, tensors | {"net.more": torch.zeros(1, dtype=torch.float16)})
    with pytest.raises(EngineError, match="too many"):
        load_model(weights, CPU)


def test_numbers_that_are_none_are_refused(weights: Path) -> None:
    tensors = load_file(weights)
    tensors["net.sharpness"] = torch.tensor(float("nan"), dtype=torch.float16)
    _resaved(weights, tensors)
    with pytest.raises(EngineError, match="not numbers"):
        load_model(weights, CPU)


@pytest.mark.parametrize(
    "change", [{"format": "other"}, {"version": "99"}, {"config": "{}x"}, {"config": '{"unknown": 1}'}]
)
def test_files_of_another_kind_are_refused(weights: Path, change: dict[str, str]) -> None:
    _resaved(weights, **change)
    with pytest.raises(EngineError, match="some"):
        read_weights(weights)


def test_weights_without_text(tmp_path: Path) -> None:
    config = replace(SMALL, text=False)
    path = tmp_path / "plain.safetensors"
    save_weights(path, TarNetwork(config).state_dict(), config, None)
    assert load_model(path, CPU).text is None
    assert read_bank(path) is None
    assert load_model(path, CPU).calibration.log_odds({"gain": 9.0}) < -4


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path, network: TarNetwork) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(OutputError, match="could not be written"):
        save_weights(blocker / "w.safetensors", network.state_dict(), SMALL, None)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_network_written_before_edges_were_weighed_is_read_as_one_without() -> None:
    written = TarConfig().to_json()
    assert TarConfig.from_json(written) == TarConfig()
    del written["weighing"]
    assert TarConfig.from_json(written) == replace(TarConfig(), weighing=False)
