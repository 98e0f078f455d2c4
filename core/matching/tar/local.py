"""MSFL's low-level branch: features at 1/2 that localise.

Beside the learned features lie the edge maps that `structural` uses, so that training teaches what edges do not
say. Both saturate: a bright building must count no more than the border of a field.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ..structural.maps import structure_maps
from .cfdm import FINE_CELL
from .config import TarConfig
from .msfl import Block, OpticalStem, down, like, normalise

EDGE_MAPS = 3
"""Channels of the edge maps beside the learned features."""
EDGES = 0.75
"""Their share of the energy where nothing else is asked for."""
SATURATION = 0.5
"""Features saturate where their energy is above so many times the image's mean."""


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
        valid = torch.cat([optical_valid, sar_valid]).float()
        mask = (functional.avg_pool2d(valid, FINE_CELL) > 0.99).float()
        pairs = ((optical, optical_valid), (sar, sar_valid))
        edges = torch.cat([structure_maps(values.float(), where.float())[0] for values, where in pairs])
        edges = functional.avg_pool2d(edges, FINE_CELL) * mask
        learned = _levelled(_saturated(seen, mask), mask) * (1 - share) ** 0.5
        maps = torch.cat([learned, _levelled(edges, mask) * share**0.5], dim=1)
        if len(optical) == len(sar):
            return maps, mask[:, 0]
        both = [torch.cat([like(layer[:1], len(sar)), layer[1:]]) for layer in (maps, mask)]
        return both[0], both[1][:, 0]


def _saturated(features: Tensor, mask: Tensor) -> Tensor:
    """With mean 0 per channel, and length below 1 at each place."""
    centred = _centred(features, mask)
    energy = centred.square().sum(1, keepdim=True)
    typical = energy.sum((2, 3), keepdim=True) / _area(mask)
    return _centred(centred / torch.sqrt(energy + SATURATION * typical + 1e-6), mask)


def _centred(features: Tensor, mask: Tensor) -> Tensor:
    return (features - (features * mask).sum((2, 3), keepdim=True) / _area(mask)) * mask


def _levelled(features: Tensor, mask: Tensor) -> Tensor:
    """Brought to a mean energy of 1 over the valid pixels of each image."""
    energy = features.square().sum((1, 2, 3), keepdim=True) / _area(mask)
    return features / torch.sqrt(energy + 1e-6)


def _area(mask: Tensor) -> Tensor:
    return mask.sum((2, 3), keepdim=True).clamp_min(1.0)
