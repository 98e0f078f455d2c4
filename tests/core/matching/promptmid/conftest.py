"""A small network with random weights, as a file as well, and the shipped one where it is there."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from sarto.core.matching.land_use import CLASSES, load_land_use
from sarto.core.matching.promptmid.compact import CompactNetwork
from sarto.core.matching.promptmid.config import CompactConfig
from sarto.core.matching.promptmid.weights import SHIPPED, save_weights

from ..tensors import pairs

SMALL = CompactConfig(
    widths=(8, 8, 16, 16),
    heads=2,
    time=16,
    text_dim=12,
    fine=(4, 8),
    aggregate=8,
    descriptor=8,
    low=4,
    encoder="test",
    prompts=load_land_use().digest,
)
OPENED = ("out.weight", "second.weight")
"""Ends of the names of weights that are zero before training."""


def make_network() -> CompactNetwork:
    """A copy of its own."""
    return copy.deepcopy(_made())


@lru_cache(maxsize=1)
def _made() -> CompactNetwork:
    """Random, with weights where training begins with zeros: otherwise nothing would reach anything."""
    torch.manual_seed(3)
    network = CompactNetwork(SMALL).eval()
    with torch.no_grad():
        network.tokens.copy_(torch.nn.functional.normalize(torch.randn(network.tokens.shape), dim=1))
        for name, weight in network.named_parameters():
            if name.endswith(OPENED):
                weight.normal_(0, 0.3)
        _take_statistics(network)
    return network.requires_grad_(False)


def _take_statistics(network: CompactNetwork) -> None:
    """As training leaves them: without, hardly anything comes through the many layers of the backbone."""
    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for layer in layers:
        layer.train().momentum = 1.0
    network.describe(pairs(4, 128, 128), network.prompt(torch.zeros(4, len(CLASSES))))
    for layer in layers:
        layer.eval().momentum = 0.1


@pytest.fixture
def network() -> CompactNetwork:
    return make_network()


@pytest.fixture
def weights(tmp_path: Path, network: CompactNetwork) -> Path:
    path = tmp_path / "some.safetensors"
    save_weights(path, network.state_dict(), SMALL)
    return path


@pytest.fixture(scope="session")
def shipped() -> Path:
    if not SHIPPED.is_file():
        pytest.skip("the weights of promptmid are not in this checkout")
    return SHIPPED
