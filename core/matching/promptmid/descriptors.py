"""Descriptors of places, read from maps of features.

Our own reading: the descriptor of a place holds the features around it at a few taps, each weighted. Single
vectors of so different images are too weak: their loss hardly falls.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn


class DescriptorWindow(nn.Module):
    """Reads descriptors. window: taps per side (odd), and the gap in cells between them."""

    def __init__(self, window: tuple[int, int]) -> None:
        super().__init__()
        taps, gap = window
        axis = (torch.arange(taps) - taps // 2).float() * gap
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        self.offsets: Tensor
        self.register_buffer("offsets", torch.stack([x.flatten(), y.flatten()], dim=-1))
        self.weight = nn.Parameter(-(x.square() + y.square()).flatten() / (4.0 * gap**2))

    def forward(self, maps: Tensor, at: Tensor) -> Tensor:
        """Unit descriptors (B, N, taps² · C) at cell positions (B, N, 2) of maps (B, C, rows, columns)."""
        places = (at[:, :, None] + self.offsets).flatten(1, 2)
        read = sampled(maps, places).reshape(len(at), at.shape[1], len(self.offsets), -1)
        weighted = read * self.weight.exp()[:, None]
        return functional.normalize(weighted.flatten(2), dim=-1, eps=1e-3)


def sampled(maps: Tensor, at: Tensor) -> Tensor:
    """(B, N, C) values of maps (B, C, rows, columns) at cell positions (B, N, 2), bilinear; the border goes on."""
    size = maps.new_tensor([maps.shape[-1], maps.shape[-2]])
    grid = (2 * at.to(maps.dtype) + 1) / size - 1
    values = functional.grid_sample(
        maps, grid[:, None], mode="bilinear", padding_mode="border", align_corners=False
    )
    return values[:, :, 0].transpose(1, 2)
