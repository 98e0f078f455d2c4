"""What PromptMID's networks of both sizes share: features of each image aggregated into descriptors, and the
low-level features that place tie points. Where the features come from is the size's own (`compact`, `full`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, Union

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ..land_use import CLASSES
from ..passes.blocks import levelled
from ..passes.dual_softmax import DualSoftmax
from ..passes.fine import with_edges
from ..passes.network import COARSE_CELL, Encoded, Images, TilePairs, like, once
from ..passes.views import BATCH_PIXELS
from .aggregate import SCALE, Aggregation
from .config import CompactConfig
from .descriptors import DescriptorWindow
from .diffusion import Prompt
from .full.config import FullConfig

NetworkConfig = Union[CompactConfig, FullConfig]
LOW = 2
"""Pixels per cell of the features that low-level ones are made of."""


class Described(NamedTuple):
    """Maps of B pairs that descriptors are read from, (B, channels, H / 4, W / 4) each; optical may be a single
    one. land_use: (B, classes) logits of the optical image."""

    optical: Tensor
    sar: Tensor
    land_use: Tensor


class Looked(NamedTuple):
    """What a size sees in B optical images.

    features: (B, channels, H / scale, W / scale) by scale (2, 4, 8, 16); told: (B, channels, …) frozen ones, of
    which the classifier reads mean and spread.
    """

    features: dict[int, Tensor]
    told: Tensor


class _Merged(NamedTuple):
    """What is seen of both images, and their aggregates at 1/4."""

    optical: Looked
    sar: dict[int, Tensor]
    merged: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Channels:
    """Channels by scale (2 and coarser) of the features that a size brings; told: see `Looked`."""

    optical: dict[int, int]
    sar: dict[int, int]
    told: int


class _Low(nn.Module):
    """Low-level features, told by the aggregate what they belong to."""

    def __init__(self, inside: int, above: int, outside: int) -> None:
        super().__init__()
        self.inside, self.above = nn.Conv2d(inside, 2 * outside, 1), nn.Conv2d(above, 2 * outside, 1)
        self.last = nn.Sequential(
            nn.BatchNorm2d(2 * outside),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * outside, 2 * outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * outside),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * outside, outside, 1),
        )

    def forward(self, half: Tensor, merged: Tensor) -> Tensor:
        """(B, outside, H / 2, W / 2) from features at 1/2 and the aggregate at 1/4."""
        above = functional.interpolate(self.above(merged), scale_factor=2.0, mode="bilinear", align_corners=False)
        found: Tensor = self.last(self.inside(half) + above)
        return found


class DescriptorNetwork(nn.Module, ABC):
    """See the module. A size makes its own features and calls `build_heads`."""

    optical: Aggregation
    sar: Aggregation
    config: NetworkConfig
    batch_pixels = BATCH_PIXELS
    """See `passes.views`."""

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(2.5))

    def build_heads(self, channels: Channels, sizes: NetworkConfig, plain: bool = False) -> None:
        """All that both sizes share. plain: see `Aggregation`."""
        scales, window = sizes.scales, sizes.window
        if not set(scales) <= set(channels.optical) & set(channels.sar):
            raise ValueError(f"there are no features at all of the scales {scales}")
        self.optical, self.sar = (
            Aggregation({scale: found[scale] for scale in scales}, sizes.aggregate, sizes.descriptor, plain)
            for found in (channels.optical, channels.sar)
        )
        self.optical_low = _Low(channels.optical[LOW], sizes.aggregate, sizes.low)
        self.sar_low = _Low(channels.sar[LOW], sizes.aggregate, sizes.low)
        self.land_use = nn.Linear(2 * channels.told, len(CLASSES))
        self.window = DescriptorWindow(window)
        self.coarse_matcher = DualSoftmax((window[0], max(1, round(window[1] * SCALE / COARSE_CELL))))

    @abstractmethod
    def look_optical(self, optical: Images) -> Looked:
        """What is seen in levelled images."""

    @abstractmethod
    def look_sar(self, sar: Images, words: Prompt, finest: int) -> dict[int, Tensor]:
        """Features by scale, none finer than 1/finest."""

    @abstractmethod
    def told(self, optical: Images) -> Tensor:
        """See `Looked`; of levelled images, where nothing else is needed."""

    @abstractmethod
    def prompt(self, shown: Tensor) -> Prompt:
        """The prompts of images by marks (B, classes), 0 or 1, of what they show; none marked: the general one."""

    @abstractmethod
    def painting_loss(
        self, pairs: TilePairs, words: Prompt, time: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """The loss of stage 1: of painting the optical image from noise, led by the SAR image and the prompt.

        time: (B,) 0…1; noise: (B, *latent_shape).
        Returns it, and that of the pairs whose time is 1 (None if there is none).
        """

    @abstractmethod
    def latent_shape(self, rows: int, columns: int) -> tuple[int, int, int]:
        """Shape of the noise from which images of that size are painted."""

    @abstractmethod
    def painted(self, sar: Images, words: Prompt, noise: Tensor) -> Tensor:
        """Levelled grey images (B, H, W) painted from noise in one look."""

    def describe(self, pairs: TilePairs, words: Prompt) -> Described:
        """Of B pairs. words: of each of them, or of all."""
        found = self._look(pairs, words, SCALE)
        ours, theirs = found.merged
        return Described(
            _levelled(self.optical.head(ours)),
            _levelled(self.sar.head(theirs)),
            self._land_use(found.optical.told),
        )

    def low_level(self, pairs: TilePairs, words: Prompt) -> tuple[Tensor, Tensor]:
        """Features (B, channels, H / 2, W / 2) of both that place tie points; arguments as of `describe`."""
        found = self._look(pairs, words, LOW)
        ours, theirs = found.merged
        return self.optical_low(found.optical.features[LOW], ours), self.sar_low(found.sar[LOW], theirs)

    def classify(self, optical: Images) -> Tensor:
        """Probability (B, classes) that images show each land-use class."""
        return torch.sigmoid(self._land_use(self.told(Images(levelled(*optical), optical.valid))))

    def encode(self, pairs: TilePairs, words: Prompt) -> Encoded:
        """Descriptors as coarse features: the mean over each coarse cell."""
        found = self.describe(pairs, words)
        valid, mask = pairs.mask()
        both = torch.cat([like(found.optical, len(pairs)), found.sar])
        return Encoded(functional.avg_pool2d(both, COARSE_CELL // SCALE), mask, valid)

    def fine(self, pairs: TilePairs, edges: float, words: Prompt) -> tuple[Tensor, Tensor]:
        """See `PairNetwork.fine`."""
        low = self.low_level(pairs, words)
        maps = torch.cat([part.float() for part in low])
        with torch.autocast(maps.device.type, enabled=False):  # edges place to parts of a pixel
            return with_edges(maps, pairs, edges)

    def _look(self, pairs: TilePairs, words: Prompt, finest: int) -> _Merged:
        ours, merged = once(pairs.kept, "optical", lambda: self._look_optical(pairs.optical))
        theirs = self.look_sar(pairs.sar, words.like(len(pairs)), finest)
        return _Merged(ours, theirs, (merged, self.sar(theirs)))

    def _look_optical(self, optical: Images) -> tuple[Looked, Tensor]:
        found = self.look_optical(Images(levelled(*optical), optical.valid))
        return found, self.optical(found.features)

    def _land_use(self, sixteenth: Tensor) -> Tensor:
        mean_and_spread = [sixteenth.float().mean((-2, -1)), sixteenth.float().std((-2, -1))]
        logits: Tensor = self.land_use(torch.cat(mean_and_spread, dim=1))
        return logits


def _levelled(x: Tensor) -> Tensor:
    """With mean 0 per channel, and a mean energy of 1."""
    centred = x.float() - x.float().mean((-2, -1), keepdim=True)
    return centred / (centred.square().sum(1, keepdim=True).mean((-2, -1), keepdim=True).sqrt() + 1e-4)
