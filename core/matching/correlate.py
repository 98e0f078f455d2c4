"""Masked normalised cross-correlation by FFT, and its peaks.

Masked correlation after D. Padfield, "Masked object registration in the Fourier domain", IEEE TIP 2012; the maps
that Sarto correlates have zero mean by construction, so that only the energies under the masks are needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import torch

PEAK_RADIUS = 3
"""Pixels around a peak that belong to it when a second peak is looked for: the width of the map's own blur."""


def correlate(
    template: torch.Tensor,
    template_mask: torch.Tensor,
    search: torch.Tensor,
    search_mask: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Correlation of templates with larger search maps, at every position that holds the template.

    template: (B or 1, C, h, w); template_mask: (B or 1, h, w), 0…1; both already masked.
    search: (B, C, h + 2r, w + 2r); search_mask: (B, h + 2r, w + 2r).
    Returns the correlation, -1…1, and the share of the template under both masks, 0…1, each
    (B, 2r + 1, 2r + 1); index (r + dy, r + dx) is the shift (dx, dy).
    """
    height, width = search.shape[-2] - template.shape[-2] + 1, search.shape[-1] - template.shape[-1] + 1
    size = tuple(cv2.getOptimalDFTSize(int(n)) for n in search.shape[-2:])
    ft = torch.fft.rfft2(template, s=size).conj()
    fs = torch.fft.rfft2(search, s=size)
    fm = torch.fft.rfft2(template_mask, s=size).conj()
    gm = torch.fft.rfft2(search_mask, s=size)
    energy_t = torch.fft.rfft2((template * template).sum(1), s=size).conj()
    energy_s = torch.fft.rfft2((search * search).sum(1), s=size)

    def back(spectrum: torch.Tensor) -> torch.Tensor:
        surface: torch.Tensor = torch.fft.irfft2(spectrum, s=size)
        return surface[..., :height, :width]

    numerator = back((ft * fs).sum(1))
    product = back(energy_t * gm).clamp_min(0) * back(fm * energy_s).clamp_min(0)
    area = float(template.shape[-2] * template.shape[-1])
    share = (back(fm * gm) / area).clamp(0, 1)
    return numerator / torch.sqrt(product + (1e-4 * area) ** 2), share


@dataclass(frozen=True)
class Peaks:
    """Highest points of B correlation surfaces.

    shift: (B, 2) sub-pixel shift (dx, dy); value: (B,); second: (B,) the highest value outside the peak's own
    surroundings; inside: (B,) whether the peak is a true maximum, not on the border of the search.
    """

    shift: torch.Tensor
    value: torch.Tensor
    second: torch.Tensor
    inside: torch.Tensor


def find_peaks(surface: torch.Tensor) -> Peaks:
    """Peaks of correlation surfaces (B, 2r + 1, 2r + 1), refined by a parabola per axis."""
    count, rows, columns = surface.shape
    value, flat = surface.flatten(1).max(dim=1)
    row, column = flat // columns, flat % columns
    y, x = row.clamp(1, rows - 2), column.clamp(1, columns - 2)
    each = torch.arange(count, device=surface.device)

    def vertex(before: torch.Tensor, at: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        curvature = before - 2 * at + after
        offset = 0.5 * (before - after) / curvature.clamp_max(-1e-9)
        return torch.where(curvature < -1e-9, offset.clamp(-0.6, 0.6), torch.zeros_like(offset))

    at = surface[each, y, x]
    dx = vertex(surface[each, y, x - 1], at, surface[each, y, x + 1])
    dy = vertex(surface[each, y - 1, x], at, surface[each, y + 1, x])
    shift = torch.stack([x - (columns - 1) / 2 + dx, y - (rows - 1) / 2 + dy], dim=1)
    inside = (row > 0) & (row < rows - 1) & (column > 0) & (column < columns - 1)
    far_y = (torch.arange(rows, device=surface.device)[None] - row[:, None]).abs() > PEAK_RADIUS
    far_x = (torch.arange(columns, device=surface.device)[None] - column[:, None]).abs() > PEAK_RADIUS
    far = far_y[:, :, None] | far_x[:, None, :]
    second = torch.where(far, surface, torch.full_like(surface, -1.0)).flatten(1).max(dim=1).values
    return Peaks(shift, value, second, inside)
