"""One step of the training of TAR: losses, gradients, optimiser, averaged weights."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..contract import EngineError, OptionError
from ..matching.tar.network import TarNetwork
from ..matching.tar.tafe import TextFeatures
from ..matching.text.bank import TextBank
from .batches import Batch
from .checkpoint import State, Tensors
from .device import arithmetic
from .log import FIGURES
from .tar_config import TarTraining
from .tar_losses import Loss, coarse_loss, coarse_window_loss, fine_loss, text_loss

FINE_HALVES = (8, 18)
"""Half sides of the fine windows, fine cells, in turn: matching uses small and large ones."""
FINE_RADIUS = 10
COARSE_WINDOWS = 12
"""Windows per pair for the coarse window loss."""
MOST_LOST = 50
"""Steps in a row whose gradient is no number, after which the run has failed."""
MOST_GRADIENT = 1.0
"""Length that the gradient of all weights is cut to."""


class Losses(NamedTuple):
    """The losses of one batch. window: of the coarse features; see `tar_losses`."""

    coarse: Loss
    window: Loss
    fine: Loss
    text: Tensor

    def total(self, settings: TarTraining) -> Tensor:
        """What is minimised."""
        return (
            settings.coarse_weight * self.coarse.value
            + settings.window_weight * self.window.value
            + settings.fine_weight * self.fine.value
            + settings.text_weight * self.text
        )

    def figures(self) -> Tensor:
        """`FIGURES` (6,)."""
        coarse, window, fine, text = self
        shown = (coarse.value, coarse.right, window.right, fine.value, fine.right, text)
        return torch.stack([figure.float() for figure in shown])


class Learner:
    """A network and what teaches it.

    A step whose gradient is not finite is left out: it touches neither the weights nor their averages nor the
    statistics of the normalisation layers.
    """

    def __init__(self, settings: TarTraining, device: torch.device, bank: TextBank | None) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, device
        self.precision = arithmetic(device, settings.precision)
        self.layout = torch.contiguous_format if device.type == "mps" else torch.channels_last
        network = TarNetwork(settings.network).to(device)
        self.network: TarNetwork = network.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.state = State(self.network, _copy(self.network.state_dict()), self._optimiser(), 0)
        self.text = _features(settings, device, bank)
        scaled = self.precision is torch.float16
        self._scaler: Any = torch.amp.GradScaler("cuda", enabled=scaled)  # only there is float16 used
        self._lost = 0

    def _optimiser(self) -> torch.optim.Optimizer:
        weights = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [
            {"params": weights, "weight_decay": self.settings.decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.settings.rate, betas=(0.9, 0.98))

    def step(self, batch: Batch) -> Tensor | None:
        """Learn from the batch of the present step. Returns `FIGURES` (6,) on the device; None if it was left out.

        Raises EngineError where one step after another gives no usable gradient.
        """
        settings, state = self.settings, self.state
        for group in state.optimiser.param_groups:
            group["lr"] = settings.rate_at(state.step)
        self.network.train()
        statistics = [buffer.clone() for buffer in self.network.buffers()]
        losses = self._losses(batch, state.step % len(FINE_HALVES), state.step, self._text_now())
        state.optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(losses.total(settings)).backward()
        self._scaler.unscale_(state.optimiser)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), MOST_GRADIENT)
        usable = bool(torch.isfinite(norm))
        if usable:
            self._scaler.step(state.optimiser)
        self._scaler.update()
        state.step += 1
        if not usable:
            self._leave_out(statistics)
            return None
        self._lost = 0
        self._average()
        return losses.figures().detach()

    def figures(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean figures over batches with the averaged weights; the same windows are looked at each time."""
        kept = _copy(self.network.state_dict())
        self.network.load_state_dict(self.state.average)
        self.network.eval()
        try:
            with torch.no_grad():
                text = self.text if self.state.step >= self.settings.text_from else None
                rows = [self._losses(b, 1, k, text).figures() for k, b in enumerate(batches)]
        finally:
            self.network.load_state_dict(kept)
        means = torch.stack(rows).mean(0).tolist()
        return dict(zip(FIGURES, means))

    def _text_now(self) -> TextFeatures | None:
        """The text features, if they take part in the present step."""
        settings, step = self.settings, self.state.step
        drawn = np.random.default_rng((settings.seed, step, 1)).random()
        return self.text if step >= settings.text_from and drawn >= settings.text_left_out else None

    def _losses(self, batch: Batch, window: int, seed: int, text: TextFeatures | None) -> Losses:
        """window: which of `FINE_HALVES`; seed: of the coarse windows that are drawn."""
        batch = batch.to(self.device)
        random = torch.Generator().manual_seed((self.settings.seed << 32) + seed)
        layers = (batch.optical, batch.optical_valid, batch.sar, batch.sar_valid)
        images = [layer.contiguous(memory_format=self.layout) for layer in layers]
        with self._autocast():
            encoded = self.network.encode(images[0], images[1], images[2], images[3], text)
            near = encoded.pairs(slice(0, batch.near))
            coarse = coarse_loss(self.network, encoded, batch)
            wide = coarse_window_loss(self.network, encoded, batch, COARSE_WINDOWS, random)
            fine = fine_loss(self.network, near, batch, FINE_HALVES[window], FINE_RADIUS)
            shown = text_loss(encoded, batch)
        return Losses(coarse, wide, fine, shown)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.precision)

    def _leave_out(self, statistics: list[Tensor]) -> None:
        with torch.no_grad():
            for buffer, before in zip(self.network.buffers(), statistics):
                buffer.copy_(before)
        self._lost += 1
        if self._lost >= MOST_LOST:
            raise EngineError(
                f"The loss has been no number for {MOST_LOST} steps, up to step {self.state.step}.",
                "Go on from an earlier checkpoint with a lower 'rate', or with precision 'float32'.",
            )

    @torch.no_grad()
    def _average(self) -> None:
        """Fewer steps count at the start, so that the averages do not hold on to the first weights."""
        decay = min(self.settings.average, self.state.step / (9 + self.state.step))
        current = self.network.state_dict()
        for key, value in self.state.average.items():
            if value.is_floating_point():
                value.lerp_(current[key].float(), 1 - decay)
            else:
                value.copy_(current[key])


def _copy(tensors: Tensors) -> Tensors:
    return {k: v.detach().float().clone() if v.is_floating_point() else v.clone() for k, v in tensors.items()}


def _features(settings: TarTraining, device: torch.device, bank: TextBank | None) -> TextFeatures | None:
    """The bank's features on the device. Raises OptionError where the network cannot read them."""
    if bank is None or not settings.network.text:
        return None
    if bank.dimension != settings.network.text_dim:
        raise OptionError(
            f"The text bank has features of length {bank.dimension}, the network of {settings.network.text_dim}.",
            "Set 'text_dim' of the field 'network' to the bank's length.",
        )
    return TextFeatures(*(torch.from_numpy(f).to(device) for f in (bank.scenes, bank.covers)))
