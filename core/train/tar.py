"""A training run of TAR, from chips to a checkpoint: `sarto train tar`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..contract import InputError
from ..matching.tar.config import TarConfig
from ..matching.tar.weights import read_weights
from ..matching.text.bank import TextBank
from .batches import Recipe, Size
from .checkpoint import check_fits, fill, read, restore
from .chips import Chip
from .run import CHECK_PAIRS, CHECK_SEED, SAVE_EVERY, TrainingRun
from .tar_config import TarTraining
from .tar_step import TarLearner


class Run(TrainingRun):
    """bank: the text features; None trains without text."""

    _learner: TarLearner

    def __init__(
        self,
        settings: TarTraining,
        folder: Path,
        device: torch.device,
        bank: TextBank | None,
        save_every: int = SAVE_EVERY,
    ) -> None:
        bank = bank if settings.network.text else None
        self.settings = settings
        super().__init__(settings, folder, TarLearner(settings, device, bank), bank, save_every)

    def resume(self, path: Path | None = None, moments: bool = True) -> None:
        """Go on from a checkpoint, by default the folder's own.

        moments: take the optimiser's state as well, and insist on the same text bank; without, only the weights,
        the step and the notes. Raises InputError where the checkpoint does not fit.
        """
        found = read(path or self.checkpoint)
        self._check_network(found.settings.get("network"), found.path)
        if moments and found.bank is not None and self.bank is not None and found.bank.digest != self.bank.digest:
            raise InputError(
                f"{found.path} was trained with text bank {found.bank.digest}, not with {self.bank.digest}.",
                "Resume with the same bank, or begin a new run from these weights (--from).",
            )
        restore(self.state, found, moments)

    def start_from(self, path: Path) -> None:
        """Begin a new run with the weights of another: a file of weights, or a checkpoint's averaged weights.

        The low-level branch may have further blocks at its end than theirs: these begin as if they were not there.
        Raises InputError or EngineError where the weights do not fit.
        """
        network, is_whole = self._learner.network, path.suffix != ".safetensors"
        if is_whole:
            found = read(path)
            theirs, tensors = (
                self._check_network(found.settings.get("network"), path, may_grow=True),
                found.average,
            )
        else:
            file = read_weights(path)  # nothing but floating-point numbers
            theirs = self._check_network(file.config.to_json(), path, may_grow=True)
            tensors = {k: v.float() for k, v in file.tensors.items()}
        if theirs != self.settings.network or not is_whole:
            network.local.silence(len(theirs.dilations))
            tensors = {**{k: v.cpu() for k, v in network.state_dict().items()}, **tensors}
        check_fits(network, tensors, path)
        fill(self.state, tensors, tensors)

    def _check_network(self, values: object, path: Path, may_grow: bool = False) -> TarConfig:
        """The network that weights are of. Heads and gaps do not show in their shapes.

        may_grow: ours may have further blocks at the end of the low-level branch.
        """
        try:
            theirs = TarConfig.from_json(dict(values))  # type: ignore[call-overload]
        except (TypeError, ValueError) as error:
            raise InputError(f"{path} does not say what network it belongs to.") from error
        mine, other = self.settings.network.to_json(), theirs.to_json()
        if may_grow and mine["dilations"][: len(theirs.dilations)] == theirs.dilations:
            del mine["dilations"]
        if may_grow and not theirs.weighing:
            del mine["weighing"]
        for name in mine:
            if tuple(np.atleast_1d(mine[name])) != tuple(np.atleast_1d(other[name])):
                raise InputError(
                    f"{path} belongs to a network with {other[name]} for '{name}'; the settings say {mine[name]}.",
                    "Train with the settings that it was made with, field 'network'.",
                )
        return theirs

    def _recipe(self, chips: list[Chip]) -> Recipe:
        s = self.settings
        return Recipe(chips, self.bank, *self._sizes(s.pairs, s.local_pairs), s.seed)

    def _check_recipe(self, held_out: list[Chip]) -> Recipe:
        return Recipe(held_out, self.bank, *self._sizes(CHECK_PAIRS, CHECK_PAIRS), CHECK_SEED, vary=False)

    def _sizes(self, coarse: int, local: int) -> tuple[Size | None, Size | None]:
        """Of both parts of a batch, from their numbers of pairs."""
        s = self.settings
        return Size(coarse, s.side) if s.has_coarse else None, Size(local, s.local_side) if s.has_local else None
