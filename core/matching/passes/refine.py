"""The fine matching: windows of 1/2 features correlated over small shifts, densely, with sub-pixel and spread."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from ..correlate import find_peaks
from .vote import log_support

MIN_SHARE = 0.35
"""Least share of a window that must be valid in both images."""
STRETCH = 32
"""Columns multiplied at once."""


@dataclass(frozen=True)
class Refined:
    """What the refinement found at (B, rows, columns) places.

        shift: (B, rows, columns, 2) in fine cells; value: correlation at the peak, -1…1; margin: its lead over the
    second peak; spread: predicted deviation in fine cells, from the softmax over all shifts; usable: the peak is
    no border of the search and its window is valid enough; covered: the place itself is; logs: (B, rows, columns,
    side, side) support of every shift, see `vote`.
    """

    shift: Tensor
    value: Tensor
    margin: Tensor
    spread: Tensor
    usable: Tensor
    covered: Tensor
    logs: Tensor


def correlation_volume(
    fixed: Tensor, fixed_mask: Tensor, moved: Tensor, moved_mask: Tensor, half: int, radius: int, stride: int
) -> tuple[Tensor, Tensor]:
    """Normalised correlation of the window around every `stride`-th cell with the other map, at all shifts.

    fixed, moved: (B, C, H, W), zero where invalid; masks: (B, H, W), 0 or 1. A window spans 2 half + 1 cells and
    is centred on cell stride / 2, then every stride. Returns correlation and valid share, each
    (B, (2 radius + 1)², rows, columns), row by row of shifts (dy, dx).

    The same figures as `correlate` gives for single windows, at the price of one product of the maps per shift:
    the sum over a window is a box filter.
    """
    side = 2 * radius + 1
    rows, columns = fixed.shape[-2:]
    other_mask = functional.pad(moved_mask, (radius,) * 4)
    other_energy = functional.pad(moved.square().sum(1), (radius,) * 4)
    energy = fixed.square().sum(1)
    bands = _Bands(fixed, moved, radius)
    area = float((2 * half + 1) ** 2)
    surfaces, shares = [], []
    for dy in range(side):
        mask = other_mask[:, dy : dy + rows].unfold(2, columns, 1).transpose(1, 2)
        strength = other_energy[:, dy : dy + rows].unfold(2, columns, 1).transpose(1, 2)
        own = fixed_mask[:, None]
        layers = torch.stack([bands.products(dy), energy[:, None] * mask, own * strength, own * mask])
        product, first, second, share = _box_sums(layers, half, stride)
        surfaces.append(product / torch.sqrt(first.clamp_min(0) * second.clamp_min(0) + (1e-4 * area) ** 2))
        shares.append(share / area)
    return torch.cat(surfaces, dim=1), torch.cat(shares, dim=1)


class _Bands:
    """Products of every cell with the cells of the other map up to `radius` columns away, row shift by row shift.

    Each stretch of a row is multiplied with the stretch around it as matrices, and the band along the diagonal is
    taken: more multiplications than needed, but many times faster than sums over the channels of shifted maps.
    """

    def __init__(self, fixed: Tensor, moved: Tensor, radius: int) -> None:
        count, channels, self.rows, self.columns = fixed.shape
        self.radius, self.count = radius, count
        self.stretches = -(-self.columns // STRETCH)
        extra = self.stretches * STRETCH - self.columns
        left = functional.pad(fixed, (0, extra)).permute(0, 2, 3, 1)
        right = functional.pad(moved, (radius, radius + extra, radius, radius)).permute(0, 2, 1, 3)
        self.left = left.reshape(count, self.rows, self.stretches, STRETCH, channels)
        self.right = right.unfold(3, STRETCH + 2 * radius, STRETCH).transpose(2, 3)

    def products(self, dy: int) -> Tensor:
        """(B, 2 radius + 1, rows, columns) for the shifts (dx, dy - radius)."""
        right = self.right[:, dy : dy + self.rows]
        whole = (self.left @ right).contiguous()
        width, side = STRETCH + 2 * self.radius, 2 * self.radius + 1
        blocks = self.count * self.rows * self.stretches
        band = whole.as_strided((blocks, STRETCH, side), (STRETCH * width, width + 1, 1))
        band = band.reshape(self.count, self.rows, self.stretches * STRETCH, side)
        return band[:, :, : self.columns].permute(0, 3, 1, 2)


def _box_sums(layers: Tensor, half: int, stride: int) -> Tensor:
    """Sums over (2 half + 1)² around every stride-th cell of the last two axes; zero beyond the border."""
    for axis in (-2, -1):  # rows first: what is left for the slower columns is smaller by the stride
        size = layers.shape[axis]
        centres = torch.arange(stride // 2, size, stride, device=layers.device)
        total = functional.pad(layers.cumsum(axis), (1, 0) if axis == -1 else (0, 0, 1, 0))
        upper, lower = (centres + half + 1).clamp_max(size), (centres - half).clamp_min(0)
        layers = total.index_select(axis, upper) - total.index_select(axis, lower)
    return layers


def refine(volume: Tensor, share: Tensor, sharpness: Tensor) -> Refined:
    """Peaks of a correlation volume (B, shifts, rows, columns). sharpness: factor before the softmax."""
    count, shifts, rows, columns = volume.shape
    side = round(shifts**0.5)
    flat = volume.permute(0, 2, 3, 1).reshape(-1, shifts)
    valid = share.permute(0, 2, 3, 1).reshape(-1, shifts)
    surface = torch.where(valid > MIN_SHARE, flat, torch.full_like(flat, -1.0))
    peaks = find_peaks(surface.view(-1, side, side))
    probability = torch.softmax(surface * sharpness, dim=1)
    axis = torch.arange(side, device=volume.device, dtype=volume.dtype) - side // 2
    dy, dx = axis.repeat_interleave(side), axis.repeat(side)
    away = torch.stack([dx[None] - peaks.shift[:, :1], dy[None] - peaks.shift[:, 1:]], dim=-1)
    square = away.square().sum(-1)
    spread = torch.sqrt((probability * square).sum(1))
    at = surface.argmax(1)
    usable = peaks.inside & (valid.gather(1, at[:, None])[:, 0] > MIN_SHARE)

    covered = valid[:, shifts // 2] > MIN_SHARE

    def shaped(x: Tensor) -> Tensor:
        return x.view(count, rows, columns, *x.shape[1:])

    return Refined(
        shaped(peaks.shift),
        shaped(peaks.value),
        shaped(peaks.value - peaks.second),
        shaped(spread),
        shaped(usable),
        shaped(covered),
        shaped(log_support(probability.view(-1, side, side))),
    )
