"""CFDM: coarse-to-fine dense matching.

The paper: dense coarse correspondences on the enhanced high-level features, each refined with the low-level
features. Our reading: a coarse descriptor is the window of enhanced 1/8 features around a cell (single vectors of
so different images are too weak, windows are not); dual-softmax over all pairs of cells gives the probability of
each correspondence. The refinement (`refine`) correlates windows of 1/2 features over small shifts; its softmax
gives the sub-pixel position and its spread.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .config import TarConfig

COARSE_CELL = 8
FINE_CELL = 2
"""Pixels per cell of the coarse and of the fine features."""
MOST_SHARP = 60.0
"""Largest factor on similarities before a softmax."""


class CoarseHead(nn.Module):
    """1/8 features to match from the enhanced 1/16 ones, the 1/8 ones and what text says of each place."""

    def __init__(self, config: TarConfig) -> None:
        super().__init__()
        self.above = nn.Conv2d(config.widths[2], config.coarse, 1)
        self.beside = nn.Conv2d(config.widths[1], config.coarse, 1)
        self.said: nn.Conv2d | None = None
        if config.text:
            self.said = nn.Conv2d(config.widths[2], config.coarse, 1, bias=False)
            nn.init.zeros_(self.said.weight)
        self.smooth = _smooth(config.coarse)

    def forward(self, sixteenth: Tensor, eighth: Tensor, said: Tensor | None) -> Tensor:
        """(B, coarse, rows / 8, columns / 8). said: what text answered at 1/16, or None."""
        high = self.above(sixteenth)
        if self.said is not None and said is not None:
            high = high + self.said(said)
        smoothed: Tensor = self.smooth(_doubled(high) + self.beside(eighth))
        return smoothed


def _smooth(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
    )


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class CoarseMatcher(nn.Module):
    """Dual-softmax over windows of coarse features."""

    def __init__(self, config: TarConfig) -> None:
        super().__init__()
        self.taps, self.gap = config.window
        reach = (torch.arange(self.taps) - self.taps // 2) * self.gap
        distance = (reach[:, None] ** 2 + reach[None] ** 2).float()
        self.weight = nn.Parameter(-distance.flatten() / 16)
        self.sharpness = nn.Parameter(torch.tensor(2.5))

    def descriptors(self, features: Tensor, mask: Tensor) -> Tensor:
        """Unit descriptors (B, N, taps² · coarse) of all cells; mask: (B, 1, rows, columns), 0…1."""
        reach = self.taps // 2 * self.gap
        patches = functional.unfold((features * mask).float(), self.taps, self.gap, reach)
        weight = self.weight.exp().repeat(features.shape[1])[None, :, None]
        return functional.normalize(patches * weight, dim=1, eps=1e-3).transpose(1, 2)

    def forward(
        self, optical: Tensor, sar: Tensor, optical_mask: Tensor, sar_mask: Tensor, allowed: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logarithms of the row and column softmax (B, N, M): sum them for the dual softmax.

        optical, sar: (B, coarse, rows, columns); masks: (B, 1, rows, columns). Invalid cells match nothing;
        allowed: (N, M) which pairs of cells may match at all.
        """
        first, second = self.descriptors(optical, optical_mask), self.descriptors(sar, sar_mask)
        logits = self.sharpness.exp().clamp_max(MOST_SHARP) * (first @ second.transpose(1, 2))
        cover = (optical_mask.flatten(2).transpose(1, 2) > 0.5) & (sar_mask.flatten(2) > 0.5)
        if allowed is not None:
            cover = cover & allowed.to(cover.device)
        logits = logits.masked_fill(~cover, -1e4)
        return logits.log_softmax(dim=2), logits.log_softmax(dim=1)
