"""Tiny foundation models, written once; each test that spoils them gets a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from sarto.core.matching.promptmid.full.network import FullNetwork
from sarto.core.matching.promptmid.sizes import make_network

from .tiny import SMALL, write_foundation

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("diffusers", reason="the full size needs diffusers")
    pytest.importorskip("transformers", reason="the full size needs transformers")
    return write_foundation(tmp_path_factory.mktemp("models"))


@pytest.fixture
def copied(foundation: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(foundation, tmp_path / "models"))


@pytest.fixture(scope="session")
def network(foundation: Path) -> FullNetwork:
    """Random, with a ControlNet that is not silent, as a new one is; not to be changed."""
    torch.manual_seed(2)
    made = make_network(SMALL, foundation, CPU)
    assert isinstance(made, FullNetwork)
    with torch.no_grad():
        for name, weight in made.diffusion.control.named_parameters():
            if name.startswith(("controlnet_down", "controlnet_mid", "controlnet_cond_embedding.conv_out")):
                weight.normal_(0, 0.3)
    return made.requires_grad_(False).eval()
