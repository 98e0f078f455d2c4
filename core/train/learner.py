"""One step of training, whatever is trained: gradients, optimiser, averaged weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from ..contract import EngineError
from ..matching.passes.network import Images, TilePairs
from .batches import Batch, Pairs
from .checkpoint import State, Tensors
from .device import arithmetic
from .optimiser import optimiser_for

MOST_LOST = 50
"""Steps in a row whose gradient is no number, after which the run has failed."""
MOST_GRADIENT = 1.0
"""Length that the gradient of all weights is cut to."""


class Schedule(Protocol):
    """What a learner asks of the settings; see `TarTraining`."""

    @property
    def seed(self) -> int: ...

    @property
    def decay(self) -> float: ...

    @property
    def rate(self) -> float: ...

    @property
    def average(self) -> float: ...

    @property
    def precision(self) -> str: ...

    @property
    def optimiser(self) -> str: ...

    def rate_at(self, step: int) -> float: ...


class Judged(Protocol):
    """The losses of one batch."""

    def total(self) -> Tensor:
        """What is minimised."""
        ...

    def figures(self) -> Tensor:
        """What is shown, one number per name of `Learner.names`; not a number for what took no part."""
        ...


Network = TypeVar("Network", bound=nn.Module)


class Learner(ABC, Generic[Network]):
    """A network and what teaches it. Subclasses say what is lost (`judge`).

    A step whose gradient is not finite is left out: it touches neither the weights nor their averages nor the
    statistics of the normalisation layers. names: of the figures.
    """

    names: tuple[str, ...] = ()

    def __init__(self, settings: Schedule, network: Network, device: torch.device) -> None:
        self._schedule, self.device = settings, device
        self.precision = arithmetic(device, settings.precision)
        self.layout = torch.contiguous_format if device.type == "mps" else torch.channels_last
        self.network: Network = network.to(device).to(memory_format=self.layout)  # type: ignore[call-overload]
        optimiser = optimiser_for(network.parameters(), settings.optimiser, settings.rate, settings.decay)
        self.state = State(self.network, _copy(self.network.state_dict()), optimiser, 0)
        scaled = self.precision is torch.float16
        self._scaler: Any = torch.amp.GradScaler("cuda", enabled=scaled)  # only there is float16 used
        self._lost = 0

    @abstractmethod
    def judge(self, batch: Batch, step: int, learning: bool) -> Judged:
        """The losses of a batch on the device. step: seed of what is drawn; learning: false while checking."""

    def takes_part(self, name: str) -> bool:
        """Whether a tensor of the network is trained: what is left out keeps its averages."""
        return True

    def step(self, batch: Batch) -> Tensor | None:
        """Learn from the batch of the present step. Returns the figures on the device; None if it was left out.

        Raises EngineError where one step after another gives no usable gradient.
        """
        state = self.state
        for group in state.optimiser.param_groups:
            group["lr"] = self._schedule.rate_at(state.step)
        self.network.train()
        statistics = [buffer.clone() for buffer in self.network.buffers()]
        losses = self.judge(batch.to(self.device), state.step, learning=True)
        state.optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(losses.total()).backward()
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
                rows = [self.judge(b.to(self.device), k, learning=False).figures() for k, b in enumerate(batches)]
        finally:
            self.network.load_state_dict(kept)
        return self.mean(rows)

    def mean(self, rows: list[Tensor]) -> dict[str, float]:
        """Figures of several batches as one: the mean of each over those where what it judges took part."""
        return dict(zip(self.names, torch.stack(rows).nanmean(0).tolist()))

    def tiles(self, batch: Pairs) -> TilePairs:
        """The images of a batch, as networks take them."""
        optical, optical_valid, sar, sar_valid = (
            layer.contiguous(memory_format=self.layout)
            for layer in (batch.optical, batch.optical_valid, batch.sar, batch.sar_valid)
        )
        return TilePairs(Images(optical, optical_valid), Images(sar, sar_valid))

    def autocast(self) -> AbstractContextManager[object]:
        """The arithmetic of the settings."""
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
        decay = min(self._schedule.average, self.state.step / (9 + self.state.step))
        current = self.network.state_dict()
        for key, value in self.state.average.items():
            if not self.takes_part(key):
                continue
            if value.is_floating_point():
                value.lerp_(current[key].float(), 1 - decay)
            else:
                value.copy_(current[key])


def _copy(tensors: Tensors) -> Tensors:
    return {k: v.detach().float().clone() if v.is_floating_point() else v.clone() for k, v in tensors.items()}
