"""MSFL's low-level branch: features at 1/2 that localise.

Beside the learned features lie the edge maps that `structural` uses, see `passes.fine`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..passes.blocks import Block
from ..passes.fine import EDGES, EdgeWeigher, with_edges
from ..passes.network import TilePairs, once
from .config import TarConfig
from .msfl import OpticalStem, down, normalise


class LocalEncoder(nn.Module):
    """Private stems to 1/2, then residual blocks with growing gaps that both modalities share."""

    def __init__(self, config: TarConfig) -> None:
        super().__init__()
        stem, width, out = config.local
        self.optical_stem = OpticalStem(stem)
        self.sar_stem = down(2, stem, 5, 1)
        self.trunk = nn.Sequential(
            nn.Conv2d(stem, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            *[Block(width, dilation) for dilation in config.dilations],
        )
        self.head = nn.Conv2d(width, out, 1)
        self.weigher = EdgeWeigher(width) if config.weighing else None

    def silence(self, first: int) -> None:
        """Let the residual blocks from number `first` on pass on what they are given, until they learn better."""
        for block in [layer for layer in self.trunk if isinstance(layer, Block)][first:]:
            block.silence()

    def forward(self, pairs: TilePairs, share: float = EDGES) -> tuple[Tensor, Tensor]:
        """Features (2B, channels + 3, H / 2, W / 2), optical first, zero where invalid; mask (2B, H / 2, W / 2).

        Tiles need only have even sides. share: of the edge maps in the energy, 0…1.
        """
        sar = self.sar_stem(normalise(*pairs.sar))
        if pairs.kept is not None:
            first = once(pairs.kept, "local", lambda: self._described(self.optical_stem(*pairs.optical)))
            return with_edges(torch.cat([first, self._described(sar)]), pairs, share)
        trunk = self.trunk(torch.cat([self.optical_stem(*pairs.optical), sar]))  # both share a batch's statistics
        weight = self.weigher(trunk) if self.weigher is not None and self.training else None
        return with_edges(self.head(trunk), pairs, share, weight)

    def _described(self, half: Tensor) -> Tensor:
        described: Tensor = self.head(self.trunk(half))
        return described.float()
