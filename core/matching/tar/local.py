"""MSFL's low-level branch: features at 1/2 that localise.

Beside the learned features lie the edge maps that `structural` uses, see `passes.fine`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..passes.blocks import Block
from ..passes.fine import EDGES, with_edges
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
        self.weigher = nn.Conv2d(width, 1, 1) if config.weighing else None
        if self.weigher is not None:  # at first all edges count alike
            for part in self.weigher.parameters():
                nn.init.zeros_(part)

    def silence(self, first: int) -> None:
        """Let the residual blocks from number `first` on pass on what they are given, until they learn better."""
        for block in [layer for layer in self.trunk if isinstance(layer, Block)][first:]:
            block.silence()

    def forward(self, pairs: TilePairs, share: float = EDGES) -> tuple[Tensor, Tensor]:
        """Features (2B, channels + 3, H / 2, W / 2), optical first, zero where invalid; mask (2B, H / 2, W / 2).

        Tiles need only have even sides. share: of the edge maps in the energy, 0…1.
        """
        second = self.sar_stem(normalise(*pairs.sar))
        if pairs.kept is None:  # training: both modalities share the statistics of a batch
            seen = self._described(torch.cat([self.optical_stem(*pairs.optical), second]))
        else:
            first = once(pairs.kept, "local", lambda: self._described(self.optical_stem(*pairs.optical)))
            seen = torch.cat([first, self._described(second)])
        if not self._weighs:
            return with_edges(seen, pairs, share)
        return with_edges(seen[:, :-1], pairs, share, 2 * torch.sigmoid(seen[:, -1:]))

    @property
    def _weighs(self) -> bool:
        """Whether edges are weighed: in training only, see `TarConfig`."""
        return self.weigher is not None and self.training

    def _described(self, half: Tensor) -> Tensor:
        """What is matched, and where edges are weighed their logits in one more channel."""
        trunk = self.trunk(half)
        described: Tensor = self.head(trunk)
        if self.weigher is not None and self._weighs:
            described = torch.cat([described, self.weigher(trunk)], dim=1)
        return described.float()
