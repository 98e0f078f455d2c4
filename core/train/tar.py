"""Training of TAR: `sarto train tar`."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..matching.tar.network import TarNetwork
from ..matching.tar.tafe import TextFeatures
from ..matching.text.bank import TextBank
from .batches import Batch, Batches, make_batch
from .checkpoint import State, load, save
from .chips import Chip
from .tar_config import TarTraining
from .tar_losses import Loss, coarse_loss, coarse_window_loss, fine_loss, text_loss

FINE_HALVES = (6, 12)
FINE_RADIUS = 8
CHECK_EVERY = 500
SAVE_EVERY = 250
LOG_EVERY = 25


@dataclass
class Run:
    """One training run in a folder: `checkpoint.pt`, `log.csv`."""

    settings: TarTraining
    folder: Path
    device: torch.device
    bank: TextBank | None

    def __post_init__(self) -> None:
        torch.manual_seed(self.settings.seed)
        self.random = torch.Generator().manual_seed(self.settings.seed)
        self.network = TarNetwork(self.settings.network).to(self.device, memory_format=torch.channels_last)
        weights = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": weights, "weight_decay": self.settings.decay}, {"params": others, "weight_decay": 0.0}]
        optimiser = torch.optim.AdamW(groups, lr=self.settings.rate, betas=(0.9, 0.98))
        self.state = State(self.network, self._copy(), optimiser, 0)
        self.text: TextFeatures | None = None
        if self.bank is not None:
            features = (self.bank.scenes, self.bank.covers)
            self.text = TextFeatures(*(torch.from_numpy(f).to(self.device) for f in features))

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def resume(self, path: Path | None = None, moments: bool = True) -> None:
        load(path or self.checkpoint, self.state, moments)
        self.state.average = {k: v.to(self.device) for k, v in self.state.average.items()}

    def _copy(self) -> dict[str, torch.Tensor]:
        return {k: v.detach().clone().float() if v.is_floating_point() else v.clone() for k, v in self.network.state_dict().items()}

    def train(
        self,
        chips: list[Chip],
        held_out: list[Chip],
        seconds: float,
        say: Callable[[str], None],
        threads: int = 1,
    ) -> None:
        """Train until the settings' steps or the time are used up."""
        settings, state = self.settings, self.state
        end = time.monotonic() + seconds
        checks = [make_batch(held_out, self.bank, 8, settings.side, 16, np.random.default_rng((7, k)), False) for k in range(6)]
        sums = np.zeros(7)
        begun = time.monotonic()
        with Batches(chips, self.bank, settings.pairs, settings.side, settings.windows, settings.seed + state.step, threads) as stream:
            for batch in stream:
                if state.step >= settings.steps or time.monotonic() > end:
                    break
                sums += [*self._step(batch.to(self.device)), 1]
                state.step += 1
                if state.step % LOG_EVERY == 0:
                    mean = sums[:-1] / sums[-1]
                    pace = (time.monotonic() - begun) / sums[-1]
                    self._log("train", mean, pace)
                    say(f"{state.step} " + " ".join(f"{m:.3f}" for m in mean) + f" {pace:.2f} s")
                    sums, begun = np.zeros(7), time.monotonic()
                if state.step % SAVE_EVERY == 0:
                    save(self.checkpoint, state, settings.to_json())
                if state.step % CHECK_EVERY == 0:
                    mean = self.check(checks)
                    self._log("held out", mean, 0.0)
                    say(f"{state.step} held out " + " ".join(f"{m:.3f}" for m in mean))
                    begun = time.monotonic()
        save(self.checkpoint, state, settings.to_json())

    def _step(self, batch: Batch) -> list[float]:
        settings, state = self.settings, self.state
        rate = settings.rate_at(state.step)
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        coarse, window, fine, text = self._losses(batch, int(state.step % 2))
        loss = (
            settings.coarse_weight * coarse.value
            + settings.window_weight * window.value
            + settings.fine_weight * fine.value
            + settings.text_weight * text
        )
        state.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        if torch.isfinite(norm):
            state.optimiser.step()
        self._average()
        return [float(coarse.value.detach()), coarse.right, window.right, float(fine.value.detach()), fine.right, float(text.detach())]

    def _losses(self, batch: Batch, window: int) -> tuple[Loss, Loss, Loss, torch.Tensor]:
        text = self.text if self.state.step >= self.settings.text_from else None
        kind = "cuda" if self.device.type == "cuda" else "cpu"
        images = [
            t.contiguous(memory_format=torch.channels_last)
            for t in (batch.optical, batch.optical_valid, batch.sar, batch.sar_valid)
        ]
        with torch.autocast(kind, dtype=torch.bfloat16):
            encoded = self.network.encode(*images, text)
            coarse = coarse_loss(self.network, encoded, batch)
            text_value = text_loss(encoded, batch)
            wide = coarse_window_loss(self.network, encoded, batch, 12, self.random)
            fine = fine_loss(
                self.network, encoded.pairs(slice(0, batch.near)), batch, FINE_HALVES[window], FINE_RADIUS
            )
        return coarse, wide, fine, text_value

    def _average(self) -> None:
        decay = min(self.settings.average, (1 + self.state.step) / (10 + self.state.step))
        with torch.no_grad():
            current = self.network.state_dict()
            for key, value in self.state.average.items():
                if value.is_floating_point():
                    value.lerp_(current[key].float(), 1 - decay)
                else:
                    value.copy_(current[key])

    @torch.no_grad()
    def check(self, batches: list[Batch]) -> np.ndarray:
        """Mean of both losses and shares right over fixed batches, with the averaged weights."""
        kept = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.network.load_state_dict(self.state.average)
        self.network.eval()
        rows = []
        for batch in batches:
            coarse, window, fine, text = self._losses(batch.to(self.device), 1)
            rows.append([float(coarse.value), coarse.right, window.right, float(fine.value), fine.right, float(text)])
        self.network.load_state_dict(kept)
        return np.mean(rows, axis=0)

    def _log(self, kind: str, mean: np.ndarray, pace: float) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "log.csv"
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(["step", "kind", "coarse", "coarse right", "window right", "fine", "fine right", "text", "seconds"])
            writer.writerow([self.state.step, kind, *(round(float(m), 5) for m in mean), round(pace, 4)])
