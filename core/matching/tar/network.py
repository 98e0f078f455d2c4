"""The whole TAR network: MSFL → TAFE → attention between the images → features for CFDM."""

from __future__ import annotations

from typing import NamedTuple, Optional

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ..structural.maps import structure_maps
from .attention import PairAttention
from .cfdm import COARSE_CELL, FINE_CELL, CoarseHead, CoarseMatcher, FineHead
from .config import TarConfig
from .msfl import Encoder, Pyramid, like, normalise
from .tafe import Attended, TextEnhancement, TextFeatures

EDGE_MAPS = 3
"""Channels of the edge maps beside the learned fine features."""


class Encoded(NamedTuple):
    """Features of B pairs after all attention.

    coarse: (2B, coarse, rows / 8, columns / 8), optical first; mask: (2B, 1, …) share of valid pixels there;
    pyramid: what MSFL saw, for the fine features; text: what TAFE attended to, None without text.
    """

    coarse: Tensor
    mask: Tensor
    pyramid: Pyramid
    valid: Tensor
    values: Tensor
    text: Optional[Attended]

    def pairs(self, which: slice) -> Encoded:
        """Some of the pairs."""
        count = len(self.coarse) // 2

        def both(x: Tensor) -> Tensor:
            return torch.cat([x[:count][which], x[count:][which]])

        pyramid = Pyramid(*(both(level) for level in self.pyramid))
        return Encoded(both(self.coarse), both(self.mask), pyramid, both(self.valid), both(self.values), None)


class TarNetwork(nn.Module):
    """See the module.

    sharpness: logarithm of the factor on fine correlations before their softmax. edges: what the fine features and
    edge maps share the energy by, before the sigmoid.
    """

    def __init__(self, config: TarConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.text = TextEnhancement(config) if config.text else None
        self.attention = PairAttention(config)
        self.coarse_head = CoarseHead(config)
        self.fine_head = FineHead(config)
        self.coarse_matcher = CoarseMatcher(config)
        self.sharpness = nn.Parameter(torch.tensor(2.5))
        self.edges = nn.Parameter(torch.tensor(0.0))

    def encode(
        self, optical: Tensor, optical_valid: Tensor, sar: Tensor, sar_valid: Tensor, text: TextFeatures | None
    ) -> Encoded:
        """Images and validity, each (B, 1, H, W) with sides that are multiples of 16; grey values 0…255.

        A single optical image (1, 1, H, W) stands for B. text: None leaves TAFE out (for ablation, or where the
        network has none).
        """
        pyramid = self.encoder(normalise(optical, optical_valid), normalise(sar, sar_valid))
        high, attended = pyramid.sixteenth, None
        if self.text is not None and text is not None:
            attended = self.text(high, text)
            high = attended.enhanced
        said = None if attended is None else attended.said
        coarse = self.coarse_head(self.attention(high), pyramid.eighth, said)
        valid = torch.cat([like(optical_valid, len(sar)), sar_valid])
        values = torch.cat([like(optical, len(sar)), sar])
        return Encoded(coarse, functional.avg_pool2d(valid, COARSE_CELL), pyramid, valid, values, attended)

    def fine(self, encoded: Encoded, edges_share: float | None = None) -> tuple[Tensor, Tensor]:
        """Features to localise with (2B, channels, H / 2, W / 2), zero where invalid; mask (2B, H / 2, W / 2).

        Beside the learned features lie the edge maps that `structural` uses: they were trained to say what edges
        do not. edges_share: of the energy, 0…1; None = what the network learned.
        """
        features = self.fine_head(encoded.coarse, encoded.pyramid.quarter, encoded.pyramid.half).float()
        mask = (functional.avg_pool2d(encoded.valid, FINE_CELL) > 0.99).float()
        edges, _ = structure_maps(encoded.values.float(), encoded.valid.float())
        edges = functional.avg_pool2d(edges, FINE_CELL)
        share = torch.sigmoid(self.edges) if edges_share is None else self.edges.new_tensor(edges_share)
        learned, drawn = _levelled(features * mask, mask), _levelled(edges * mask, mask)
        return torch.cat([learned * torch.sqrt(1 - share), drawn * torch.sqrt(share)], dim=1), mask[:, 0]


def _levelled(features: Tensor, mask: Tensor) -> Tensor:
    """Brought to a mean energy of 1 over the valid pixels of each image."""
    energy = features.square().sum((1, 2, 3), keepdim=True) / mask.sum((1, 2, 3), keepdim=True).clamp_min(1.0)
    return features / torch.sqrt(energy + 1e-6)
