"""Attention within and between the two images, on the 1/16 features (part of CFDM).

After LoFTR (J. Sun et al., CVPR 2021): what a place looks like is told with a view to the rest of its own image
and to the other image. Plain attention: a 512² tile has only 1,024 positions at 1/16. Unlike LoFTR without a code
of positions: with one, the network learned where places may lie instead of what they look like.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .config import TarConfig


class _Layer(nn.Module):
    """One attention layer with a feed-forward part; the same weights serve both images."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.feed = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.scale = nn.Parameter(torch.full((2, width), 0.1))

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        """x: (B, N, W) asks source: (B, N, W)."""
        q = self._split(self.query(self.norm(x)))
        k, v = (self._split(part) for part in self.key_value(self.norm(source)).chunk(2, dim=-1))
        answer = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.scale[0] * self.out(answer)
        result: Tensor = x + self.scale[1] * self.feed(x)
        return result

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class PairAttention(nn.Module):
    """Rounds of self-attention and cross-attention."""

    def __init__(self, config: TarConfig) -> None:
        super().__init__()
        width = config.widths[2]
        self.layers = nn.ModuleList([_Layer(width, config.heads) for _ in range(2 * config.rounds)])

    def forward(self, features: Tensor) -> Tensor:
        """features: (2B, W, rows, columns), optical images first, then the SAR images in the same order."""
        rows, columns = features.shape[-2:]
        x = features.flatten(2).transpose(1, 2)
        for number, layer in enumerate(self.layers):
            source = x if number % 2 == 0 else x.roll(len(x) // 2, dims=0)
            x = layer(x, source)
        return x.transpose(1, 2).reshape(len(x), -1, rows, columns)
