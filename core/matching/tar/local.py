"""MSFL's low-level branch: features at 1/2 that localise.

Beside the learned features lie the edge maps that `structural` uses, see `passes.fine`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..passes.blocks import Block
from ..passes.fine import EDGES, with_edges
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

    def forward(
        self, optical: Tensor, optical_valid: Tensor, sar: Tensor, sar_valid: Tensor, share: float = EDGES
    ) -> tuple[Tensor, Tensor]:
        """Features (2B, channels + 3, H / 2, W / 2), optical first, zero where invalid; mask (2B, H / 2, W / 2).

        Images and validity with even sides: optical (B, bands, H, W), the others (B, 1, H, W), values 0…255; a
        single optical one stands for B.
        share: of the edge maps in the energy, 0…1.
        """
        stems = [self.optical_stem(optical, optical_valid), self.sar_stem(normalise(sar, sar_valid))]
        seen = self.head(self.trunk(torch.cat(stems))).float()
        return with_edges(seen, (optical, optical_valid), (sar, sar_valid), share)
