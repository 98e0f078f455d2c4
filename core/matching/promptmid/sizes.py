"""The two sizes of PromptMID by their configuration: how each is read from JSON, and its network made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ...contract import EngineError
from .compact import CompactNetwork
from .config import CompactConfig
from .full import SIZE, FullConfig
from .network import DescriptorNetwork, NetworkConfig

FOUNDATION_WAY_OUT = "Put the files back that it was trained with (docs/promptmid-full.md), or train anew."


def config_of(values: dict[str, Any]) -> NetworkConfig:
    """A configuration from its `to_json`. Raises TypeError for unknown fields."""
    return FullConfig.from_json(values) if values.get("size") == SIZE else CompactConfig.from_json(values)


def make_network(config: NetworkConfig, folder: Path | None, device: torch.device) -> DescriptorNetwork:
    """A network with weights at random, but for the foundation models of the full size.

    folder: theirs; not looked at for `compact`. Raises EngineError where they are missing, damaged or others than
    the configuration names; ValueError and its like for sizes that no network can have.
    """
    if isinstance(config, CompactConfig):
        return CompactNetwork(config)
    from .full.foundation import open_foundation
    from .full.network import FullNetwork

    if folder is None:
        raise EngineError(
            "The full size of PromptMID needs the folder of its foundation models.",
            "docs/promptmid-full.md says how to make one.",
        )
    foundation = open_foundation(folder, device)
    if config.foundation not in ("", foundation.digest):
        raise EngineError(
            f"The foundation models in '{folder}' are not those that the network was trained with.",
            FOUNDATION_WAY_OUT,
        )
    return FullNetwork(config, foundation)
