"""A training run of TAR, from chips to a checkpoint: `sarto train tar`."""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..contract import SILENT, Cancelled, EngineError, InputError, Reporter, SartoError
from ..matching.tar.config import TarConfig
from ..matching.tar.network import TarNetwork
from ..matching.tar.weights import read_weights
from ..matching.text.bank import TextBank
from .batches import Batch, Recipe, Size
from .checkpoint import State, check_fits, fill, read, restore, save
from .chips import Chip
from .curves import draw_curves
from .log import HELD_OUT, TRAINED, Log
from .stream import Batches
from .tar_config import TarTraining
from .tar_step import Learner, mean_figures

LOG_EVERY, SAVE_EVERY, CHECK_EVERY = 25, 250, 500
"""Steps between the rows of the log, the checkpoints, and the checks on pairs that are held out."""
SAVE_SECONDS = 300.0
"""Longest time between checkpoints, where steps are slow."""
CHECK_BATCHES, CHECK_PAIRS, CHECK_SEED = 6, 8, 7


@dataclass
class Run:
    """One training run in a folder: `checkpoint.pt`, `log.csv`, `curves.png`.

    bank: the text features; None trains without text.
    save_every: steps between checkpoints. A stop at any moment, even a power cut, loses what came after the last.
    """

    settings: TarTraining
    folder: Path
    device: torch.device
    bank: TextBank | None
    save_every: int = SAVE_EVERY

    def __post_init__(self) -> None:
        if not self.settings.network.text:
            self.bank = None
        self._learner = Learner(self.settings, self.device, self.bank)
        self._saved_at = time.monotonic()

    @property
    def network(self) -> TarNetwork:
        return self._learner.network

    @property
    def state(self) -> State:
        return self._learner.state

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

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

        Raises InputError or EngineError where they do not fit.
        """
        if path.suffix == ".safetensors":
            file = read_weights(path)
            self._check_network(file.config.to_json(), path)
            floats = {k: v.float() for k, v in file.tensors.items()}
            tensors = {**{k: v.cpu() for k, v in self.network.state_dict().items()}, **floats}
        else:
            found = read(path)
            self._check_network(found.settings.get("network"), path)
            tensors = found.average
        check_fits(self.network, tensors, path)
        fill(self.state, tensors, tensors)

    def _check_network(self, values: object, path: Path) -> None:
        """Heads and gaps do not show in the shapes of the weights."""
        try:
            theirs = TarConfig.from_json(dict(values))  # type: ignore[call-overload]
        except (TypeError, ValueError) as error:
            raise InputError(f"{path} does not say what network it belongs to.") from error
        mine, other = self.settings.network.to_json(), theirs.to_json()
        for name in mine:
            if tuple(np.atleast_1d(mine[name])) != tuple(np.atleast_1d(other[name])):
                raise InputError(
                    f"{path} belongs to a network with {other[name]} for '{name}'; the settings say {mine[name]}.",
                    "Train with the settings that it was made with, field 'network'.",
                )

    def train(
        self,
        chips: list[Chip],
        held_out: list[Chip],
        seconds: float,
        say: Callable[[str], None],
        workers: int = 0,
        reporter: Reporter = SILENT,
    ) -> None:
        """Train until the settings' steps or the time are used up, and save.

        held_out: pairs to check on now and then; may be empty. say: is told the figures; workers: see `Batches`.
        Raises Cancelled, after the step that is under way and with everything saved; EngineError where the loss is
        no number any more or the GPU's memory does not suffice; OutputError.
        """
        if not chips:
            raise InputError("There is no chip to train with.")
        self._note(chips, held_out)
        checks = self._checks(held_out)
        recipe = self._recipe(chips)
        start, stop = self.state.step, self.settings.steps
        pin = self.device.type == "cuda"
        with Log(self.folder) as log, Batches(recipe, start, stop, workers, pin) as batches:
            session = _Session(self, log, checks, say, seconds)
            try:
                for batch in batches:
                    reporter.progress("Training", self.state.step / stop)
                    if session.is_over():
                        break
                    session.take(self._learner.step(batch))
            except Cancelled as stopped:
                session.finish()
                self.save()
                way_out = f"Saved at step {self.state.step}; --resume goes on."
                raise Cancelled(stopped.message, way_out) from stopped
            except torch.cuda.OutOfMemoryError as error:
                way_out = "Lower 'pairs' or 'side' in the settings."
                raise EngineError("The GPU has too little memory for a step.", way_out) from error
            session.finish()
        self.save()
        reporter.progress("Training", self.state.step / stop)

    def check(self, batches: list[Batch]) -> dict[str, float]:
        """`FIGURES` over batches, with the averaged weights."""
        return self._learner.figures(batches)

    def save(self) -> None:
        """Write the checkpoint. Raises OutputError."""
        save(self.checkpoint, self.state, self.settings.to_json(), self.bank)
        self._saved_at = time.monotonic()

    def save_if_due(self) -> None:
        """See `save_every` and `SAVE_SECONDS`."""
        if self.state.step % self.save_every == 0 or time.monotonic() - self._saved_at > SAVE_SECONDS:
            self.save()

    def _recipe(self, chips: list[Chip]) -> Recipe:
        s = self.settings
        return Recipe(chips, self.bank, *self._sizes(s.pairs, s.local_pairs), s.seed)

    def _sizes(self, coarse: int, local: int) -> tuple[Size | None, Size | None]:
        """Of both parts of a batch, from their numbers of pairs."""
        s = self.settings
        return Size(coarse, s.side) if s.has_coarse else None, Size(local, s.local_side) if s.has_local else None

    def _checks(self, held_out: list[Chip]) -> list[Batch]:
        """The same batches in every run."""
        if not held_out:
            return []
        sizes = self._sizes(CHECK_PAIRS, CHECK_PAIRS)
        recipe = Recipe(held_out, self.bank, *sizes, CHECK_SEED, vary=False)
        return [recipe.batch(k) for k in range(CHECK_BATCHES)]

    def _note(self, chips: list[Chip], held_out: list[Chip]) -> None:
        facts = self.state.facts
        facts.sets, facts.held_out = (dict(Counter(c.set for c in each)) for each in (chips, held_out))


class _Session:
    """Keeps time, log and checkpoints while a run trains."""

    def __init__(
        self, run: Run, log: Log, checks: list[Batch], say: Callable[[str], None], seconds: float
    ) -> None:
        self._run, self._log, self._checks, self._say = run, log, checks, say
        self._end = time.monotonic() + seconds
        self._checked_at = -1
        self._begin_row()

    def _begin_row(self) -> None:
        self._figures: list[Tensor] = []
        self._steps = 0
        self._begun = time.monotonic()

    def is_over(self) -> bool:
        return time.monotonic() > self._end

    def take(self, figures: Tensor | None) -> None:
        """Note a step's figures (6,); None if it was left out. Writes what is due."""
        self._steps += 1
        if figures is not None:
            self._figures.append(figures)
        step = self._run.state.step
        if step % LOG_EVERY == 0:
            self._write_row()
        if step % CHECK_EVERY == 0:
            self._check()
        self._run.save_if_due()

    def finish(self) -> None:
        """After the last step: what is not yet written, and a last check of a run that is complete."""
        self._write_row()
        if self._run.state.step >= self._run.settings.steps and self._checked_at != self._run.state.step:
            self._check()

    def _write_row(self) -> None:
        if not self._steps:
            return
        elapsed = time.monotonic() - self._begun
        self._run.state.facts.seconds += elapsed
        if self._figures:
            figures = mean_figures(self._figures)
            self._log.add(self._run.state.step, TRAINED, figures, elapsed / self._steps)
            self._say(f"{self._run.state.step} {_shown(figures)} {elapsed / self._steps:.2f} s")
        self._begin_row()

    def _check(self) -> None:
        run = self._run
        if not self._checks:
            return
        self._write_row()
        figures = run.check(self._checks)
        known = {k: round(v, 5) for k, v in figures.items() if not math.isnan(v)}
        run.state.facts.figures = {"step": run.state.step, **known}
        self._checked_at = run.state.step
        self._log.add(run.state.step, HELD_OUT, figures)
        self._say(f"{run.state.step} held out {_shown(figures)}")
        with contextlib.suppress(SartoError):  # a picture is not worth a stop
            draw_curves(run.folder)
        self._begun = time.monotonic()


def _shown(figures: dict[str, float]) -> str:
    return " ".join("–" if math.isnan(value) else f"{value:.3f}" for value in figures.values())
