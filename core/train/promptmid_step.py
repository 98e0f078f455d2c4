"""One step of the training of PromptMID: the losses of both stages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..matching.passes.fine import with_edges
from ..matching.promptmid.diffusion import Prompt
from ..matching.promptmid.network import DescriptorNetwork
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
    painting: Tensor

    def total(self) -> Tensor:
        """See `Judged`."""
        settings = self.settings
        weighted = settings.local_weight * self.local.value + settings.land_use_weight * self.land_use
        return self.descriptor.value + weighted + settings.painting_weight * self.painting

    def figures(self) -> Tensor:
        """See `Judged`."""
        matched = (self.descriptor.value, self.descriptor.right, self.local.value, self.local.right)
        return torch.stack([f.detach().float() for f in (*matched, self.land_use, self.painting)])


class _PromptMidLearner(Learner[DescriptorNetwork]):
    def __init__(self, settings: PromptMidTraining, network: DescriptorNetwork, device: torch.device) -> None:
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

    def paint(self, pairs: Pairs, random: np.random.Generator, learning: bool) -> Painted:
        """The loss of painting pairs. Checks are made on noise alone: that is what features are taken from."""
        share = self.settings.pure_noise if learning else 1.0
        time = np.where(random.random(len(pairs.sar)) < share, 1.0, random.random(len(pairs.sar)))
        shape = self.network.latent_shape(*pairs.sar.shape[-2:])
        noise = torch.from_numpy(random.standard_normal((len(time), *shape), dtype=np.float32))
        with self.autocast():
            loss, pure = self.network.painting_loss(
                self.tiles(pairs),
                self.prompt(pairs, random if learning else None),
                torch.from_numpy(time.astype(np.float32)).to(self.device),
                noise.to(self.device),
            )
        return Painted(loss, pure)


class Painter(_PromptMidLearner):
    """Stage 1: the diffusion branch learns to paint the optical image."""

    names = ("painting", "from noise")

    def takes_part(self, name: str) -> bool:
        """See `Learner.takes_part`."""
        return name.startswith("diffusion.")

    def judge(self, batch: Batch, step: int, learning: bool) -> Painted:
        """See `Learner.judge`."""
        assert batch.painted is not None
        return self.paint(batch.painted, self.random(step, learning), learning)


class Describer(_PromptMidLearner):
    """Stage 2: descriptors, low-level features and the classifier; the diffusion branch only where it goes on
    painting."""

    names = ("descriptors", "descriptors right", "local", "local right", "land use", "painting")

    def takes_part(self, name: str) -> bool:
        """See `Learner.takes_part`."""
        if name.startswith("diffusion."):
            return self.settings.painting_weight > 0
        return not name.startswith(("backbone.", "tokens"))

    def judge(self, batch: Batch, step: int, learning: bool) -> Matched:
        """See `Learner.judge`."""
        assert batch.coarse is not None
        assert batch.local is not None
        random = self.random(step, learning) if learning else None
        painting = torch.zeros((), device=self.device)
        if batch.painted is not None:
            painting = self.paint(batch.painted, self.random(step, learning), learning).loss
        with self.autocast():
            found = self.network.describe(self.tiles(batch.coarse), self.prompt(batch.coarse, random))
        offset = (0.0, 0.0) if random is None else (float(random.random()), float(random.random()))
        with self.autocast():
            descriptor = descriptor_loss(self.network, found, batch.coarse, offset)
        half = LOCAL_HALVES[step % len(LOCAL_HALVES)] if learning else LOCAL_HALVES[-1]
        local = self._local_loss(batch.local, half, random)
        land_use = land_use_loss(found.land_use, batch.coarse.land_use)
        return Matched(self.settings, descriptor, local, land_use, painting)

    def _local_loss(self, batch: LocalBatch, half: int, random: np.random.Generator | None) -> Loss:
        tiles = self.tiles(batch)
        with self.autocast():
            low = self.network.low_level(tiles, self.prompt(batch, random))
        features = with_edges(torch.cat(low), tiles)
        return local_loss(features, self.network.sharpness, batch, half)
