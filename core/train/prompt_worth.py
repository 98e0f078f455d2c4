"""What prompts are worth to PromptMID's network: right ones against wrong ones against none, on the same windows.

Only chips whose land use is known take part. Wrong is every class that the chip is not said to show; none is the
general prompt.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ..contract import InputError, Reporter
from ..matching.promptmid.weights import read_weights
from .batches import Batch, Part, Recipe, Size
from .chips import Chip
from .promptmid import load_network
from .promptmid_config import PromptMidTraining
from .promptmid_step import Describer
from .worth import RIGHT, WRONG, Worth, measure

PAIRS = 4


def prompt_worth(
    weights: Path, chips: list[Chip], batches: int, seed: int, device: torch.device, reporter: Reporter
) -> Worth:
    """Measure on so many batches of held-out chips.

    Raises InputError where nothing is known of any chip's land use, EngineError for unusable weights, Cancelled.
    """
    known = [chip for chip in chips if chip.label.land_use]
    if not known:
        raise InputError("Of no pair is it known what the land is used for.", "Give a manifest with regions.")
    config = read_weights(weights).config
    settings = PromptMidTraining(config, stage=2, painting_weight=1.0, precision="float32")
    learner = Describer(settings, load_network(weights, device), device)
    recipe = Recipe(
        known, None, Size(PAIRS, settings.side), Size(PAIRS, settings.local_side), seed, False,
        Size(PAIRS, settings.side),
    )  # fmt: skip
    shown = tuple(name for name in learner.names if name != "land use")  # its loss says nothing of prompts
    return measure(learner, recipe, told, shown, batches, seed, reporter)


def told(batch: Batch, prompt: str) -> Batch:
    """The same pairs with right, wrong or no classes."""
    return Batch(_told(batch.coarse, prompt), _told(batch.local, prompt), _told(batch.painted, prompt))


def _told(pairs: Part | None, prompt: str) -> Part | None:
    if pairs is None or prompt == RIGHT:
        return pairs
    land_use = 1 - pairs.land_use if prompt == WRONG else torch.zeros_like(pairs.land_use)
    return replace(pairs, land_use=land_use)
