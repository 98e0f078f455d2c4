"""What prompts are worth to PromptMID's network: right ones against wrong ones against none, on the same windows.

Only chips whose land use is known take part. Wrong is every class that the chip is not said to show; none is the
general prompt. Batches are the unit of chance: intervals of differences are the middle 95 % of means over batches
drawn with replacement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..contract import Floats, InputError, Reporter
from ..matching.promptmid.weights import read_weights
from .batches import Batch, Part, Recipe, Size
from .chips import Chip
from .promptmid import load_network
from .promptmid_config import PromptMidTraining
from .promptmid_step import Describer

PROMPTS = ("right", "wrong", "none")
PAIRS, DRAWS = 4, 10_000


@dataclass(frozen=True)
class Worth:
    """mean: of each figure by prompt. gain: of right ones over the others, (difference, low, high)."""

    batches: int
    mean: dict[str, dict[str, float]]
    gain: dict[str, dict[str, tuple[float, float, float]]]


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
    learner.network.eval()
    recipe = Recipe(
        known, None, Size(PAIRS, settings.side), Size(PAIRS, settings.local_side), seed, False,
        Size(PAIRS, settings.side),
    )  # fmt: skip
    rows: dict[str, list[Floats]] = {prompt: [] for prompt in PROMPTS}
    for number in range(batches):
        reporter.progress("Trying prompts", number / batches)
        batch = recipe.batch(number)
        for prompt in PROMPTS:
            rows[prompt].append(_figures(learner, told(batch, prompt), number))
    return _summed(learner.names, {prompt: np.stack(found) for prompt, found in rows.items()}, seed)


def told(batch: Batch, prompt: str) -> Batch:
    """The same pairs with right, wrong or no classes."""
    return Batch(_told(batch.coarse, prompt), _told(batch.local, prompt), _told(batch.painted, prompt))


def _told(pairs: Part | None, prompt: str) -> Part | None:
    if pairs is None or prompt == "right":
        return pairs
    land_use = 1 - pairs.land_use if prompt == "wrong" else torch.zeros_like(pairs.land_use)
    return replace(pairs, land_use=land_use)


@torch.no_grad()
def _figures(learner: Describer, batch: Batch, step: int) -> Floats:
    found = learner.judge(batch.to(learner.device), step, learning=False).figures()
    return np.asarray(found.double().cpu().numpy())


def _summed(names: tuple[str, ...], rows: dict[str, Floats], seed: int) -> Worth:
    """rows: (batches, figures) by prompt. The classifier's loss says nothing of prompts."""
    shown = [k for k, name in enumerate(names) if name != "land use"]
    mean = {prompt: {names[k]: float(found[:, k].mean()) for k in shown} for prompt, found in rows.items()}
    count = len(rows["right"])
    draws = np.random.default_rng(seed).integers(count, size=(DRAWS, count))
    gain: dict[str, dict[str, tuple[float, float, float]]] = {}
    for prompt in PROMPTS[1:]:
        difference = rows["right"] - rows[prompt]
        low, high = np.percentile(difference[draws].mean(1), [2.5, 97.5], axis=0)
        gain[prompt] = {names[k]: (float(difference[:, k].mean()), float(low[k]), float(high[k])) for k in shown}
    return Worth(count, mean, gain)
