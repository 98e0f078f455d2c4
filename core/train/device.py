"""Where training happens, and how precisely it computes."""

from __future__ import annotations

import torch

from ..contract import EngineError

DEVICES = ("auto", "cpu", "cuda", "mps")


def pick(name: str) -> torch.device:
    """The device of that name; `auto` is CUDA, else MPS, else the CPU. Raises EngineError where it is absent."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    if not there.get(name, False):
        raise EngineError(f"There is no device '{name}' here.", "Choose 'auto' or 'cpu'.")
    return torch.device(name)


def arithmetic(device: torch.device, precision: str) -> torch.dtype:
    """The type that the network computes in under autocast; float32 = no autocast.

    precision: see `TarTraining`. "auto": bfloat16 on the CPU and on GPUs that have it, float16 with a scaled loss
    on older ones, float32 on MPS. Raises EngineError for float16 elsewhere than on CUDA.
    """
    if precision == "float16" and device.type != "cuda":
        raise EngineError("float16 trains on CUDA only.", "Use precision 'auto', 'bfloat16' or 'float32'.")
    if precision != "auto":
        kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
        return kinds[precision]
    if device.type == "mps":
        return torch.float32
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        return torch.float16
    return torch.bfloat16
