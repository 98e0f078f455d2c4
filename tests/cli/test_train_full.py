"""A dry run of PromptMID's full size on tiny models of the published formats: from data to weights that match."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from sarto.cli import main
from sarto.core.contract import RANGES, EngineError, MatchOptions
from sarto.core.matching.passes.weight_files import read_card
from sarto.core.matching.promptmid.full import FullConfig
from sarto.core.matching.promptmid.matcher import PromptMidMatcher
from sarto.core.matching.promptmid.weights import read_weights
from sarto.core.matching.protocol import MatchTask
from sarto.core.train.checkpoint import read
from sarto.core.train.promptmid_config import FullTraining, PromptMidTraining
from sarto.core.train.settings import find_settings

from ..core.matching.conftest import make_pair
from ..core.matching.promptmid_full.conftest import copied, foundation
from ..core.matching.promptmid_full.tiny import SMALL
from .test_train import place

__all__ = ["copied", "foundation", "place"]

SETTINGS = {
    "network": {k: v for k, v in SMALL.to_json().items() if k not in ("foundation", "prompts")},
    "steps": 2, "epochs": 0, "pairs": 2, "side": 64, "local_pairs": 1, "local_side": 64, "precision": "float32",
}  # fmt: skip


@pytest.fixture
def models(copied: Path) -> Path:
    return copied


def stage(place: Path, models: Path | None, number: int, *more: str, **changed: object) -> list[str]:
    """Arguments of `sarto train promptmid` for the full size."""
    name = {1: "one", 2: "two"}[number]
    (place / f"{name}.json").write_text(json.dumps({**SETTINGS, "stage": number, **changed}))
    given = {
        "stage": str(number),
        "config": str(place / f"{name}.json"),
        "data": str(place / "data" / "manifest.csv"),
        "out": str(place / name),
        "device": "cpu",
        "models": str(models or ""),
    }
    options = [part for key, value in given.items() if value for part in (f"--{key}", value)]
    return ["train", "promptmid", *options, *more]


def test_from_data_to_weights_that_match(place: Path, models: Path, capsys) -> None:
    one, two = (place / name / "checkpoint.pt" for name in ("one", "two"))
    assert main(stage(place, models, 1)) == 0
    assert main(stage(place, models, 1, "--resume", steps=4)) == 0
    assert "Going on from step 2." in capsys.readouterr().err
    first = read(one)
    assert first.step == 4
    assert not any(name.startswith(("unet", "vae", "text", "vision")) for name in first.network)
    published = load_file(models / "vgg19.safetensors")
    assert torch.equal(first.network["optical_fine.features.5.weight"], published["features.5.weight"])

    assert main(stage(place, models, 2, "--from", str(one))) == 0
    second = read(two)
    changed = {n.split(".")[0] for n, v in first.average.items() if not torch.equal(v, second.network[n])}
    assert "diffusion" not in changed
    assert changed >= {"optical_fine", "optical", "sar", "sar_fine", "optical_low", "sar_low", "land_use"}

    weights = models / "promptmid-full.safetensors"
    assert main(["train", "export", "--from", str(two), "--models", str(models), "--out", str(weights)]) == 0
    assert read_card(weights)["network"]["size"] == "full"
    config = read_weights(weights).config
    assert isinstance(config, FullConfig)
    with safe_open(models / "unet/diffusion_pytorch_model.safetensors", framework="pt") as unet:
        own = set(load_file(weights))
        assert not {f"net.{name}" for name in unet.keys()} & own  # noqa: SIM118

    pair = make_pair(96, degrees=1.0, seed=3)
    found = PromptMidMatcher(weights).match(
        MatchTask(pair.optical, pair.sar, RANGES["georef"], MatchOptions(method="promptmid"), painting=True)
    )
    assert found.painted is not None
    assert found.painted.values.std() > 0
    assert found.evidence < 0.5  # nothing is calibrated: nothing is trusted
    assert np.isfinite(found.pose).all()

    (models / "scheduler/scheduler_config.json").write_text(
        (models / "scheduler/scheduler_config.json").read_text() + "\n"
    )
    shutil.copy(weights, models / "again.safetensors")
    with pytest.raises(EngineError, match="not those that the network was trained with"):
        PromptMidMatcher(models / "again.safetensors").match(
            MatchTask(pair.optical, pair.sar, RANGES["georef"], MatchOptions(method="promptmid"))
        )


def test_weights_away_from_their_foundation_models_say_what_is_missing(
    place: Path, models: Path, tmp_path: Path, capsys
) -> None:
    assert main(stage(place, models, 1, steps=1)) == 0
    assert main(stage(place, models, 2, "--from", str(place / "one" / "checkpoint.pt"), steps=1)) == 0
    two, weights = str(place / "two" / "checkpoint.pt"), tmp_path / "alone" / "w.safetensors"
    weights.parent.mkdir()
    capsys.readouterr()
    assert main(["train", "export", "--from", two, "--out", str(weights)]) == 6
    assert "needs the folder of its foundation models" in capsys.readouterr().err
    assert main(["train", "export", "--from", two, "--models", str(models), "--out", str(weights)]) == 0
    pair = make_pair(96, seed=3)
    with pytest.raises(EngineError, match="lack the file"):
        PromptMidMatcher(weights).match(MatchTask(pair.optical, pair.sar, RANGES["georef"], MatchOptions()))


@pytest.mark.parametrize(
    ("number", "more", "status", "said"),
    [
        (1, {"models": "none"}, 6, "no folder"),
        (1, {"models": None}, 2, "--models"),
        (1, {"lost": "dinov2/config.json"}, 6, "dinov2/config.json"),
        (1, {"lost": "vgg19.safetensors"}, 6, "VGG19"),
        (1, {"network": {"size": "full", "moments": []}}, 2, "moments"),
        (1, {"network": {"size": "full", "moments": [0.2, 0.6]}}, 2, "falling"),
        (1, {"network": {"size": "full", "vgg": [1, 2]}}, 2, "vgg"),
        (1, {"network": {"size": "full", "widths": [8, 8, 8, 8]}}, 2, "widths"),
        (2, {}, 2, "Give them with --from"),
    ],
)
def test_errors(place: Path, models: Path, capsys, number: int, more: dict, status: int, said: str) -> None:
    folder = models if "models" not in more else more["models"] and place / more["models"]
    if "lost" in more:
        (models / more["lost"]).unlink()
    changed = {"network": more["network"]} if "network" in more else {}
    assert main(stage(place, folder, number, **changed)) == status
    assert said in capsys.readouterr().err
    assert not list(place.glob("*/checkpoint.pt"))


def test_the_papers_settings_are_the_default() -> None:
    first, second = (PromptMidTraining.read(find_settings(f"promptmid-full-{k}")) for k in (1, 2))
    assert first == FullTraining()
    assert (first.pairs, first.decay, first.epochs) == (2, 0.01, 50)
    assert (second.stage, second.pairs, second.decay, second.epochs) == (2, 1, 0.01, 20)
    assert first.network == second.network == FullConfig()
    assert first.lasting(1000).steps == 25_000
    assert second.lasting(1001).steps == 20_020
    assert PromptMidTraining().lasting(1000).steps == PromptMidTraining().steps
    assert PromptMidTraining.from_json(json.loads(json.dumps(second.to_json()))) == second


def test_models_are_listed_with_checksums_and_memory(models: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("sarto.core.matching.promptmid.full.FullConfig", lambda: SMALL)
    assert main(["models", str(models), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    path = models / "unet/diffusion_pytorch_model.safetensors"
    listed = {file["name"]: file for file in facts["files"]}
    assert listed["unet/diffusion_pytorch_model.safetensors"]["size"] == path.stat().st_size
    assert listed["unet/diffusion_pytorch_model.safetensors"]["sha256"] == sha256(path.read_bytes()).hexdigest()
    with safe_open(path, framework="pt") as file:
        held = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
    assert held < facts["parameters"]["foundation models"] < 3 * held
    assert facts["parameters"]["ControlNet"] > 0
    assert main(["models", str(models), "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "All files are there and fit." in shown
    assert "million parameters" in shown
    path.unlink()
    assert main(["models", str(models)]) == 6
    assert "unet/diffusion_pytorch_model.safetensors" in capsys.readouterr().err
