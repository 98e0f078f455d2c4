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

from .config import TarConfig

STRIDE = 16
"""Image sides must be multiples of this."""


class Pyramid(NamedTuple):
    """Features of B images at 1/2, 1/4, 1/8 and 1/16, each (B, channels, rows, columns)."""

    half: Tensor
    quarter: Tensor
    eighth: Tensor
    sixteenth: Tensor


def normalise(values: Tensor, valid: Tensor) -> Tensor:
    """Network input (B, 2, H, W) from grey values and validity (B, 1, H, W).

    Valid pixels get mean 0 and deviation 1 per image, invalid ones 0; the second channel is the validity.
    """
    area = valid.sum((-2, -1), keepdim=True).clamp_min(1.0)
    mean = (values * valid).sum((-2, -1), keepdim=True) / area
    centred = (values - mean) * valid
    deviation = torch.sqrt(centred.square().sum((-2, -1), keepdim=True) / area)
    return torch.cat([centred / (deviation + 1e-3), valid], dim=1)


def like(single: Tensor, count: int) -> Tensor:
    """One image (1, …) as `count` of them, or as many as there are."""
    return single.expand(count, *single.shape[1:])


class Block(nn.Module):
    """Two 3 × 3 convolutions with a shortcut; the first with gaps of `dilation`."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


def down(inside: int, outside: int, side: int, blocks: int) -> nn.Sequential:
    """Halve the resolution, then refine."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, side, stride=2, padding=side // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
        *[Block(outside) for _ in range(blocks)],
    )


class Encoder(nn.Module):
    """Private stems and shared trunk."""

    def __init__(self, config: TarConfig) -> None:
        super().__init__()
        self.optical_stem = down(2, config.stem, 5, 1)
        self.sar_stem = down(2, config.stem, 5, 1)
        sizes = (config.stem, *config.widths)
        self.trunk = nn.ModuleList(
            [down(sizes[k], sizes[k + 1], 3, config.blocks[k]) for k in range(len(config.widths))]
        )

    def forward(self, optical: Tensor, sar: Tensor) -> Pyramid:
        """Features of optical images (B, 2, H, W) followed by those of as many SAR images of the same size.

        A single optical image stands for B: it is encoded once.
        """
        half = torch.cat([self.optical_stem(optical), self.sar_stem(sar)])
        quarter = self.trunk[0](half)
        eighth = self.trunk[1](quarter)
        levels = Pyramid(half, quarter, eighth, self.trunk[2](eighth))
        if len(optical) == len(sar):
            return levels
        return Pyramid(*(torch.cat([like(level[:1], len(sar)), level[1:]]) for level in levels))
