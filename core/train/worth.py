"""What words are worth to a network: its figures on the same windows with right ones, with wrong ones, with none.

Batches are the unit of chance: intervals of differences are the middle 95 % of means over batches drawn with
replacement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..contract import Floats, Reporter
from .batches import Batch, Recipe
from .learner import Learner

RIGHT, WRONG, NONE = "right", "wrong", "none"
WORDS = (RIGHT, WRONG, NONE)
DRAWS = 10_000


@dataclass(frozen=True)
class Worth:
    """mean: of each figure by words. gain: right ones less the others, (difference, low, high).

    Of losses, less is better.
    """

    batches: int
    mean: dict[str, dict[str, float]]
    gain: dict[str, dict[str, tuple[float, float, float]]]


def measure(
    learner: Learner[Any],
    recipe: Recipe,
    tell: Callable[[Batch, str], Batch],
    shown: tuple[str, ...],
    batches: int,
    seed: int,
    reporter: Reporter,
) -> Worth:
    """Look at so many batches of a recipe, each with all `WORDS`.

    tell: makes the learner or the batch know right, wrong or no words; shown: names of the figures that matter.
    """
    learner.network.eval()
    columns = [learner.names.index(name) for name in shown]
    rows: dict[str, list[Floats]] = {words: [] for words in WORDS}
    for number in range(batches):
        reporter.progress("Trying words", number / batches)
        batch = recipe.batch(number).to(learner.device)
        for words in WORDS:
            rows[words].append(_figures(learner, tell(batch, words), number)[columns])
    return _summed({words: np.stack(found) for words, found in rows.items()}, shown, seed)


@torch.no_grad()
def _figures(learner: Learner[Any], batch: Batch, step: int) -> Floats:
    found = learner.judge(batch, step, learning=False).figures()
    return np.asarray(found.double().cpu().numpy())


def _summed(rows: dict[str, Floats], shown: tuple[str, ...], seed: int) -> Worth:
    """rows: figures (batches, shown) by words."""
    count = len(rows[RIGHT])
    draws = np.random.default_rng(seed).integers(count, size=(DRAWS, count))
    mean = {words: dict(zip(shown, found.mean(0).tolist())) for words, found in rows.items()}
    gain = {words: _gain(rows[RIGHT] - found, draws, shown) for words, found in rows.items() if words != RIGHT}
    return Worth(count, mean, gain)


def _gain(
    difference: Floats, draws: npt.NDArray[np.int64], shown: tuple[str, ...]
) -> dict[str, tuple[float, float, float]]:
    low, high = np.percentile(difference[draws].mean(1), [2.5, 97.5], axis=0)
    rows = zip(shown, difference.mean(0).tolist(), low.tolist(), high.tolist())
    return {name: (value, least, most) for name, value, least, most in rows}
