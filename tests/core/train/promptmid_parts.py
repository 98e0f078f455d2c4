"""A tiny network of PromptMID with made-up prompts and backbone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sarto.core.matching.land_use import load_land_use
from sarto.core.matching.promptmid.backbone import Backbone
from sarto.core.matching.promptmid.compact import CompactNetwork
from sarto.core.matching.promptmid.config import CompactConfig
from sarto.core.train.promptmid_config import PromptMidTraining

NETWORK = CompactConfig(
    widths=(8, 8, 16, 16),
    heads=2,
    time=16,
    text_dim=12,
    fine=(4, 8),
    aggregate=8,
    descriptor=8,
    low=4,
    encoder="made",
    prompts=load_land_use().digest,
)
TINY = PromptMidTraining(
    NETWORK,
    steps=30,
    warmup=2,
    rate=5e-3,
    cooldown=0.1,
    pairs=2,
    side=64,
    local_pairs=2,
    local_side=64,
    average=0.9,
    precision="float32",
)


class MadeEncoder:
    """Unit features that depend on the text alone."""

    name = "made"
    dimension = NETWORK.text_dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        found = [np.random.default_rng(list(text.encode())).standard_normal(self.dimension) for text in texts]
        return np.stack([v / np.linalg.norm(v) for v in found]).astype(np.float32)


def write_backbone(path: Path, **changed: object) -> Path:
    """A file as the package holds it, with parts that do not matter here. changed: None takes a tensor out."""
    torch.manual_seed(8)
    tensors = {**Backbone().state_dict(), "_fc.weight": torch.zeros(10, 4), **changed}
    torch.save({name: value for name, value in tensors.items() if value is not None}, path)
    return path


def tiny_network(config: CompactConfig = NETWORK) -> CompactNetwork:
    """To begin with, without any file."""
    torch.manual_seed(1)
    network = CompactNetwork(config)
    network.tokens.copy_(torch.from_numpy(MadeEncoder().encode([str(k) for k in range(len(network.tokens))])))
    return network
