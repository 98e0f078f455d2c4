"""Fine features: what a network has learned at 1/2, beside the edge maps that `structural` uses.

Training then teaches what edges do not say. Both saturate: a bright building must count no more than the border of
a field. (Our own.)
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ..structural.maps import structure_maps
from .network import FINE_CELL, Images, TilePairs, like, once

EDGE_MAPS = 3
"""Channels of the edge maps beside the learned features."""
EDGES = 0.75
"""Their share of the energy where nothing else is asked for."""
SATURATION = 0.5
"""Features saturate where their energy is above so many times the image's mean."""


class EdgeWeigher(nn.Conv2d):
    """How much edges count at each place (B, 1, H, W), 0…2, from features; at first all alike.

    For training only: features that learn beside weighed edges learn what edges leave to be seen. Matching takes
    all edges alike, for weights learned on images of one satellite mislead on those of others.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width, 1, 1)
        for part in self.parameters():
            nn.init.zeros_(part)

    def forward(self, features: Tensor) -> Tensor:
        return 2 * torch.sigmoid(super().forward(features).float())


def with_edges(
    learned: Tensor, pairs: TilePairs, share: float = EDGES, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Features (2B, channels + 3, H / 2, W / 2), optical first, zero where invalid; mask (2B, H / 2, W / 2).

    learned: (2B, channels, H / 2, W / 2), or (1 + B, …) where a single optical tile stands for B. share: of the
    edge maps in the energy, 0…1. weight: (as `learned`, but 1 channel) how much edges count at each place, None =
    alike.
    """
    seen, optical, sar = learned.float(), pairs.optical, pairs.sar
    valid = torch.cat([optical.valid, sar.valid]).float()
    mask = (functional.avg_pool2d(valid, FINE_CELL) > 0.99).float()
    edges = torch.cat([once(pairs.kept, "edges", lambda: _edges(optical)), _edges(sar)]) * mask
    if weight is not None:
        edges = edges * weight.float()
    own = _levelled(_saturated(seen, mask), mask) * (1 - share) ** 0.5
    maps = torch.cat([own, _levelled(edges, mask) * share**0.5], dim=1)
    if len(optical.values) == len(pairs):
        return maps, mask[:, 0]
    both = [torch.cat([like(layer[:1], len(pairs)), layer[1:]]) for layer in (maps, mask)]
    return both[0], both[1][:, 0]


def _edges(images: Images) -> Tensor:
    maps, _ = structure_maps(images.values.float(), images.valid.float())
    return functional.avg_pool2d(maps, FINE_CELL)


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
