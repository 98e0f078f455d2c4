"""One step of the training of PromptMID: the losses of both stages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..matching.passes.fine import with_edges
from ..matching.promptmid.diffusion import FOLD, Prompt, diffusion_loss
from ..matching.promptmid.network import CompactNetwork, Described
from .batches import Batch, LocalBatch, Pairs
from .descriptor_loss import descriptor_loss, land_use_loss
from .learner import Learner
from .local_loss import LOCAL_HALVES, local_loss
from .promptmid_config import PromptMidTraining
from .window_losses import Loss


@dataclass(frozen=True)
class Painted:
    """The loss of stage 1, and that of the pairs that were nothing but noise."""

    loss: Tensor
    from_noise: Tensor | None

    def total(self) -> Tensor:
        """See `Judged`."""
        return self.loss

    def figures(self) -> Tensor:
        """See `Judged`."""
        pure = torch.full_like(self.loss, float("nan")) if self.from_noise is None else self.from_noise
        return torch.stack([self.loss.detach().float(), pure.detach().float()])


@dataclass(frozen=True)
class Matched:
    """The losses of stage 2."""

    settings: PromptMidTraining
    descriptor: Loss
    local: Loss
    land_use: Tensor

    def total(self) -> Tensor:
        """See `Judged`."""
        settings = self.settings
        weighted = settings.local_weight * self.local.value + settings.land_use_weight * self.land_use
        return self.descriptor.value + weighted

    def figures(self) -> Tensor:
        """See `Judged`."""
        shown = (self.descriptor.value, self.descriptor.right, self.local.value, self.local.right, self.land_use)
        return torch.stack([figure.detach().float() for figure in shown])


class _PromptMidLearner(Learner[CompactNetwork]):
    def __init__(self, settings: PromptMidTraining, network: CompactNetwork, device: torch.device) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        network.requires_grad_(False)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(self.takes_part(name))
        super().__init__(settings, network, device)

    def prompt(self, batch: Pairs, random: np.random.Generator | None) -> Prompt:
        """The prompts of pairs; random: some get the general one instead."""
        shown = batch.land_use
        if random is not None:
            kept = random.random(len(shown)) >= self.settings.words_left_out
            shown = shown * torch.from_numpy(kept.astype(np.float32)).to(shown.device)[:, None]
        return self.network.prompt(shown)

    def random(self, step: int, learning: bool) -> np.random.Generator:
        """What is drawn in a step."""
        return np.random.default_rng((self.settings.seed, step, int(learning)))


class Painter(_PromptMidLearner):
    """Stage 1: the diffusion branch learns to paint the optical image."""

    names = ("painting", "from noise")

    def takes_part(self, name: str) -> bool:
        """See `Learner.takes_part`."""
        return name.startswith("diffusion.")

    def judge(self, batch: Batch, step: int, learning: bool) -> Painted:
        """See `Learner.judge`. Checks are made on noise alone: that is what features are taken from."""
        pairs = batch.painted
        assert pairs is not None
        random = self.random(step, learning)
        share = self.settings.pure_noise if learning else 1.0
        time = np.where(random.random(len(pairs.sar)) < share, 1.0, random.random(len(pairs.sar)))
        side = pairs.sar.shape[-1] // FOLD
        noise = torch.from_numpy(random.standard_normal((len(time), FOLD**2, side, side), dtype=np.float32))
        optical, optical_valid, sar, sar_valid = self.images(pairs)
        with self.autocast():
            loss, pure = diffusion_loss(
                self.network.diffusion,
                optical[:, :1],
                optical_valid,
                (sar, sar_valid),
                self.prompt(pairs, random if learning else None),
                torch.from_numpy(time.astype(np.float32)).to(self.device),
                noise.to(self.device),
            )
        return Painted(loss, pure)


class Describer(_PromptMidLearner):
    """Stage 2: descriptors, low-level features and the classifier."""

    names = ("descriptors", "descriptors right", "local", "local right", "land use")

    def takes_part(self, name: str) -> bool:
        """See `Learner.takes_part`."""
        return not name.startswith(("diffusion.", "backbone.", "tokens"))

    def judge(self, batch: Batch, step: int, learning: bool) -> Matched:
        """See `Learner.judge`."""
        assert batch.coarse is not None
        assert batch.local is not None
        random = self.random(step, learning) if learning else None
        found = self._described(batch.coarse, random)
        offset = (0.0, 0.0) if random is None else (float(random.random()), float(random.random()))
        with self.autocast():
            descriptor = descriptor_loss(self.network, found, batch.coarse, offset)
        half = LOCAL_HALVES[step % len(LOCAL_HALVES)] if learning else LOCAL_HALVES[-1]
        local = self._local_loss(batch.local, half, random)
        return Matched(self.settings, descriptor, local, land_use_loss(found.land_use, batch.coarse.land_use))

    def _described(self, pairs: Pairs, random: np.random.Generator | None) -> Described:
        with self.autocast():
            return self.network.describe(*self.images(pairs), self.prompt(pairs, random))

    def _local_loss(self, batch: LocalBatch, half: int, random: np.random.Generator | None) -> Loss:
        low = self._described(batch, random).low
        optical, optical_valid, sar, sar_valid = self.images(batch)
        features = with_edges(torch.cat(low), (optical, optical_valid), (sar, sar_valid))
        return local_loss(features, self.network.sharpness, batch, half)
