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
from .batches import Batch, CoarseBatch, LocalBatch, Pairs
from .checkpoint import State, Tensors
from .coarse_losses import coarse_loss, coarse_window_loss, text_loss
from .device import arithmetic
from .local_loss import LOCAL_HALVES, local_loss
from .log import FIGURES
from .tar_config import TarTraining
from .window_losses import Loss

LOCAL_NAMES = ("local.", "sharpness")
"""How the names of the weights of the local features begin; all others belong to the coarse matching."""
COARSE_WINDOWS = 12
"""Windows per pair for the coarse window loss."""
MOST_LOST = 50
"""Steps in a row whose gradient is no number, after which the run has failed."""
MOST_GRADIENT = 1.0
"""Length that the gradient of all weights is cut to."""


class Losses(NamedTuple):
    """The losses of one batch; None of what took no part. window: of the coarse features, see `coarse_losses`."""

    coarse: Loss | None = None
    window: Loss | None = None
    local: Loss | None = None
    text: Tensor | None = None

    def total(self, settings: TarTraining) -> Tensor:
        """What is minimised."""
        parts = [
            weight * loss.value
            for weight, loss in (
                (settings.coarse_weight, self.coarse),
                (settings.window_weight, self.window),
                (settings.local_weight, self.local),
            )
            if loss is not None
        ]
        if self.text is not None:
            parts.append(settings.text_weight * self.text)
        return torch.stack(parts).sum()

    def figures(self) -> Tensor:
        """`FIGURES` (6,), not a number for what took no part."""
        known = next(loss for loss in (self.coarse, self.local) if loss is not None)
        none = torch.full_like(known.right, float("nan"))
        coarse, window, local = (loss or Loss(none, none) for loss in (self.coarse, self.window, self.local))
        text = none if self.text is None else self.text
        shown = (coarse.value, coarse.right, window.right, local.value, local.right, text)
        return torch.stack([figure.detach().float() for figure in shown])


def mean_figures(rows: list[Tensor]) -> dict[str, float]:
    """`FIGURES` of several batches as one: the mean of each over those where what it judges took part."""
    return dict(zip(FIGURES, torch.stack(rows).nanmean(0).tolist()))


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
        losses = self._losses(batch, LOCAL_HALVES[state.step % len(LOCAL_HALVES)], state.step, self._text_now())
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
        return losses.figures()

    def figures(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean figures over batches with the averaged weights; the same windows are looked at each time."""
        kept = _copy(self.network.state_dict())
        self.network.load_state_dict(self.state.average)
        self.network.eval()
        try:
            with torch.no_grad():
                text = self.text if self.state.step >= self.settings.text_from else None
                rows = [self._losses(b, LOCAL_HALVES[-1], k, text).figures() for k, b in enumerate(batches)]
        finally:
            self.network.load_state_dict(kept)
        return mean_figures(rows)

    def _text_now(self) -> TextFeatures | None:
        """The text features, if they take part in the present step."""
        settings, step = self.settings, self.state.step
        drawn = np.random.default_rng((settings.seed, step, 1)).random()
        return self.text if step >= settings.text_from and drawn >= settings.text_left_out else None

    def _losses(self, batch: Batch, half: int, seed: int, text: TextFeatures | None) -> Losses:
        """half: half side of the local windows, fine cells; seed: of the coarse windows that are drawn."""
        batch = batch.to(self.device)
        losses = Losses()
        if batch.coarse is not None:
            losses = self._coarse_losses(batch.coarse, seed, text)
        if batch.local is not None:
            losses = losses._replace(local=self._local_loss(batch.local, half))
        return losses

    def _coarse_losses(self, batch: CoarseBatch, seed: int, text: TextFeatures | None) -> Losses:
        random = torch.Generator().manual_seed((self.settings.seed << 32) + seed)
        with self._autocast():
            encoded = self.network.encode(*self._images(batch), text)
            coarse = coarse_loss(self.network, encoded, batch)
            wide = coarse_window_loss(self.network, encoded, batch, COARSE_WINDOWS, random)
            shown = None if encoded.text is None else text_loss(encoded.text, batch)
        return Losses(coarse, wide, text=shown)

    def _local_loss(self, batch: LocalBatch, half: int) -> Loss:
        with self._autocast():
            features = self.network.local(*self._images(batch))
        return local_loss(features, self.network.sharpness, batch, half)  # correlations in full precision

    def _images(self, batch: Pairs) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Optical image and validity, SAR image and validity."""
        optical, optical_valid, sar, sar_valid = (
            layer.contiguous(memory_format=self.layout)
            for layer in (batch.optical, batch.optical_valid, batch.sar, batch.sar_valid)
        )
        return optical, optical_valid, sar, sar_valid

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
        """Fewer steps count at the start, so that the averages do not hold on to the first weights.

        A part that is left out keeps its averages: those of a checkpoint are not as exact as its weights.
        """
        decay = min(self.settings.average, self.state.step / (9 + self.state.step))
        current = self.network.state_dict()
        for key, value in self.state.average.items():
            is_local = key.startswith(LOCAL_NAMES)
            if not (self.settings.has_local if is_local else self.settings.has_coarse):
                continue
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
