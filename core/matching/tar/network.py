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
from .msfl import Encoder, Pyramid, normalise
from .tafe import Attended, TextEnhancement, TextFeatures


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
    """See the module. `sharpness` is the factor on fine correlations before their softmax (its logarithm)."""

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

    def encode(
        self, optical: Tensor, optical_valid: Tensor, sar: Tensor, sar_valid: Tensor, text: TextFeatures | None
    ) -> Encoded:
        """Images and validity, each (B, 1, H, W) with sides that are multiples of 16; grey values 0…255.

        text: None leaves TAFE out (for ablation, or where the network has none).
        """
        pyramid = self.encoder(normalise(optical, optical_valid), normalise(sar, sar_valid))
        high, attended = pyramid.sixteenth, None
        if self.text is not None and text is not None:
            attended = self.text(high, text)
            high = attended.enhanced
        coarse = self.coarse_head(self.attention(high), pyramid.eighth)
        valid = torch.cat([optical_valid, sar_valid])
        values = torch.cat([optical, sar])
        return Encoded(coarse, functional.avg_pool2d(valid, COARSE_CELL), pyramid, valid, values, attended)

    def fine(self, encoded: Encoded, structure: float = 0.0) -> tuple[Tensor, Tensor]:
        """Features to localise with (2B, channels, H / 2, W / 2), zero where invalid; mask (2B, H / 2, W / 2).

        structure: share of the energy that edge maps as `structural` uses them get beside the learned features.
        """
        features = self.fine_head(encoded.coarse, encoded.pyramid.quarter, encoded.pyramid.half).float()
        mask = (functional.avg_pool2d(encoded.valid, FINE_CELL) > 0.99).float()
        learned = _levelled(features * mask, mask)
        if structure == 0:
            return learned, mask[:, 0]
        edges, _ = structure_maps(encoded.values.float(), encoded.valid.float())
        edges = _levelled(functional.avg_pool2d(edges, FINE_CELL) * mask, mask)
        return torch.cat([learned * (1 - structure) ** 0.5, edges * structure**0.5], dim=1), mask[:, 0]


def _levelled(features: Tensor, mask: Tensor) -> Tensor:
    """Brought to a mean energy of 1 over the valid pixels of each image."""
    energy = features.square().sum((1, 2, 3), keepdim=True) / mask.sum((1, 2, 3), keepdim=True).clamp_min(1.0)
    return features / torch.sqrt(energy + 1e-6)
