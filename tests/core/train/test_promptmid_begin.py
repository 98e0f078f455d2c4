"""What a run of PromptMID begins with: prompts, and a backbone that is there, fits and is harmless."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sarto.core.contract import EngineError
from sarto.core.matching.land_use import CLASSES, load_land_use
from sarto.core.train import promptmid as module
from sarto.core.train.promptmid import new_network

from .promptmid_parts import NETWORK, TINY, MadeEncoder, write_backbone


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_backbone(tmp_path_factory.mktemp("backbone") / "lite0.pth")


def test_a_new_network_has_its_prompts_and_its_backbone(backbone: Path) -> None:
    settings = replace(TINY, network=replace(NETWORK, text_dim=384, encoder="", prompts=""))
    network = new_network(settings, MadeEncoder(), backbone)
    assert network.config == NETWORK
    texts = load_land_use()
    sentences = [texts.general, *(texts.prompt([name]) for name in CLASSES)]
    assert len(set(sentences)) == 1 + len(CLASSES)
    assert torch.allclose(network.tokens, torch.from_numpy(MadeEncoder().encode(sentences)))
    given = torch.load(backbone, weights_only=True)
    assert all(torch.equal(v, given[k]) for k, v in network.backbone.state_dict().items())
    again, other = (new_network(replace(settings, seed=s), MadeEncoder(), backbone) for s in (1, 2))
    key = "sar.head.last.weight"
    assert torch.equal(again.state_dict()[key], network.state_dict()[key])
    assert not torch.equal(other.state_dict()[key], network.state_dict()[key])


@pytest.mark.parametrize("value", [None, torch.zeros(3)])
def test_a_backbone_that_does_not_fit_is_named(tmp_path: Path, value: torch.Tensor | None) -> None:
    path = write_backbone(tmp_path / "odd.pth", **{"_blocks.3._bn1.weight": value})
    with pytest.raises(EngineError, match=r"lack '_blocks\.3\._bn1\.weight'") as caught:
        new_network(TINY, MadeEncoder(), path)
    assert "EfficientNet-Lite0" in caught.value.hint


class Trap:
    """Runs when it is unpickled."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.sprung,)


def test_a_backbone_that_would_run_is_refused(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    for number, save in enumerate((torch.save, lambda value, path: path.write_bytes(pickle.dumps(value)))):
        path = tmp_path / f"{number}.pth"
        save({"_conv_stem.weight": Trap(sprung)}, path)
        with pytest.raises(EngineError, match="cannot be read"):
            new_network(TINY, MadeEncoder(), path)
    assert not sprung.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text", b"\x80\x02.", b"(", b"\x80\x04]q\x00.", b"N."])
def test_a_file_that_is_no_backbone_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.pth"
    path.write_bytes(content)
    with pytest.raises(EngineError, match="cannot be read") as caught:
        new_network(TINY, MadeEncoder(), path)
    assert "sarto[train]" in caught.value.hint
    with pytest.raises(EngineError, match="cannot be read"):
        new_network(TINY, MadeEncoder(), tmp_path / "none.pth")


def test_the_package_that_is_missing_is_named(monkeypatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match="is not installed") as caught:
        new_network(TINY, MadeEncoder())
    assert "sarto[train]" in caught.value.hint


def test_the_installed_package_is_found(backbone: Path, tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / module.BACKBONE_PACKAGE
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('it need not be imported')")
    (package / "models" / "efficientnet-lite0.pth").write_bytes(backbone.read_bytes())
    monkeypatch.syspath_prepend(str(tmp_path))
    network = new_network(TINY, MadeEncoder())
    assert torch.equal(
        network.backbone._conv_stem.weight, torch.load(backbone, weights_only=True)["_conv_stem.weight"]
    )
