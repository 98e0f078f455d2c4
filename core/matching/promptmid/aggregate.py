"""Feature aggregation: MSAA brings all scales together, CBAM keeps what tells.

MSAA, from the paper: one head per scale, brought to one size, summed with softmax-normalised learnable weights.
Our own reading: the one size is 1/4, since tie points are placed by low-level features afterwards. CBAM after Woo
et al. (2018): channel attention, then spatial attention. What is aggregated goes to a descriptor head.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ..passes.blocks import Block

SCALE = 4
"""Pixels per cell of the aggregate, and of descriptors."""
SQUEEZE = 4
"""Times fewer channels in the middle of CBAM's channel attention."""


class MultiScaleAggregation(nn.Module):
    """MSAA. channels: of the features by scale; plain: all scales count the same (for ablation)."""

    def __init__(self, channels: dict[int, int], width: int, plain: bool = False) -> None:
        super().__init__()
        self.scales = tuple(sorted(channels))
        self.heads = nn.ModuleDict({str(scale): _head(channels[scale], width) for scale in self.scales})
        self.weight = nn.Parameter(torch.zeros(len(self.scales)), requires_grad=not plain)

    def forward(self, features: dict[int, Tensor]) -> Tensor:
        """(B, width, H / 4, W / 4) from (B, channels, H / scale, W / scale) by scale."""
        shares = torch.softmax(self.weight, dim=0)
        total: Tensor | None = None
        for scale, share in zip(self.scales, shares):
            found = self.heads[str(scale)](features[scale])
            if scale > SCALE:
                found = functional.interpolate(
                    found, scale_factor=scale / SCALE, mode="bilinear", align_corners=False
                )
            elif scale < SCALE:
                found = functional.avg_pool2d(found, SCALE // scale)
            total = found * share if total is None else total + found * share
        assert total is not None
        return total * len(self.scales)


def _head(inside: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


class BlockAttention(nn.Module):
    """CBAM."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channel = nn.Sequential(
            nn.Linear(width, width // SQUEEZE), nn.ReLU(inplace=True), nn.Linear(width // SQUEEZE, width)
        )
        self.place = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """The features (B, width, rows, columns), weighted by channel, then by place."""
        shares = torch.sigmoid(self.channel(x.mean((-2, -1))) + self.channel(x.amax((-2, -1))))
        x = x * shares[:, :, None, None]
        told = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.place(told))


class DescriptorHead(nn.Module):
    """What is matched, from the aggregate: residual blocks with growing gaps, so that it sees the surroundings."""

    def __init__(self, width: int, length: int, gaps: Sequence[int] = (1, 2, 4)) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(width, gap) for gap in gaps])
        self.last = nn.Conv2d(width, length, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, length, rows, columns)."""
        for block in self.blocks:
            x = block(x)
        found: Tensor = self.last(x)
        return found


class Aggregation(nn.Module):
    """All of it for one modality: MSAA → CBAM → descriptor head; plain (for ablation) without CBAM."""

    def __init__(self, channels: dict[int, int], width: int, length: int, plain: bool = False) -> None:
        super().__init__()
        self.scales = MultiScaleAggregation(channels, width, plain)
        self.attention = nn.Identity() if plain else BlockAttention(width)
        self.head = DescriptorHead(width, length)

    def forward(self, features: dict[int, Tensor]) -> Tensor:
        """The aggregate (B, width, H / 4, W / 4), from which `head` makes what descriptors are read from."""
        merged: Tensor = self.attention(self.scales(features))
        return merged
