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
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sarto.core.contract import EngineError, OutputError
from sarto.core.matching.land_use import load_land_use
from sarto.core.matching.passes.calibration import Calibration, Limits
from sarto.core.matching.passes.weight_files import CARD_SUFFIX, WAY_OUT, grouped, read_card
from sarto.core.matching.promptmid import weights as module
from sarto.core.matching.promptmid.compact import CompactNetwork
from sarto.core.matching.promptmid.config import CompactConfig
from sarto.core.matching.promptmid.weights import load, read_weights, save_weights

from ..tensors import pairs
from .conftest import SMALL

CPU = torch.device("cpu")
CALIBRATION = Calibration({"gain": 2.0}, -1.5, limits=Limits(0.02, 1.3))
MOST_MEGABYTES = 12


def test_what_is_written_is_read(tmp_path: Path, network: CompactNetwork) -> None:
    path = tmp_path / "w.safetensors"
    digest = save_weights(path, network.state_dict(), SMALL, CALIBRATION)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    found, calibration = load(path, CPU)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            assert torch.equal(found.state_dict()[name], value.half().float()), name
    assert found.config == SMALL
    assert calibration == CALIBRATION
    assert not any(module.training for module in found.modules())
    assert not any(p.requires_grad for p in found.parameters())
    words = network.prompt(torch.zeros(1, 7))
    pair = pairs(1, 48, 48)
    ours, theirs = (n.describe(pair, words) for n in (network, found))
    assert torch.cosine_similarity(ours.sar, theirs.sar, dim=1).min() > 0.99
    assert torch.cosine_similarity(ours.optical, theirs.optical, dim=1).mean() > 0.99


def test_sizes_survive_as_json() -> None:
    assert CompactConfig.from_json(json.loads(json.dumps(SMALL.to_json()))) == SMALL
    with pytest.raises(TypeError):
        CompactConfig.from_json({"width": 3})


def test_it_is_loaded_once_and_again_when_the_file_changes(weights: Path, network: CompactNetwork) -> None:
    first, _ = load(weights, CPU)
    assert load(weights, CPU)[0] is first
    with torch.no_grad():
        network.sharpness.fill_(1.0)
    save_weights(weights, network.state_dict(), SMALL)
    os.utime(weights, ns=(1, 1))
    again, _ = load(weights, CPU)
    assert again is not first
    assert float(again.sharpness) == 1.0


def test_without_a_name_the_shipped_file_is_read(weights: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "SHIPPED", weights)
    assert load(None, CPU)[0] is load(weights, CPU)[0]


def test_a_missing_file_is_named_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"nowhere\.safetensors' are missing") as caught:
        load(tmp_path / "nowhere.safetensors", CPU)
    assert caught.value.hint == WAY_OUT


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.99])
def test_a_truncated_file_is_refused(weights: Path, share: float) -> None:
    content = weights.read_bytes()
    weights.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(EngineError, match="cannot be read") as caught:
        load(weights, CPU)
    assert caught.value.hint == WAY_OUT


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (trap,)  # type: ignore[return-value]

    path = tmp_path / "weights.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(EngineError, match="cannot be read"):
        load(path, CPU)
    assert not trap.exists()


def test_the_checksum_on_the_card_is_held(weights: Path) -> None:
    card = weights.with_suffix(CARD_SUFFIX)
    card.write_text(json.dumps({"sha256": grouped(hashlib.sha256(weights.read_bytes()).hexdigest())}))
    read_weights(weights)
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(EngineError, match="damaged"):
        load(weights, CPU)
    card.write_text("{")
    with pytest.raises(EngineError, match=r"some\.json"):
        read_weights(weights)


def _resaved(path: Path, tensors: dict[str, torch.Tensor] | None = None, **metadata: str) -> None:
    with safe_open(path, framework="pt") as file:
        kept = dict(file.metadata()) | metadata
    save_file(tensors or load_file(path), path, kept)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "sarto-tar"},
        {"version": "99"},
        {"config": "{}x"},
        {"config": '{"unknown": 1}'},
        {"config": "[1]"},
        {"calibration": "x"},
    ],
)
def test_files_of_another_kind_are_refused(weights: Path, change: dict[str, str]) -> None:
    _resaved(weights, **change)
    with pytest.raises(EngineError, match="some"):
        load(weights, CPU)


def test_sizes_that_no_network_can_have_are_refused(weights: Path) -> None:
    for change in ({"heads": 0}, {"widths": [9, 9, 9, 9]}, {"heads": 3}, {"window": [3]}, {"scales": [5]}):
        _resaved(weights, config=json.dumps({**SMALL.to_json(), **change}))
        with pytest.raises(EngineError, match="some"):
            load(weights, CPU)


def test_weights_for_other_prompts_are_refused(tmp_path: Path, network: CompactNetwork) -> None:
    path = tmp_path / "other.safetensors"
    save_weights(path, network.state_dict(), replace(SMALL, prompts="0123456789abcdef"))
    with pytest.raises(EngineError, match="0123456789abcdef") as caught:
        load(path, CPU)
    assert load_land_use().digest in str(caught.value)
    assert "land_use.json" in caught.value.hint


def test_tensors_that_do_not_fit_are_named(weights: Path) -> None:
    tensors = load_file(weights)
    for change, said in (
        ({"net.sharpness": torch.zeros(3).half()}, "sharpness"),
        ({"net.tokens": torch.zeros(7, 12).half()}, "tokens"),
        ({"net.more": torch.zeros(1).half()}, "too many"),
        ({"net.sharpness": torch.tensor(float("nan")).half()}, "not numbers"),
        ({"net.sharpness": torch.tensor(float("inf")).half()}, "not numbers"),
    ):
        _resaved(weights, tensors | change)
        with pytest.raises(EngineError, match=said) as caught:
            load(weights, CPU)
        assert caught.value.hint == WAY_OUT
    _resaved(weights, {k: v for k, v in tensors.items() if k != "net.sharpness"})
    with pytest.raises(EngineError, match="sharpness"):
        load(weights, CPU)


def test_the_file_holds_half_precision_and_the_backbone(weights: Path) -> None:
    tensors = load_file(weights)
    assert {v.dtype for v in tensors.values()} == {torch.float16}
    assert "net.backbone._blocks.10._project_conv.weight" in tensors
    assert "net.tokens" in tensors


def test_without_a_calibration_nothing_is_trusted(weights: Path) -> None:
    assert load(weights, CPU)[1].log_odds({"gain": 9.0}) < -4


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path, network: CompactNetwork) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(OutputError, match="could not be written"):
        save_weights(blocker / "w.safetensors", network.state_dict(), SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_shipped_weights_are_small_checked_and_tied_to_the_prompts(shipped: Path) -> None:
    assert shipped.stat().st_size <= MOST_MEGABYTES * 1e6
    card = read_card(shipped)
    assert card["sha256"]
    assert card["method"] == "promptmid"
    network, calibration = load(None, CPU)
    assert network.config.prompts == load_land_use().digest
    assert network.config.encoder == "all-MiniLM-L6-v2"
    assert torch.allclose(network.tokens.norm(dim=1), torch.ones(8), atol=1e-2)
    assert calibration.evidence
    assert calibration.confidence
