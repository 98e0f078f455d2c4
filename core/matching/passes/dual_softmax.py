"""Dual-softmax over the cells of two images: how probable each correspondence is."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

MOST_SHARP = 60.0
"""Largest factor on similarities before a softmax."""
EPSILON = 1e-6
"""Least energy of a window that its products are divided by."""


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

    def similarities(self, optical: Tensor, sar: Tensor) -> Tensor:
        """(N, M) cosines between the windows around all cells of features (coarse, rows, columns), 0 = invalid.

        A window of `taps`² cells is a long vector. Products of single cells are taken once, and those of windows
        summed from them: along the diagonals of the matrix of all cells against all.
        """
        rows, columns = optical.shape[-2:]
        reach = self.taps // 2 * self.gap
        wide = columns + 2 * reach  # with a margin, so that no window reaches around into the next row
        margins = (reach, reach, reach, reach + 1)
        first, second = (functional.pad(layer.float(), margins).flatten(1) for layer in (optical, sar))
        # In full precision: products of features may leave the range of half precision.
        with torch.autocast(first.device.type, enabled=False):
            products = first.T @ second
        energies = torch.stack([layer.square().sum(0) for layer in (first, second)])
        length = rows * wide
        windows, norms = products.new_zeros(length, length), energies.new_zeros(2, length)
        for k, share in enumerate((2 * self.weight).exp()):
            start = (k // self.taps * wide + k % self.taps) * self.gap
            span = slice(start, start + length)
            windows.addcmul_(products[span, span], share)
            norms.addcmul_(energies[:, span], share)
        inner = windows.view(rows, wide, rows, wide)[:, :columns, :, :columns].flatten(2).flatten(0, 1)
        one, other = norms.view(2, rows, wide)[..., :columns].flatten(1).clamp_min(EPSILON).rsqrt()
        cosines: Tensor = inner * one[:, None] * other
        return cosines

    def forward(
        self, optical: Tensor, sar: Tensor, optical_mask: Tensor, sar_mask: Tensor, allowed: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logarithms of the row and column softmax (B, N, M): sum them for the dual softmax.

        optical, sar: (B, coarse, rows, columns); masks: (B, 1, rows, columns). Invalid cells match nothing;
        allowed: (N, M) which pairs of cells may match at all.
        """
        pairs = zip(optical * optical_mask, sar * sar_mask)
        factor = self.sharpness.exp().clamp_max(MOST_SHARP)
        logits = torch.stack([factor * self.similarities(*pair) for pair in pairs])
        cover = (optical_mask.flatten(2).transpose(1, 2) > 0.5) & (sar_mask.flatten(2) > 0.5)
        if allowed is not None:
            cover = cover & allowed.to(cover.device)
        logits.masked_fill_(~cover, -1e4)
        return logits.log_softmax(dim=2), logits.log_softmax(dim=1)
