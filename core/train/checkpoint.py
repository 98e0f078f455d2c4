"""Checkpoints: small enough to travel, written so that a stop in the middle of writing harms nothing.

Weights are kept in float32, Adam's moments in bfloat16, averaged weights in float16: for a network of 1.5 million
parameters about 15 MB. Resuming therefore continues from nearly, not exactly, the same optimiser state.
Files are read as tensors and plain values only; anything else in them is refused before it runs.
"""

from __future__ import annotations

import contextlib
import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..contract import EngineError, InputError, OutputError
from ..matching.text.bank import TextBank

Tensors = dict[str, torch.Tensor]
READ_ERRORS = (OSError, EOFError, KeyError, IndexError, RuntimeError, TypeError, ValueError, AttributeError)
"""What torch.load raises for files that are damaged or something else, beside UnpicklingError."""
_WAY_OUT = "Is it complete, and of this version of Sarto?"


@dataclass
class Facts:
    """What a run notes for its results card.

    seconds: trained in all sessions; sets: pairs per set of the training data; held_out: likewise of the data that
    it was checked on; figures: of the last check, with the step.
    """

    seconds: float = 0.0
    sets: dict[str, int] = field(default_factory=dict)
    held_out: dict[str, int] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)


@dataclass
class State:
    """What a run needs to go on. average: float32, on the network's device; step: steps done."""

    network: nn.Module
    average: Tensors
    optimiser: torch.optim.Optimizer
    step: int
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as it was read. moments: of the optimiser, by parameter; bank: None without text."""

    path: Path
    step: int
    settings: dict[str, Any]
    network: Tensors
    average: Tensors
    moments: dict[int, dict[str, Any]]
    facts: Facts
    bank: TextBank | None


def save(path: Path, state: State, settings: dict[str, Any], bank: TextBank | None = None) -> None:
    """Write a checkpoint; the one that was there is replaced at once or not at all. Raises OutputError."""
    content = {
        "step": state.step,
        "settings": settings,
        "network": {k: v.detach().cpu() for k, v in state.network.state_dict().items()},
        "average": {k: v.half().cpu() if v.is_floating_point() else v.cpu() for k, v in state.average.items()},
        "moments": {index: _packed(values) for index, values in state.optimiser.state_dict()["state"].items()},
        "facts": vars(state.facts),
    }
    if bank is not None:
        arrays, facts = bank.to_tensors()
        content["text"] = {"tensors": {k: torch.from_numpy(v) for k, v in arrays.items()}, "facts": facts}
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave the new name with no content
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise OutputError(f"The checkpoint {path} could not be written: {error}.", "Is there space?") from error


def _packed(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v.to("cpu", torch.bfloat16) if torch.is_tensor(v) and v.ndim else v for k, v in values.items()}


def read(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises InputError for a file that is missing, damaged or something else."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        average = {k: v.float() if v.is_floating_point() else v for k, v in content["average"].items()}
        moments = {
            int(index): {k: v.float() if torch.is_tensor(v) and v.ndim else v for k, v in values.items()}
            for index, values in content["moments"].items()
        }
        facts = Facts(**content.get("facts", {}))
        settings, step = dict(content["settings"]), int(content["step"])
        bank = _bank(content.get("text"), path)
        return Checkpoint(path, step, settings, dict(content["network"]), average, moments, facts, bank)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} holds more than tensors and plain values, or is damaged; it was not read.",
            "Use only checkpoints that Sarto has written.",
        ) from error
    except READ_ERRORS as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"The checkpoint {path} cannot be read: {reason or type(error).__name__}.", _WAY_OUT
        ) from error


def _bank(text: dict[str, Any] | None, path: Path) -> TextBank | None:
    if text is None:
        return None
    tensors = {k: v.numpy() for k, v in text["tensors"].items()}
    try:
        return TextBank.from_tensors(tensors, text["facts"], f"The checkpoint {path}")
    except EngineError as error:
        raise InputError(error.message, error.hint) from error


def restore(state: State, found: Checkpoint, moments: bool = True) -> None:
    """Go on from a checkpoint: fill the state. Raises InputError, and changes nothing, where it does not fit.

    moments: take the optimiser's as well; without them it begins anew.
    """
    check_fits(state.network, found.network, found.path)
    check_fits(state.network, found.average, found.path)
    if moments:
        groups = state.optimiser.state_dict()
        parameters = [p for group in state.optimiser.param_groups for p in group["params"]]
        for index, values in found.moments.items():
            wanted = parameters[index].shape if index < len(parameters) else None
            if any(v.shape != wanted for v in values.values() if torch.is_tensor(v) and v.ndim):
                raise InputError(f"The optimiser's state in {found.path} is of another network.", _WAY_OUT)
        groups["state"] = found.moments
        state.optimiser.load_state_dict(groups)
    fill(state, found.network, found.average)
    state.step, state.facts = found.step, found.facts


def fill(state: State, network: Tensors, average: Tensors) -> None:
    """Put weights that fit into the network and into the averages."""
    state.network.load_state_dict(network)
    state.average = {k: average[k].to(v.device, v.dtype).clone() for k, v in state.average.items()}


def check_fits(network: nn.Module, tensors: Tensors, path: Path) -> None:
    """Raise InputError where a network has other tensors, or of other shapes, or one is not a number."""
    wanted = network.state_dict()
    odd = sorted(set(wanted) ^ set(tensors)) or [k for k, v in wanted.items() if tensors[k].shape != v.shape]
    if odd:
        raise InputError(
            f"{path} belongs to another network: '{odd[0]}' does not fit.",
            "Train with the settings that it was made with, field 'network'.",
        )
    broken = [k for k, v in tensors.items() if v.is_floating_point() and not bool(torch.isfinite(v).all())]
    if broken:
        raise InputError(f"{path} holds weights that are not numbers: '{broken[0]}'.", "Use an earlier one.")
