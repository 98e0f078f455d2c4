"""Dual-softmax over the cells of two images: how probable each correspondence is."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

MOST_SHARP = 60.0
"""Largest factor on similarities before a softmax."""


class DualSoftmax(nn.Module):
    """Probabilities that cells of two images belong together, from windows of their features.

    window: taps per side (odd) and gap in cells between them of the neighbourhood that a descriptor holds.
    """

    def __init__(self, window: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.taps, self.gap = window
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
        logits = (self.sharpness.exp().clamp_max(MOST_SHARP) * first) @ second.transpose(1, 2)
        cover = (optical_mask.flatten(2).transpose(1, 2) > 0.5) & (sar_mask.flatten(2) > 0.5)
        if allowed is not None:
            cover = cover & allowed.to(cover.device)
        logits.masked_fill_(~cover, -1e4)
        return logits.log_softmax(dim=2), logits.log_softmax(dim=1)
