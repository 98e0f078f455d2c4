"""A training run, from chips to a checkpoint, whatever is trained."""

from __future__ import annotations

import contextlib
import math
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..contract import SILENT, Cancelled, EngineError, InputError, Reporter, SartoError
from ..matching.text.bank import TextBank
from .batches import Batch, Recipe
from .checkpoint import State, save
from .chips import Chip
from .curves import draw_curves
from .learner import Learner
from .log import HELD_OUT, TRAINED, Log
from .stream import Batches

LOG_EVERY, SAVE_EVERY, CHECK_EVERY = 25, 250, 500
"""Steps between the rows of the log, the checkpoints, and the checks on pairs that are held out."""
SAVE_SECONDS = 300.0
"""Longest time between checkpoints, where steps are slow."""
CHECK_BATCHES, CHECK_PAIRS, CHECK_SEED = 6, 8, 7


class Settings(Protocol):
    """What a run asks of the settings."""

    @property
    def steps(self) -> int: ...

    def to_json(self) -> dict[str, Any]: ...


class TrainingRun(ABC):
    """One training run in a folder: `checkpoint.pt`, `log.csv`, `curves.png`. Subclasses say what batches hold.

    bank: text features that the checkpoint keeps.
    save_every: steps between checkpoints. A stop at any moment, even a power cut, loses what came after the last.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        learner: Learner[Any],
        bank: TextBank | None = None,
        save_every: int = SAVE_EVERY,
    ) -> None:
        self._settings, self.folder, self._learner = settings, folder, learner
        self.bank, self.save_every = bank, save_every
        self._saved_at = time.monotonic()

    @property
    def network(self) -> nn.Module:
        """What is trained."""
        network: nn.Module = self._learner.network
        return network

    @property
    def device(self) -> torch.device:
        """Where."""
        return self._learner.device

    @property
    def names(self) -> tuple[str, ...]:
        """Of the figures that are shown and logged."""
        return self._learner.names

    @property
    def steps(self) -> int:
        """Length of the run."""
        return self._settings.steps

    @property
    def state(self) -> State:
        """As far as it has got."""
        return self._learner.state

    @property
    def checkpoint(self) -> Path:
        """The run's file."""
        return self.folder / "checkpoint.pt"

    @property
    def what_next(self) -> str:
        """What to do with a run that is complete, a sentence."""
        return f"`sarto train export --from {self.checkpoint}` makes weights of it."

    @abstractmethod
    def resume(self) -> None:
        """Go on from the folder's checkpoint. Raises InputError where it does not fit."""

    @abstractmethod
    def start_from(self, path: Path) -> None:
        """Begin with the weights of another run: a file of weights, or a checkpoint's averages.

        Raises InputError or EngineError where they do not fit.
        """

    @abstractmethod
    def _recipe(self, chips: list[Chip]) -> Recipe:
        """What batches to learn from are made of."""

    @abstractmethod
    def _check_recipe(self, held_out: list[Chip]) -> Recipe:
        """What the batches to check on are made of; the same in every run."""

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
        start, stop = self.state.step, self.steps
        pin = self.device.type == "cuda"
        with Log(self.folder, self.names) as log, Batches(recipe, start, stop, workers, pin) as batches:
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
        """Figures over batches, with the averaged weights."""
        return self._learner.figures(batches)

    def mean(self, rows: list[Tensor]) -> dict[str, float]:
        """See `Learner.mean`."""
        return self._learner.mean(rows)

    def save(self) -> None:
        """Write the checkpoint. Raises OutputError."""
        save(self.checkpoint, self.state, self._settings.to_json(), self.bank)
        self._saved_at = time.monotonic()

    def save_if_due(self) -> None:
        """See `save_every` and `SAVE_SECONDS`."""
        if self.state.step % self.save_every == 0 or time.monotonic() - self._saved_at > SAVE_SECONDS:
            self.save()

    def _checks(self, held_out: list[Chip]) -> list[Batch]:
        if not held_out:
            return []
        recipe = self._check_recipe(held_out)
        return [recipe.batch(k) for k in range(CHECK_BATCHES)]

    def _note(self, chips: list[Chip], held_out: list[Chip]) -> None:
        facts = self.state.facts
        facts.sets, facts.held_out = (dict(Counter(c.set for c in each)) for each in (chips, held_out))


class _Session:
    """Keeps time, log and checkpoints while a run trains."""

    def __init__(
        self, run: TrainingRun, log: Log, checks: list[Batch], say: Callable[[str], None], seconds: float
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
        """Note a step's figures; None if it was left out. Writes what is due."""
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
        if self._run.state.step >= self._run.steps and self._checked_at != self._run.state.step:
            self._check()

    def _write_row(self) -> None:
        if not self._steps:
            return
        elapsed = time.monotonic() - self._begun
        self._run.state.facts.seconds += elapsed
        if self._figures:
            figures = self._run.mean(self._figures)
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
