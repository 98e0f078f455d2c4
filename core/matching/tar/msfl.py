"""MSFL: multi-scale visual feature learning.

The paper asks for low-level features that localise (1/2, 1/4) and high-level ones that match (1/8, 1/16). Our
reading: each modality has a stem of its own, for brightness and noise differ there; what follows is shared,
because what is left to describe, the layout of the ground, is the same. The low-level features have a branch of
their own (`local`), which sees some 30 pixels far: features drawn from the high-level ones find, but misplace.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..passes.blocks import Block, levelled
from ..passes.network import TilePairs, like, once
from .config import TarConfig


class Pyramid(NamedTuple):
    """Features of B images at 1/2, 1/4, 1/8 and 1/16, each (B, channels, rows, columns)."""

    half: Tensor
    quarter: Tensor
    eighth: Tensor
    sixteenth: Tensor


def normalise(values: Tensor, valid: Tensor) -> Tensor:
    """Network input (B · bands, 2, H, W) from values (B, bands, H, W) and validity (B, 1, H, W).

    Valid pixels get mean 0 and deviation 1 per band, invalid ones 0; the second channel is the validity.
    """
    level = levelled(values, valid)
    return torch.stack([level, valid.expand_as(level)], dim=2).flatten(0, 1)


def down(inside: int, outside: int, side: int, blocks: int) -> nn.Sequential:
    """Halve the resolution, then refine."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, side, stride=2, padding=side // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
        *[Block(outside) for _ in range(blocks)],
    )


class OpticalStem(nn.Module):
    """A stem for any number of bands, in any order.

    Each band goes through the same first convolution; at each place, attention over the bands merges them: what
    differs in colour need not differ in brightness. (Our own; the paper shows grey images.)
    """

    def __init__(self, outside: int) -> None:
        super().__init__()
        layers = down(2, outside, 5, 1)
        self.first, self.rest = layers[:3], layers[3:]
        self.choice = nn.Conv2d(outside, 1, 1, bias=False)
        nn.init.zeros_(self.choice.weight)

    def forward(self, values: Tensor, valid: Tensor) -> Tensor:
        """(B, channels, H / 2, W / 2) from values (B, bands, H, W) and validity (B, 1, H, W)."""
        seen = self.first(normalise(values, valid))
        if values.shape[1] > 1:
            each = seen.unflatten(0, values.shape[:2])
            share = self.choice(seen).unflatten(0, values.shape[:2]).softmax(dim=1)
            seen = (each * share).sum(dim=1)
        merged: Tensor = self.rest(seen)
        return merged


class Encoder(nn.Module):
    """Private stems and shared trunk."""

    def __init__(self, config: TarConfig) -> None:
        super().__init__()
        self.optical_stem = OpticalStem(config.stem)
        self.sar_stem = down(2, config.stem, 5, 1)
        sizes = (config.stem, *config.widths)
        self.trunk = nn.ModuleList(
            [down(sizes[k], sizes[k + 1], 3, config.blocks[k]) for k in range(len(config.widths))]
        )

    def forward(self, pairs: TilePairs) -> Pyramid:
        """Features of B optical tiles, then those of as many SAR tiles. A single optical one is encoded once."""
        second = self.sar_stem(normalise(*pairs.sar))
        if pairs.kept is None:  # training: both modalities share the statistics of a batch
            levels = self._levels(torch.cat([self.optical_stem(*pairs.optical), second]))
        else:
            first = once(pairs.kept, "pyramid", lambda: self._levels(self.optical_stem(*pairs.optical)))
            levels = Pyramid(*(torch.cat(level) for level in zip(first, self._levels(second))))
        if len(pairs.optical.values) == len(pairs):
            return levels
        return Pyramid(*(torch.cat([like(level[:1], len(pairs)), level[1:]]) for level in levels))

    def _levels(self, half: Tensor) -> Pyramid:
        quarter = self.trunk[0](half)
        eighth = self.trunk[1](quarter)
        return Pyramid(half, quarter, eighth, self.trunk[2](eighth))
