"""Where tensors live: the GPU if there is one and it has room, else the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from ..contract import EngineError, Reporter

T = TypeVar("T")


def pick(name: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`. Raises EngineError if CUDA is asked for and absent."""
    if name == "cuda" and not torch.cuda.is_available():
        raise EngineError("No CUDA device is available.", "Choose device 'auto' or 'cpu'.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def with_fallback(work: Callable[[torch.device], T], name: str, reporter: Reporter) -> T:
    """Run on the chosen device; when GPU memory runs out, say so and run on the CPU."""
    device = pick(name)
    try:
        with torch.inference_mode():
            return work(device)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        reporter.log("The GPU has too little free memory; going on with the CPU.")
    with torch.inference_mode():
        return work(torch.device("cpu"))
