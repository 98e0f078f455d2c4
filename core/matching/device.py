"""Where tensors live: the GPU if there is one and it has room, else the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

import torch

from ..contract import EngineError, Reporter

T = TypeVar("T")
LESS = 0.25
"""Share of what is held at once, at the second attempt on a GPU."""


def pick(name: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`. Raises EngineError if CUDA is asked for and absent."""
    if name == "cuda" and not torch.cuda.is_available():
        raise EngineError("No CUDA device is available.", "Choose device 'auto' or 'cpu'.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


@contextmanager
def half_precision(device: torch.device) -> Iterator[None]:
    """Networks compute in half precision where that is fast: on CUDA, and on CPUs with units for bfloat16."""
    kind = torch.float16 if device.type == "cuda" else torch.bfloat16
    is_fast = device.type == "cuda" or (device.type == "cpu" and _cpu_has_bfloat16())
    with torch.autocast(device.type, dtype=kind, enabled=is_fast):
        yield


@lru_cache(maxsize=1)
def _cpu_has_bfloat16() -> bool:
    """As far as torch tells: older versions do not, nor does it of Arm."""
    able: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def with_fallback(
    work: Callable[[torch.device, float], T], name: str, reporter: Reporter, shares: Sequence[float] = (1.0, LESS)
) -> T:
    """Run on the chosen device; when GPU memory runs out, say so and run with less at a time, then on the CPU.

    work: gets the device, and how much it may hold there at once, as a share of what it would like, 0…1.
    shares: those that are tried on a GPU, one after the other.
    """
    device = pick(name)
    if device.type == "cuda":
        for number, share in enumerate(shares, start=1):
            try:
                with torch.inference_mode():
                    return work(device, share)
            except torch.cuda.OutOfMemoryError:
                pass  # what the traceback holds is free only after this block
            torch.cuda.empty_cache()
            instead = "with less at a time" if number < len(shares) else "with the CPU"
            reporter.log(f"The GPU has too little free memory; going on {instead}.")
    with torch.inference_mode():
        return work(torch.device("cpu"), 1.0)
