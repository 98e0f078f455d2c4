"""The text bank: what is in it, that it survives the disk, and that nothing else does."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from sarto.core.contract import EngineError, OptionError, OutputError
from sarto.core.matching.prompts import load_library
from sarto.core.matching.text import TextBank, build_bank, check_tied, load_bank, save_bank


def same(a: TextBank, b: TextBank) -> bool:
    named = (a.encoder, a.scene_names, a.cover_names) == (b.encoder, b.scene_names, b.cover_names)
    return named and np.array_equal(a.scenes, b.scenes) and np.array_equal(a.covers, b.covers)


def rewritten(path: Path, tensors: dict | None = None, **metadata: str) -> Path:
    """The bank in `path` with other tensors or metadata."""
    with safe_open(path, framework="numpy") as file:
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = file.metadata()
    save_file({**kept, **(tensors or {})}, path, {**facts, **metadata})
    return path


@pytest.fixture
def stored(bank: TextBank, tmp_path: Path) -> Path:
    save_bank(bank, tmp_path / "bank.safetensors")
    return tmp_path / "bank.safetensors"


# ── building ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_vector_is_the_mean_of_the_wordings_of_unit_length(bank, library, encoder) -> None:
    assert bank.scenes.shape == (4, 2, 12)
    assert bank.covers.shape == (2, 2, 12)
    assert bank.dimension == 12
    assert bank.scenes.dtype == np.float32
    for vectors, entries in ((bank.scenes, library.scenes), (bank.covers, library.land_cover)):
        for vector, entry in zip(vectors, entries):
            for place, look in enumerate((entry.optical, entry.sar)):
                mean = encoder.encode(look).mean(axis=0)
                np.testing.assert_allclose(vector[place], mean / np.linalg.norm(mean), atol=1e-3)


def test_the_order_is_that_of_the_library(bank, library) -> None:
    assert bank.scene_names == ("harbour", "lake", "desert", "port")
    assert bank.cover_names == ("water", "road")
    assert bank.encoder == "random"


def test_the_shipped_library_can_be_built(encoder) -> None:
    library = load_library()
    built = build_bank(library, encoder)
    assert len(built.scenes) == len(library.scenes)
    np.testing.assert_allclose(np.linalg.norm(built.covers, axis=-1), 1, atol=2e-3)


@pytest.mark.parametrize("fault", ["width", "count", "nan"])
def test_an_encoder_that_returns_nonsense(library, encoder, fault) -> None:
    def nonsense(texts):
        features = type(encoder).encode(encoder, texts)
        return {"width": features[:, :5], "count": features[1:], "nan": features * np.nan}[fault]

    encoder.encode = nonsense
    with pytest.raises(EngineError, match="Encoder 'random'"):
        build_bank(library, encoder)


def test_wordings_that_cancel_out(library, encoder) -> None:
    def opposite(texts):
        features = np.ones((len(texts), encoder.dimension), np.float32)
        features[[i for i, text in enumerate(texts) if text.endswith("1")]] *= -1
        return features

    encoder.encode = opposite
    with pytest.raises(EngineError, match="'harbour' no direction"):
        build_bank(library, encoder)


# ── digest ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_digest_changes_with_every_part(bank) -> None:
    moved = bank.scenes.copy()
    moved[1, 1, 3] += 0.01
    others = (
        replace(bank, encoder="other"),
        replace(bank, scene_names=("harbour", "lake", "port", "desert")),
        replace(bank, cover_names=("water", "roads")),
        replace(bank, scenes=moved),
        replace(bank, covers=bank.covers[:, ::-1]),
        bank.select(["lake"]),
        bank.shuffled(0),
    )
    digests = {bank.digest, *(other.digest for other in others)}
    assert len(digests) == 1 + len(others)
    assert all(len(d) == 16 and int(d, 16) >= 0 for d in digests)
    assert replace(bank, scenes=bank.scenes + 1e-7).digest == bank.digest  # below half precision


def test_bank_and_weights_are_tied(bank) -> None:
    check_tied(bank, bank.digest, "Model 'tar.safetensors'")
    with pytest.raises(EngineError) as caught:
        check_tied(bank.shuffled(1), bank.digest, "Model 'tar.safetensors'")
    for word in ("Model 'tar.safetensors'", bank.digest, bank.shuffled(1).digest):
        assert word in str(caught.value)


# ── hint and ablation ───────────────────────────────────────────────────────────────────────────────────────


def test_a_hint_narrows_the_scenes_only(bank) -> None:
    narrow = bank.select(["port", "harbour"])
    assert narrow.scene_names == ("harbour", "port")  # the bank's order
    np.testing.assert_array_equal(narrow.scenes, bank.scenes[[0, 3]])
    np.testing.assert_array_equal(narrow.covers, bank.covers)
    assert narrow.cover_names == bank.cover_names
    assert same(bank.select([]), bank)


def test_a_hint_that_the_bank_does_not_know(bank) -> None:
    with pytest.raises(OptionError, match=r"Scene 'glacier' is not in the text bank\. It has: harbour, lake"):
        bank.select(["harbour", "glacier"])


def test_shuffling_keeps_vectors_and_breaks_pairs(encoder) -> None:
    bank = build_bank(load_library(), encoder)
    mixed = bank.shuffled(3)
    assert (mixed.scene_names, mixed.cover_names) == (bank.scene_names, bank.cover_names)
    before, after = (np.concatenate([b.scenes, b.covers]) for b in (bank, mixed))
    for look in (0, 1):
        np.testing.assert_array_equal(np.sort(before[:, look], axis=0), np.sort(after[:, look], axis=0))
    place = [[int(np.flatnonzero((before[:, k] == row).all(1))[0]) for row in after[:, k]] for k in (0, 1)]
    assert np.mean(np.array(place[0]) == np.array(place[1])) < 0.2  # optical and SAR no longer belong together
    count = len(bank.scenes)
    assert any(p >= count for p in place[0][:count])  # land covers among the scenes
    assert same(mixed, bank.shuffled(3))
    assert not same(mixed, bank.shuffled(4))


# ── disk ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_comes_back_bit_for_bit(bank, stored) -> None:
    loaded = load_bank(stored)
    assert same(loaded, bank)
    assert loaded.digest == bank.digest
    with safe_open(stored, framework="numpy") as file:
        metadata = file.metadata()
        assert file.get_tensor("text.scenes").dtype == np.float16
    assert (metadata["format"], metadata["version"]) == ("sarto-text-bank", "1")
    assert json.loads(metadata["scene_names"]) == list(bank.scene_names)
    assert metadata["digest"] == bank.digest


def test_an_existing_file_stays_unless_allowed(bank, stored, tmp_path) -> None:
    with pytest.raises(OutputError, match="exists already"):
        save_bank(bank.shuffled(0), stored)
    assert same(load_bank(stored), bank)
    save_bank(bank.shuffled(0), stored, overwrite=True)
    assert same(load_bank(stored), bank.shuffled(0))
    with pytest.raises(OutputError, match="is a folder"):
        save_bank(bank, tmp_path, overwrite=True)
    save_bank(bank, tmp_path / "new" / "bank.safetensors")  # folders are made


def test_nothing_half_written_stays(bank, stored, monkeypatch) -> None:
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        save_bank(bank.shuffled(0), stored, overwrite=True)
    assert [p.name for p in stored.parent.iterdir()] == [stored.name]
    assert same(load_bank(stored), bank)


@pytest.mark.skipif(os.name == "nt", reason="rights of Unix")
def test_others_may_read_it_as_any_new_file(stored) -> None:
    (stored.parent / "plain").write_bytes(b"")
    assert stat.S_IMODE(stored.stat().st_mode) == stat.S_IMODE((stored.parent / "plain").stat().st_mode)


def test_a_file_that_is_missing_cut_or_something_else(stored, tmp_path) -> None:
    with pytest.raises(EngineError, match="could not be read"):
        load_bank(tmp_path / "none.safetensors")
    with pytest.raises(EngineError, match="could not be read"):
        load_bank(tmp_path)
    content = stored.read_bytes()
    for part in (b"", content[:5], content[:200], content[:-1], b"\x80\x04" + content):
        (tmp_path / "cut.safetensors").write_bytes(part)
        with pytest.raises(EngineError, match=r"cut\.safetensors' could not be read"):
            load_bank(tmp_path / "cut.safetensors")
    save_file({"text.scenes": np.ones((1, 2, 3), np.float16)}, tmp_path / "weights.safetensors")
    with pytest.raises(EngineError, match="no text bank"):
        load_bank(tmp_path / "weights.safetensors")


def test_a_changed_vector_or_name_is_noticed(bank, stored) -> None:
    swapped = bank.scenes[::-1].astype(np.float16)
    with pytest.raises(EngineError, match="changed or damaged"):
        load_bank(rewritten(stored, {"text.scenes": swapped}))
    save_bank(bank, stored, overwrite=True)
    with pytest.raises(EngineError, match="changed or damaged"):
        load_bank(rewritten(stored, encoder="other"))


@pytest.mark.parametrize(
    ("tensors", "metadata", "words"),
    [
        (
            {"text.scenes": np.ones((3, 2, 12), np.float16)},
            {},
            r"text\.scenes.*\(3, 2, 12\).*expected.*\(4, 2, D\)",
        ),
        ({"text.scenes": np.ones((4, 3, 12), np.float16)}, {}, r"expected.*\(4, 2, D\)"),
        ({"text.scenes": np.ones((4, 2), np.float16)}, {}, r"expected.*\(4, 2, D\)"),
        ({"text.covers": np.full((2, 2, 9), 1 / 3, np.float16)}, {}, "scenes have 12 features, covers 9"),
        ({"text.covers": np.full((2, 2, 12), np.nan, np.float16)}, {}, "not finite"),
        ({"text.covers": np.zeros((2, 2, 12), np.float16)}, {}, "not of unit length"),
        ({"text.covers": np.ones((2, 2, 12), np.float64)}, {}, r"lacks the half-precision tensor 'text\.covers'"),
        ({}, {"scene_names": "harbour"}, "'scene_names' is no list of names"),
        ({}, {"cover_names": '["a", 1]'}, "'cover_names' is no list of names"),
        ({}, {"cover_names": '["a", "a"]'}, "'cover_names' has a name twice"),
        ({}, {"version": "2"}, "version '2'"),
        ({}, {"format": "other"}, "no text bank"),
        ({}, {"digest": "0" * 16}, "digest"),
    ],
)
def test_every_fault_is_told(stored, tensors, metadata, words) -> None:
    with pytest.raises(EngineError, match=words):
        load_bank(rewritten(stored, tensors, **metadata))


# ── within a file of weights ────────────────────────────────────────────────────────────────────────────────


def test_it_travels_within_weights(bank) -> None:
    tensors, metadata = bank.to_tensors()
    tensors = {**tensors, "encoder.weight": np.zeros(3)}
    metadata = {**metadata, "format": "pt", "model": "tar"}
    assert same(TextBank.from_tensors(tensors, metadata), bank)
    assert same(TextBank.from_tensors({k: torch.from_numpy(v) for k, v in tensors.items()}, metadata), bank)
    assert same(TextBank.from_tensors({k: v.astype(np.float32) for k, v in tensors.items()}, metadata), bank)


def test_weights_without_a_bank(bank) -> None:
    tensors, metadata = bank.to_tensors()
    with pytest.raises(EngineError, match=r"Model 'x' holds no text bank"):
        TextBank.from_tensors(tensors, {}, "Model 'x'")
    with pytest.raises(EngineError, match=r"Model 'x' lacks .*'text\.covers'"):
        TextBank.from_tensors({"text.scenes": tensors["text.scenes"]}, metadata, "Model 'x'")
    with pytest.raises(EngineError, match="not JSON"):
        TextBank.from_tensors(tensors, {"text.bank": "{"}, "Model 'x'")
    with pytest.raises(EngineError, match="version None"):
        TextBank.from_tensors(tensors, {"text.bank": "[]"}, "Model 'x'")
