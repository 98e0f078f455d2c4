"""A small network with random weights, and the shipped one where it is there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sarto.core.matching.tar.config import TarConfig
from sarto.core.matching.tar.network import TarNetwork
from sarto.core.matching.tar.tafe import TextFeatures
from sarto.core.matching.text.bank import TextBank

SMALL = TarConfig(
    stem=8,
    widths=(8, 16, 32),
    blocks=(1, 1, 1),
    coarse=16,
    local=(6, 10, 8),
    dilations=(1, 2),
    weighing=False,
    heads=2,
    text_dim=12,
)


@pytest.fixture(scope="session")
def bank() -> TextBank:
    random = np.random.default_rng(5)

    def unit(count: int) -> np.ndarray:
        values = random.standard_normal((count, 2, SMALL.text_dim)).astype(np.float32)
        values /= np.linalg.norm(values, axis=-1, keepdims=True)
        return values.astype(np.float16).astype(np.float32)

    return TextBank("test", ("harbour", "river", "farmland"), ("water", "built-up"), unit(3), unit(2))


@pytest.fixture
def network() -> TarNetwork:
    torch.manual_seed(3)
    network = TarNetwork(SMALL).eval()
    with torch.no_grad():  # otherwise the gates are nearly closed, and text would hardly show
        for part in (network.text.cover, network.text.scene):
            part.gate.bias.fill_(1.0)
    return network.requires_grad_(False)


@pytest.fixture
def text(bank: TextBank) -> TextFeatures:
    return TextFeatures(torch.from_numpy(bank.scenes), torch.from_numpy(bank.covers))
