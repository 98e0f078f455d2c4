"""`sarto models`: what the foundation models of PromptMID's full size in a folder are, and whether they fit."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .console import Console

TRAINED_BYTES = 20
"""Per parameter in training: itself, its gradient, two moments and its average, in single precision."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `sarto models`."""
    parser.add_argument("folder", metavar="FOLDER", help="The folder (docs/promptmid-full.md says what is in it).")


def run(args: argparse.Namespace, console: Console) -> int:
    """Check the foundation models of PromptMID's full size: files, checksums, shapes, and the memory they need.

    Everything is read and loaded once, on the processor. Memory is that of the weights; what images take comes on
    top.

      sarto models models/
    """
    import torch

    from ..core.matching.promptmid.full import FullConfig
    from ..core.matching.promptmid.full.folder import digest, inspect
    from ..core.matching.promptmid.full.foundation import open_foundation
    from ..core.matching.promptmid.full.network import FullNetwork
    from ..core.matching.promptmid.full.vision import fill_vgg

    folder = Path(args.folder)
    reporter = console.reporter()
    reporter.progress("Reading the models", 0.0)
    files = inspect(folder, reporter)
    reporter.progress("Loading the models", 0.5)
    foundation = open_foundation(folder, torch.device("cpu"), digest(files))
    network = FullNetwork(FullConfig(), foundation)
    fill_vgg(network.optical_fine, folder)
    frozen = sum(p.numel() for model in foundation.models for p in model.parameters())
    control = sum(p.numel() for p in network.diffusion.control.parameters())
    own = sum(p.numel() for p in network.parameters())
    facts: dict[str, Any] = {
        "folder": str(folder),
        "digest": foundation.digest,
        "files": [vars(file) for file in files],
        "parameters": {"foundation models": frozen, "ControlNet": control, "descriptors": own - control},
        "gigabytes": {
            "matching on a GPU": round((2 * frozen + 4 * own) / 1e9, 2),
            "matching on the processor": round(4 * (frozen + own) / 1e9, 2),
            "training on a GPU": round((2 * frozen + TRAINED_BYTES * own) / 1e9, 2),
        },
    }
    console.close()
    print(json.dumps(facts) if args.json else "\n".join(_lines(facts)))
    return 0


def _lines(facts: dict[str, Any]) -> list[str]:
    files, parameters, memory = (facts[key] for key in ("files", "parameters", "gigabytes"))
    width = max(len(file["name"]) for file in files)
    lines = [f"{file['name']:<{width}}  {file['size'] / 1e6:9.1f} MB  SHA-256 {file['sha256']}" for file in files]
    lines += [f"{name}: {count / 1e6:.1f} million parameters" for name, count in parameters.items()]
    lines += [f"{use}: {size} GB of weights" for use, size in memory.items()]
    return [*lines, "All files are there and fit."]
