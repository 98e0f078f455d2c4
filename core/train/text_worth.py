"""What text is worth to the coarse matching of TAR: its bank's features, the same on wrong places, and none.

On wrong places: permuted over scenes and land covers, of the optical and of the SAR wording apart.

The network was shown a share of its training pairs without text, so that leaving it out is a fair trial.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ..contract import InputError, Reporter
from ..matching.passes.weight_files import fill
from ..matching.tar.weights import SHUFFLE_SEED, read_weights
from .batches import Batch, Recipe, Size
from .chips import Chip
from .tar_config import TarTraining
from .tar_step import TarLearner, text_features
from .worth import NONE, RIGHT, WRONG, Worth, measure

PAIRS = 8
SHOWN = ("coarse", "coarse right", "window right")


def text_worth(
    weights: Path, chips: list[Chip], batches: int, seed: int, device: torch.device, reporter: Reporter
) -> Worth:
    """Measure on so many batches of held-out chips.

    Raises InputError where the network reads no text, EngineError for unusable weights, Cancelled.
    """
    file = read_weights(weights)
    if file.bank is None:
        raise InputError(f"The network of {weights} reads no text.", "Give weights trained with a text bank.")
    settings = TarTraining(network=file.config, local_weight=0.0, precision="float32")
    learner = TarLearner(settings, device, file.bank)
    fill(learner.network, file.tensors, weights)
    other = text_features(settings, device, file.bank.shuffled(SHUFFLE_SEED))
    texts = {RIGHT: learner.text, WRONG: other, NONE: None}

    def tell(batch: Batch, words: str) -> Batch:
        learner.text = texts[words]
        return batch

    recipe = Recipe(chips, file.bank, Size(PAIRS, settings.side), None, seed, False)
    return measure(learner, recipe, tell, SHOWN, batches, seed, reporter)
