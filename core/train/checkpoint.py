"""Checkpoints: small enough to travel, written so that a stop in the middle of writing harms nothing.

Weights are kept in float32, Adam's moments in bfloat16, averaged weights in float16: for a network of 1.5 million
parameters about 15 MB. Resuming therefore continues from nearly, not exactly, the same optimiser state.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..contract import InputError


@dataclass
class State:
    """What a run needs to go on."""

    network: nn.Module
    average: dict[str, torch.Tensor]
    optimiser: torch.optim.Optimizer
    step: int


def save(path: Path, state: State, settings: dict[str, Any]) -> None:
    moments = {}
    for index, values in state.optimiser.state_dict()["state"].items():
        moments[index] = {
            k: v.to(torch.bfloat16) if torch.is_tensor(v) and v.ndim else v for k, v in values.items()
        }
    content = {
        "step": state.step,
        "settings": settings,
        "network": state.network.state_dict(),
        "average": {k: v.half() if v.is_floating_point() else v for k, v in state.average.items()},
        "moments": moments,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(content, part)
    os.replace(part, path)


def load(path: Path, state: State, moments: bool = True) -> None:
    """Fill the state from a file. Raises InputError where it does not belong to this network."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        missing = state.network.load_state_dict(content["network"], strict=True)
        assert not missing.missing_keys
        state.average = {k: v.float() if v.is_floating_point() else v for k, v in content["average"].items()}
        state.step = int(content["step"])
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise InputError(f"The checkpoint {path} cannot be used: {error}.") from error
    if not moments:
        return
    groups = state.optimiser.state_dict()
    groups["state"] = {
        index: {k: v.float() if torch.is_tensor(v) and v.ndim else v for k, v in values.items()}
        for index, values in content["moments"].items()
    }
    state.optimiser.load_state_dict(groups)
