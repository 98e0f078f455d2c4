"""The fine matching: windows of 1/2 features correlated over small shifts, densely, with sub-pixel and spread."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from ...contract import SILENT, Reporter
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
    fixed: Tensor,
    fixed_mask: Tensor,
    moved: Tensor,
    moved_mask: Tensor,
    half: int,
    radius: int,
    stride: int,
    reporter: Reporter = SILENT,
) -> tuple[Tensor, Tensor]:
    """Normalised correlation of the window around every `stride`-th cell with the other map, at all shifts.

    fixed, moved: (B, C, H, W), zero where invalid; masks: (B, H, W), 0 or 1. A window spans 2 half + 1 cells and
    is centred on cell stride / 2, then every stride. Returns correlation and valid share, each
    (B, (2 radius + 1)², rows, columns), row by row of shifts (dy, dx).

    The same figures as `correlate` gives for single windows, at the price of one product of the maps per shift:
    the sum over a window is a box filter.
    """
    side = 2 * radius + 1
    rows = fixed.shape[-2]
    sums = _BoxSums(fixed, half, stride)
    energy = fixed.square().sum(1)
    mask, strength = (functional.pad(x, (radius,) * 4) for x in (moved_mask, moved.square().sum(1)))
    own = None if bool((fixed_mask == 1).all()) else fixed_mask
    bands = _Bands(fixed, moved, radius)
    area = float((2 * half + 1) ** 2)
    surfaces, shares = [], []
    for dy in range(side):
        reporter.check()
        shown, strong = mask[:, dy : dy + rows], strength[:, dy : dy + rows]
        product = sums.of_columns(bands.of_rows(dy, sums))
        first = sums.of_products(energy, shown, side)
        second, share = sums.of_products(own, strong, side), sums.of_products(own, shown, side)
        surfaces.append(product / torch.sqrt(first.clamp_min(0) * second.clamp_min(0) + (1e-4 * area) ** 2))
        shares.append(share / area)
    return torch.cat(surfaces, dim=-1).permute(0, 3, 1, 2), torch.cat(shares, dim=-1).permute(0, 3, 1, 2)


class _BoxSums:
    """Sums over the windows around every `stride`-th cell, first along the columns, then along the rows.

    As products with matrices of 0 and 1: more additions than running sums need, but many times faster.
    """

    def __init__(self, like: Tensor, half: int, stride: int) -> None:
        def windows(size: int) -> Tensor:
            cells = torch.arange(size, device=like.device)
            away = cells[stride // 2 :: stride, None] - cells[None]
            return (away.abs() <= half).to(like)

        self.rows, self.columns = windows(like.shape[-2]), windows(like.shape[-1])

    def of_rows(self, layers: Tensor) -> Tensor:
        """(…, places, columns, shifts) from (…, rows, columns, shifts)."""
        found = self.rows @ layers.flatten(-2)
        return found.view(*found.shape[:-1], *layers.shape[-2:])

    def of_columns(self, layers: Tensor) -> Tensor:
        """(…, places, places, shifts) from (…, places, columns, shifts)."""
        return self.columns @ layers

    def of_products(self, own: Tensor | None, other: Tensor, shifts: int) -> Tensor:
        """(B, places, places, shifts) of `own` times `other` under shifts along the rows.

        own: (B, rows, columns), None = 1; other: (B, rows, columns + shifts - 1).
        """
        if own is None:
            return self.of_columns((self.rows @ other).unfold(-1, shifts, 1))
        return self.of_columns(self.of_rows(own[..., None] * other.unfold(-1, shifts, 1)))


class _Bands:
    """Products of every cell with the cells of the other map up to `radius` columns away, row shift by row shift.

    Each stretch of a row is multiplied with the stretch around it as matrices, and the band along the diagonal is
    taken: more multiplications than needed, but many times faster than sums over the channels of shifted maps.
    """

    def __init__(self, fixed: Tensor, moved: Tensor, radius: int) -> None:
        count, channels, self.rows, self.columns = fixed.shape
        self.radius = radius
        self.stretches = -(-self.columns // STRETCH)
        extra = self.stretches * STRETCH - self.columns
        left = functional.pad(fixed, (0, extra)).permute(0, 2, 3, 1)
        right = functional.pad(moved, (radius, radius + extra, radius, radius)).permute(0, 2, 1, 3)
        self.left = left.reshape(count, self.rows, self.stretches, STRETCH, channels)
        self.right = right.unfold(3, STRETCH + 2 * radius, STRETCH).transpose(2, 3)

    def of_rows(self, dy: int, sums: _BoxSums) -> Tensor:
        """(B, places, columns, 2 radius + 1): sums of the rows for the shifts (dx, dy - radius)."""
        whole = self.left @ self.right[:, dy : dy + self.rows]
        count, width, side = len(whole), STRETCH + 2 * self.radius, 2 * self.radius + 1
        whole = (sums.rows @ whole.flatten(2)).contiguous()
        blocks = count * whole.shape[1] * self.stretches
        band = whole.as_strided((blocks, STRETCH, side), (STRETCH * width, width + 1, 1))
        return band.reshape(count, -1, self.stretches * STRETCH, side)[:, :, : self.columns]


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
