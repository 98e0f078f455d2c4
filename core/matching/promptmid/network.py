"""The compact PromptMID network: SAR through the diffusion branch, optical through the backbone, each aggregated
into descriptors; and the low-level features that place tie points."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ..land_use import CLASSES
from ..passes.blocks import levelled
from ..passes.dual_softmax import DualSoftmax
from ..passes.fine import with_edges
from ..passes.network import COARSE_CELL, Encoded, coarse_mask, like
from . import backbone
from .aggregate import SCALE, Aggregation
from .backbone import Backbone
from .config import CompactConfig
from .descriptors import DescriptorWindow
from .diffusion import DiffusionBranch, Prompt


class Described(NamedTuple):
    """Maps of B pairs that descriptors are read from, (B, channels, H / 4, W / 4) each; optical may be a single
    one. low: features at 1/2 that place, of both likewise. land_use: (B, classes) logits of the optical
    image."""

    optical: Tensor
    sar: Tensor
    low: tuple[Tensor, Tensor]
    land_use: Tensor


class _Fine(nn.Module):
    """The learnable optical features, in VGG's manner: plain 3 × 3 convolutions; the paper takes VGG19's."""

    def __init__(self, widths: tuple[int, int]) -> None:
        super().__init__()
        first, second = widths
        self.first = nn.Conv2d(4, first, 3, stride=2, padding=1, bias=False)
        self.at_half = nn.Sequential(_normed(first), _convolution(first, first))
        self.at_quarter = nn.Sequential(nn.MaxPool2d(2), _convolution(first, second), _convolution(second, second))

    def forward(self, image: Tensor, valid: Tensor) -> dict[int, Tensor]:
        """Features by scale (2, 4) of levelled images (B, bands, H, W); bands as `Backbone` takes them."""
        bands = image.shape[1]
        image = image[:, [min(k, bands - 1) for k in range(3)]]
        half = self.at_half(self.first(torch.cat([image, valid], dim=1)))
        return {2: half, 4: self.at_quarter(half)}


def _normed(width: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))


def _convolution(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, 3, padding=1, bias=False), _normed(outside))


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


class CompactNetwork(nn.Module):
    """See the module. Frozen parts: the backbone; the diffusion branch after the first stage of training.

    tokens: (1 + classes, D) features of the general prompt and of the prompt of each class alone, unit length.
    """

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens: Tensor
        self.register_buffer("tokens", torch.zeros(1 + len(CLASSES), config.text_dim))
        self.diffusion = DiffusionBranch(config)
        self.backbone = Backbone()
        self.optical_fine = _Fine(config.fine)
        painted = {scale: config.widths[k] for k, scale in enumerate((2, 4, 8, 16)) if scale in config.scales}
        seen = {scale: backbone.CHANNELS[scale] for scale in (8, 16)} | {4: config.fine[1] + backbone.CHANNELS[4]}
        self.optical = Aggregation(
            {s: c for s, c in seen.items() if s in config.scales}, config.aggregate, config.descriptor
        )
        self.sar = Aggregation(painted, config.aggregate, config.descriptor)
        self.optical_low = _Low(config.fine[0], config.aggregate, config.low)
        self.sar_low = _Low(config.widths[0], config.aggregate, config.low)
        self.land_use = nn.Linear(2 * backbone.CHANNELS[16], len(CLASSES))
        self.window = DescriptorWindow(config.window)
        self.coarse_matcher = DualSoftmax(
            (config.window[0], max(1, round(config.window[1] * SCALE / COARSE_CELL)))
        )
        self.sharpness = nn.Parameter(torch.tensor(2.5))

    def describe(
        self, optical: Tensor, optical_valid: Tensor, sar: Tensor, sar_valid: Tensor, words: Prompt
    ) -> Described:
        """Images and validity, sides multiples of 16: optical (B, bands, H, W), the others (B, 1, H, W); 0…255.

        A single optical image stands for B; words: of B pairs, or of all of them.
        """
        image = levelled(optical, optical_valid)
        fine = self.optical_fine(image, optical_valid)
        seen = self.backbone(image)
        classes = self._land_use(seen[16])
        seen = {scale: found.to(fine[4].dtype) for scale, found in seen.items()}
        seen[4] = torch.cat([seen[4], fine[4]], dim=1)
        ours, ours_merged = self.optical(seen)
        painted = self.diffusion.describe(sar, sar_valid, words.like(len(sar))).features
        theirs, theirs_merged = self.sar(painted)
        low = self.optical_low(fine[2], ours_merged), self.sar_low(painted[2], theirs_merged)
        return Described(_levelled(ours), _levelled(theirs), low, classes)

    def prompt(self, shown: Tensor) -> Prompt:
        """The prompts of images by marks (B, classes), 0 or 1, of what they show; none marked: the general one."""
        marks = torch.cat([torch.ones_like(shown[:, :1]), shown], dim=1)
        return Prompt(self.tokens.expand(len(shown), -1, -1), marks)

    def classify(self, optical: Tensor, optical_valid: Tensor) -> Tensor:
        """Probability (B, classes) that images (B, bands, H, W) show each land-use class."""
        return torch.sigmoid(self._land_use(self.backbone(levelled(optical, optical_valid))[16]))

    def _land_use(self, sixteenth: Tensor) -> Tensor:
        told = torch.cat([sixteenth.float().mean((-2, -1)), sixteenth.float().std((-2, -1))], dim=1)
        logits: Tensor = self.land_use(told)
        return logits

    def encode(
        self, optical: Tensor, optical_valid: Tensor, sar: Tensor, sar_valid: Tensor, words: Prompt
    ) -> Encoded:
        """Descriptors as coarse features: the mean over each coarse cell."""
        found = self.describe(optical, optical_valid, sar, sar_valid, words)
        both = torch.cat([like(found.optical, len(sar)), found.sar])
        valid, mask = coarse_mask(optical_valid, sar_valid)
        return Encoded(functional.avg_pool2d(both, COARSE_CELL // SCALE), mask, valid)

    def fine(
        self, optical: Tensor, optical_valid: Tensor, sar: Tensor, sar_valid: Tensor, edges: float, words: Prompt
    ) -> tuple[Tensor, Tensor]:
        """See `PairNetwork.fine`."""
        low = self.describe(optical, optical_valid, sar, sar_valid, words).low
        return with_edges(torch.cat(low), (optical, optical_valid), (sar, sar_valid), edges)


def _levelled(x: Tensor) -> Tensor:
    """With mean 0 per channel, and a mean energy of 1."""
    centred = x.float() - x.float().mean((-2, -1), keepdim=True)
    return centred / (centred.square().sum(1, keepdim=True).mean((-2, -1), keepdim=True).sqrt() + 1e-4)
