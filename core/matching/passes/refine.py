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
STRETCH = 16
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
    side, rows = 2 * radius + 1, fixed.shape[-2]
    sums = _BoxSums(fixed, half, stride)
    bands = _Bands(fixed, moved, radius)
    energy = _rows_first(fixed.square().sum(1))
    own = None if bool((fixed_mask == 1).all()) else _rows_first(fixed_mask)
    mask, strength = (_rows_first(functional.pad(x, (radius,) * 4)) for x in (moved_mask, moved.square().sum(1)))
    area = float((2 * half + 1) ** 2)
    surfaces, shares = [], []
    for dy in range(side):
        reporter.check()
        shown, strong = mask[dy : dy + rows], strength[dy : dy + rows]
        product = sums.of(bands.of(dy))
        first = sums.of_products(energy, shown, side)
        second, share = sums.of_products(own, strong, side), sums.of_products(own, shown, side)
        surfaces.append(product / torch.sqrt(first.clamp_min(0) * second.clamp_min(0) + (1e-4 * area) ** 2))
        shares.append(share / area)
    return _by_shift(surfaces), _by_shift(shares)


def _rows_first(layers: Tensor) -> Tensor:
    """(rows, B, columns) from (B, rows, columns): shifts along the columns are slices in one piece then."""
    return layers.transpose(0, 1).contiguous()


def _by_shift(parts: list[Tensor]) -> Tensor:
    """(B, shifts, rows, columns) from (columns, rows, B, shifts along a row) of places for each row of shifts."""
    return torch.cat(parts, dim=-1).permute(2, 3, 1, 0)


class _BoxSums:
    """Sums over the windows around every `stride`-th cell.

    As products with matrices of 0 and 1: more additions than running sums need, but many times faster.
    """

    def __init__(self, like: Tensor, half: int, stride: int) -> None:
        def windows(size: int) -> Tensor:
            cells = torch.arange(size, device=like.device)
            away = cells[stride // 2 :: stride, None] - cells[None]
            return (away.abs() <= half).to(like)

        self.rows, self.columns = windows(like.shape[-2]), windows(like.shape[-1])

    def of(self, layers: Tensor) -> Tensor:
        """(places along columns, places along rows, B, shifts) from (rows, B, columns, shifts)."""
        return self._of_columns((self.rows @ layers.flatten(1)).view(-1, *layers.shape[1:]))

    def of_products(self, own: Tensor | None, other: Tensor, shifts: int) -> Tensor:
        """Likewise of `own` times `other` under shifts along the rows.

        own: (rows, B, columns), None = 1; other: (rows, B, columns + shifts - 1).
        """
        if own is not None:
            return self.of(own[..., None] * other.unfold(-1, shifts, 1))
        return self._of_columns((self.rows @ other.flatten(1)).view(-1, *other.shape[1:]).unfold(-1, shifts, 1))

    def _of_columns(self, rows: Tensor) -> Tensor:
        """As `of` from (places along rows, B, columns, shifts)."""
        columns = rows.permute(2, 0, 1, 3)
        return (self.columns @ columns.flatten(1)).view(-1, *columns.shape[1:])


class _Bands:
    """Products of every cell with the cells of the other map up to `radius` columns away, row shift by row shift.

    Each stretch of a row is multiplied with the stretch around it as matrices, and the band along the diagonal is
    taken: more multiplications than needed, but many times faster than sums over the channels of shifted maps.
    """

    def __init__(self, fixed: Tensor, moved: Tensor, radius: int) -> None:
        self.rows, self.columns = fixed.shape[-2:]
        self.radius = radius
        extra = -self.columns % STRETCH
        left = functional.pad(fixed, (0, extra)).permute(2, 0, 3, 1)
        right = functional.pad(moved, (radius, radius + extra, radius, radius)).permute(2, 0, 3, 1)
        self.left = left.reshape(*left.shape[:2], -1, STRETCH, left.shape[3]).contiguous()
        self.right = right.unfold(2, STRETCH + 2 * radius, STRETCH).transpose(3, 4).contiguous()

    def of(self, dy: int) -> Tensor:
        """(rows, B, columns, 2 radius + 1): products under the shifts (dx, dy - radius)."""
        whole = self.left @ self.right[dy : dy + self.rows].transpose(3, 4)
        width, side = whole.shape[-1], 2 * self.radius + 1
        band: Tensor = whole.as_strided((*whole.shape[:-1], side), (*whole.stride()[:-2], width + 1, 1))
        return band.flatten(2, 3)[:, :, : self.columns]


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
