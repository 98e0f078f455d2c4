"""RemoteCLIP's text tower: checkpoints of its format, made here, and what must be refused."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sarto.core.contract import EngineError, OptionError
from sarto.core.matching.text import remoteclip
from sarto.core.matching.text.remoteclip import (
    ARCHITECTURES,
    RemoteClipEncoder,
    find_architecture,
    read_text_weights,
)

try:
    import open_clip

    missing = ""
except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision that does not fit torch
    open_clip = None
    missing = f"open_clip cannot be imported here: {error}"

needs_open_clip = pytest.mark.skipif(open_clip is None, reason=missing)
TEXTS = ["smooth dark water", "bright roofs and streets", "a", "speckled forest with a long dark shadow edge"]


def outline(architecture: str) -> dict[str, torch.Tensor]:
    """The tensors by which an architecture is told, and one that does not matter."""
    (width, dimension), patch = ARCHITECTURES[architecture]
    return {
        "text_projection": torch.zeros(width, dimension),
        "visual.conv1.weight": torch.zeros(2, 3, patch, patch),
        "visual.proj": torch.zeros(2, 2),
    }


# ── reading a checkpoint: needs no open_clip ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
@pytest.mark.parametrize("layout", ["plain", "wrapped", "parallel", "safetensors"])
def test_the_architecture_is_read_off_the_shapes(tmp_path, architecture, layout) -> None:
    weights = outline(architecture)
    path = tmp_path / ("clip.safetensors" if layout == "safetensors" else "clip.pt")
    if layout == "safetensors":
        save_file(weights, path)
    elif layout == "wrapped":
        torch.save({"epoch": 3, "state_dict": weights}, path)
    else:
        torch.save({("module." if layout == "parallel" else "") + n: t for n, t in weights.items()}, path)
    found = read_text_weights(path)
    assert set(found) == {"text_projection", "visual.conv1.weight"}  # the rest of the image tower is dropped
    assert find_architecture(found, None, path) == architecture
    assert find_architecture(found, architecture, path) == architecture


def test_another_architecture_is_named_with_what_was_expected(tmp_path) -> None:
    path = tmp_path / "clip.pt"
    with pytest.raises(EngineError) as caught:
        find_architecture(outline("ViT-L-14"), "ViT-B-32", path)
    for word in (str(path), "no CLIP of ViT-B-32", "(768, 768) and 14", "expected (512, 512) and 32"):
        assert word in str(caught.value)
    resnet = {"text_projection": torch.zeros(512, 1024), "visual.conv1.weight": torch.zeros(32, 3, 3, 3)}
    finer = {**outline("ViT-B-32"), "visual.conv1.weight": torch.zeros(768, 3, 16, 16)}
    for weights in (resnet, finer, {}, {"text_projection": torch.zeros(512, 512, 1)}):
        with pytest.raises(EngineError, match=r"no CLIP of a known architecture.*\(ViT-B-32\) or .*\(ViT-L-14\)"):
            find_architecture(weights, None, path)
    text_only = {"text_projection": torch.zeros(512, 512)}
    assert find_architecture(text_only, None, path) == "ViT-B-32"


class Malicious:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_code_in_a_pickle_is_not_run(tmp_path, how) -> None:
    mark, path = tmp_path / "was-run", tmp_path / "clip.pt"
    content = {"text_projection": torch.zeros(512, 512), "extra": Malicious(mark)}
    if how == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(EngineError, match="could not be read as plain tensors"):
        read_text_weights(path)
    assert not mark.exists()
    if how == "torch":  # the test can fail
        torch.load(path, weights_only=False)
        assert mark.exists()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.99])
def test_a_cut_file_is_told(tmp_path, suffix, part) -> None:
    path = tmp_path / f"clip{suffix}"
    if suffix == ".pt":
        torch.save(outline("ViT-B-32"), path)
    else:
        save_file(outline("ViT-B-32"), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(EngineError, match=f"clip{suffix}' could not be read"):
        read_text_weights(path)


def test_a_missing_file_and_one_without_tensors(tmp_path) -> None:
    with pytest.raises(EngineError, match=r"none\.pt' does not exist"):
        read_text_weights(tmp_path / "none.pt")
    with pytest.raises(EngineError, match="does not exist"):
        read_text_weights(tmp_path)
    torch.save([torch.zeros(3)], tmp_path / "list.pt")
    with pytest.raises(EngineError, match="holds a list, not named tensors"):
        read_text_weights(tmp_path / "list.pt")
    torch.save({"text_projection": "text", 5: torch.zeros(1)}, tmp_path / "text.pt")
    assert read_text_weights(tmp_path / "text.pt") == {}


# ── without open_clip, or with one that does not work ───────────────────────────────────────────────────────


def test_without_open_clip_it_says_how_to_install_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(EngineError, match=r"RemoteCLIP needs open_clip.*pip install open_clip_torch"):
        RemoteClipEncoder(tmp_path / "clip.pt")


def test_a_torchvision_that_does_not_fit_is_told(tmp_path, monkeypatch) -> None:
    (tmp_path / "open_clip.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.delitem(sys.modules, "open_clip", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EngineError, match=r"torchvision::nms does not exist\. Install a torchvision that fits"):
        RemoteClipEncoder(tmp_path / "clip.pt")


def test_an_architecture_that_is_not_known(tmp_path) -> None:
    with pytest.raises(OptionError, match=r"'RN50' is not known\. Known: ViT-B-32, ViT-L-14"):
        RemoteClipEncoder(tmp_path / "clip.pt", "RN50")


# ── with open_clip ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A CLIP of 2 layers that open_clip itself builds, and its checkpoint."""
    folder = tmp_path_factory.mktemp("tiny")
    config = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
    }
    (folder / "Tiny-8.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    torch.manual_seed(0)
    model = open_clip.create_model("Tiny-8").eval()
    torch.save(model.state_dict(), folder / "tiny.pt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(remoteclip.ARCHITECTURES, "Tiny-8", ((32, 24), 8))
        yield model, folder / "tiny.pt"


def reference(model, architecture: str) -> np.ndarray:
    with torch.no_grad():
        return model.encode_text(open_clip.get_tokenizer(architecture)(TEXTS), normalize=True).numpy()


@needs_open_clip
def test_features_are_those_of_the_whole_model(tiny) -> None:
    model, path = tiny
    encoder = RemoteClipEncoder(path, device="cpu")
    features = encoder.encode(TEXTS)
    assert encoder.name == "RemoteCLIP-Tiny-8"
    assert features.shape == (4, encoder.dimension) == (4, 24)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, reference(model, "Tiny-8"), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    assert encoder.encode([]).shape == (0, 24)
    many = encoder.encode(TEXTS * 20)  # more than a batch
    np.testing.assert_allclose(many[-4:], features, atol=1e-6)


@needs_open_clip
def test_it_is_frozen_and_has_no_image_tower(tiny) -> None:
    tower = RemoteClipEncoder(tiny[1])._tower
    assert not tower.training
    assert not any(p.requires_grad for p in tower.parameters())
    assert not [name for name, _ in tower.named_parameters() if "visual" in name]


@needs_open_clip
def test_half_precision_checkpoints_do(tiny, tmp_path) -> None:
    model, _ = tiny
    torch.save({n: t.half() for n, t in model.state_dict().items()}, tmp_path / "half.pt")
    features = RemoteClipEncoder(tmp_path / "half.pt", "Tiny-8", "cpu").encode(TEXTS)
    np.testing.assert_allclose(features, reference(model, "Tiny-8"), atol=5e-3)


@needs_open_clip
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ln_final.bias": None}, r"'ln_final\.bias' should have shape \(32,\), not none"),
        (
            {"positional_embedding": torch.zeros(64, 32)},
            r"'positional_embedding' should have shape \(77, 32\), not \(64",
        ),
        (
            {"transformer.resblocks.2.ln_1.bias": torch.zeros(32)},
            r"resblocks\.2\.ln_1\.bias' should have shape none",
        ),
        ({"ln_final.weight": torch.full((32,), torch.nan)}, r"'ln_final\.weight' has values that are not finite"),
    ],
)
def test_weights_that_do_not_fit_are_named(tiny, tmp_path, change, words) -> None:
    weights = {**tiny[0].state_dict(), **change}
    torch.save({n: t for n, t in weights.items() if t is not None}, tmp_path / "odd.pt")
    with pytest.raises(EngineError, match=words):
        RemoteClipEncoder(tmp_path / "odd.pt")


@needs_open_clip
@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["ViT-B-32", "ViT-L-14"])
def test_the_full_sizes(tmp_path, architecture) -> None:
    """Random weights in the shapes of RemoteCLIP's checkpoints."""
    torch.manual_seed(0)
    model = open_clip.create_model(architecture).eval()
    path = tmp_path / f"RemoteCLIP-{architecture}.pt"
    torch.save({n: t for n, t in model.state_dict().items() if "visual.transformer" not in n}, path)
    encoder = RemoteClipEncoder(path, device="cpu")
    path.unlink()  # it is large, and pytest keeps its folders
    assert encoder.name == f"RemoteCLIP-{architecture}"
    assert encoder.dimension == ARCHITECTURES[architecture][0][1]
    np.testing.assert_allclose(encoder.encode(TEXTS), reference(model, architecture), atol=1e-5)
