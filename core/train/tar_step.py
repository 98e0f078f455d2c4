"""One step of the training of TAR: its losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..contract import OptionError
from ..matching.passes.fine import EDGES
from ..matching.passes.second_pass import FINAL
from ..matching.tar.network import TarNetwork
from ..matching.tar.tafe import TextFeatures
from ..matching.text.bank import TextBank
from .batches import Batch, CoarseBatch, LocalBatch
from .coarse_losses import coarse_loss, coarse_window_loss, text_loss
from .learner import Learner
from .local_loss import LOCAL_HALVES, local_loss
from .tar_config import TarTraining
from .window_losses import Loss

LOCAL_NAMES = ("local.", "sharpness")
"""How the names of the weights of the local features begin; all others belong to the coarse matching."""
SHARES = (EDGES, FINAL.edges)
"""Of the edges in local windows, in turn, where the network weighs them: most of matching, and the last look."""
COARSE_WINDOWS = 12
"""Windows per pair for the coarse window loss."""
FIGURES = ("coarse", "coarse right", "window right", "local", "local right", "text")
"""Losses and shares of places found right, 0…1; see `coarse_losses` and `local_loss`."""


@dataclass(frozen=True)
class Losses:
    """The losses of one batch; None of what took no part. window: of the coarse features, see `coarse_losses`."""

    settings: TarTraining
    coarse: Loss | None = None
    window: Loss | None = None
    local: Loss | None = None
    text: Tensor | None = None

    def total(self) -> Tensor:
        """See `Judged`."""
        settings = self.settings
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


class TarLearner(Learner[TarNetwork]):
    """TAR's network and what teaches it."""

    names = FIGURES

    def __init__(self, settings: TarTraining, device: torch.device, bank: TextBank | None) -> None:
        torch.manual_seed(settings.seed)
        super().__init__(settings, TarNetwork(settings.network), device)
        self.settings = settings
        self.text = text_features(settings, device, bank)

    def judge(self, batch: Batch, step: int, learning: bool) -> Losses:
        """See `Learner.judge`."""
        if learning:
            half, text = LOCAL_HALVES[step % len(LOCAL_HALVES)], self._text_now()
            share = SHARES[step // len(LOCAL_HALVES) % len(SHARES)] if self.network.config.weighing else EDGES
        else:
            half, text = LOCAL_HALVES[-1], self.text if self.state.step >= self.settings.text_from else None
            share = EDGES
        coarse: tuple[Loss, Loss, Tensor | None] | tuple[None, None, None] = None, None, None
        if batch.coarse is not None:
            coarse = self._coarse_losses(batch.coarse, step, text)
        local = None if batch.local is None else self._local_loss(batch.local, half, share)
        return Losses(self.settings, coarse[0], coarse[1], local, coarse[2])

    def takes_part(self, name: str) -> bool:
        """See `Learner.takes_part`."""
        return self.settings.has_local if name.startswith(LOCAL_NAMES) else self.settings.has_coarse

    def _text_now(self) -> TextFeatures | None:
        """The text features, if they take part in the present step."""
        settings, step = self.settings, self.state.step
        drawn = np.random.default_rng((settings.seed, step, 1)).random()
        return self.text if step >= settings.text_from and drawn >= settings.text_left_out else None

    def _coarse_losses(
        self, batch: CoarseBatch, seed: int, text: TextFeatures | None
    ) -> tuple[Loss, Loss, Tensor | None]:
        """seed: of the coarse windows that are drawn."""
        random = torch.Generator().manual_seed((self.settings.seed << 32) + seed)
        with self.autocast():
            encoded = self.network.encode(self.tiles(batch), text)
            coarse = coarse_loss(self.network, encoded, batch)
            wide = coarse_window_loss(self.network, encoded, batch, COARSE_WINDOWS, random)
            shown = None if encoded.text is None else text_loss(encoded.text, batch)
        return coarse, wide, shown

    def _local_loss(self, batch: LocalBatch, half: int, share: float) -> Loss:
        """half: half side of the local windows, fine cells; share: of the edges."""
        with self.autocast():
            features = self.network.local(self.tiles(batch), share)
        return local_loss(features, self.network.sharpness, batch, half)  # correlations in full precision


def text_features(settings: TarTraining, device: torch.device, bank: TextBank | None) -> TextFeatures | None:
    """The bank's features on the device. Raises OptionError where the network cannot read them."""
    if bank is None or not settings.network.text:
        return None
    if bank.dimension != settings.network.text_dim:
        raise OptionError(
            f"The text bank has features of length {bank.dimension}, the network of {settings.network.text_dim}.",
            "Set 'text_dim' of the field 'network' to the bank's length.",
        )
    return TextFeatures(*(torch.from_numpy(f).to(device) for f in (bank.scenes, bank.covers)))
