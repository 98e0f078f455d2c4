"""CFDM: coarse-to-fine dense matching.

The paper: dense coarse correspondences on the enhanced high-level features, each refined with the low-level
features. Our reading: a coarse descriptor is the window of enhanced 1/8 features around a cell (single vectors of
so different images are too weak, windows are not); dual-softmax over all pairs of cells gives the probability of
each correspondence (`passes.dual_softmax`). The refinement (`passes.refine`) correlates windows of 1/2 features
over small shifts; its softmax gives the sub-pixel position and its spread. Both are in `passes`, which other
methods use as well; here is what is TAR's own.
"""

from __future__ import annotations

import torch.nn.functional as functional
from torch import Tensor, nn

from .config import TarConfig


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
