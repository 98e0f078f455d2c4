"""The losses of TAR: coarse dual-softmax, fine window correlation."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor

from ..matching.correlate import correlate
from ..matching.tar.cfdm import MOST_SHARP
from ..matching.tar.network import Encoded, TarNetwork
from .batches import Batch

COARSE_HALF, COARSE_RADIUS = 4, 8
REACH = 8
"""Cells: a third of a window, and what rotation adds (see `windows.POSE`)."""
COARSE_SPREAD = 0.5
MIN_SHARE = 0.35
FINE_SPREAD = 0.7
"""Fine cells: deviation of the Gaussian target; published alignments are good to about a pixel."""


class Loss(NamedTuple):
    """A loss to minimise and the share of places that were found right (top-1 within a cell or two)."""

    value: Tensor
    right: float
    count: int


def coarse_loss(network: TarNetwork, encoded: Encoded, batch: Batch) -> Loss:
    """Cross-entropy of both softmaxes against the cells around the true position, bilinear."""
    optical, sar = encoded.coarse.chunk(2)
    shape = (sar.shape[-2], sar.shape[-1])
    rows, columns = network.coarse_matcher(optical, sar, *encoded.mask.chunk(2), within(shape, REACH))
    total, right, count = rows.new_zeros(()), 0.0, 0
    for logs, target, mask in (
        (rows, batch.forward, encoded.mask.chunk(2)),
        (columns.transpose(1, 2), batch.backward, encoded.mask.chunk(2)[::-1]),
    ):
        index, share = bilinear_cells(target, shape)
        known = share.sum(-1) > 0.99
        known &= mask[0].flatten(1) > 0.5
        picked = logs.gather(2, index)
        known &= (torch.nan_to_num(target) - _own_cells(shape, target)).abs().amax(-1) <= REACH - 1
        there = mask[1].flatten(1)[:, None].expand(-1, index.shape[1], -1).gather(2, index) > 0.5
        known &= there.all(-1)
        loss = -(picked * share).sum(-1)
        loss = torch.where(known, loss, torch.zeros_like(loss)) * batch.weight[:, None]
        total = total + loss.sum() / (known * batch.weight[:, None]).sum().clamp_min(1)
        best = logs.argmax(dim=2)
        found = torch.stack([best % shape[1], best // shape[1]], dim=-1).float()
        near = (found - target).abs().amax(-1) <= 1.0
        right += float((near & known).sum())
        count += int(known.sum())
    return Loss(total / 2, right / max(count, 1), count)


def text_loss(encoded: Encoded, batch: Batch) -> Tensor:
    """How little of the text attention falls on what the pairs are known to show; 0 where nothing is known."""
    if encoded.text is None:
        return batch.weight.new_zeros(())
    scenes = (encoded.text.scenes * batch.scenes.repeat(2, 1)).sum(-1)
    covers = (encoded.text.covers.mean((-2, -1)) * batch.covers.repeat(2, 1)).sum(-1)
    return -(scenes.clamp_min(1e-4).log().mean() + covers.clamp_min(1e-4).log().mean())


def _own_cells(shape: tuple[int, int], like: Tensor) -> Tensor:
    """(N, 2) column and row of each cell."""
    y = torch.arange(shape[0]).repeat_interleave(shape[1])
    x = torch.arange(shape[1]).repeat(shape[0])
    return torch.stack([x, y], dim=-1).to(like)


def within(shape: tuple[int, int], reach: int) -> Tensor:
    """(N, N) which cells of two windows of (rows, columns) cells lie at most `reach` cells apart.

    The true place of a cell is drawn about evenly from these. Without this limit the network first learns where
    cells may lie at all, from the borders it sees, and stays there: position tells more than content at the start.
    """
    y = torch.arange(shape[0]).repeat_interleave(shape[1])
    x = torch.arange(shape[1]).repeat(shape[0])
    return ((y[:, None] - y).abs() <= reach) & ((x[:, None] - x).abs() <= reach)


def bilinear_cells(target: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The four cells around positions (B, N, 2): indices and shares (B, N, 4); shares 0 outside or at NaN."""
    rows, columns = shape
    known = torch.isfinite(target).all(-1)
    at = torch.nan_to_num(target)
    low = at.floor()
    part = at - low
    index, share = [], []
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = low[..., 0] + dx, low[..., 1] + dy
            inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows) & known
            weight = (part[..., 0] if dx else 1 - part[..., 0]) * (part[..., 1] if dy else 1 - part[..., 1])
            index.append((y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1)).long())
            share.append(weight * inside)
    return torch.stack(index, -1), torch.stack(share, -1)


def coarse_window_loss(network: TarNetwork, encoded: Encoded, batch: Batch, windows: int, rng: torch.Generator) -> Loss:
    """Window correlation on the coarse features, for the start: single descriptors do not learn by themselves.

    Wide windows around random cells are looked for around, not at, their true place.
    """
    features = encoded.coarse.float() * encoded.mask
    optical, sar = features.chunk(2)
    masks = [(m[:, 0] > 0.5).float() for m in encoded.mask.chunk(2)]
    width = optical.shape[-1]
    cells = torch.randint(optical.shape[-2] * width, (len(optical), windows), generator=rng).to(features.device)
    true = batch.forward.gather(1, cells[:, :, None].expand(-1, -1, 2))
    jitter = torch.randint(-COARSE_RADIUS + 2, COARSE_RADIUS - 1, true.shape, generator=rng).to(true)
    start = (torch.nan_to_num(true).round() + jitter).clamp(0, width - 1)
    centres = torch.stack([cells % width, cells // width], dim=-1)
    surface, share = correlate_windows(optical, masks[0], sar, masks[1], (centres, start.long()), COARSE_HALF, COARSE_RADIUS)
    sharpness = network.coarse_matcher.sharpness
    return _window_loss(surface, share, true - start, batch.weight, sharpness, COARSE_SPREAD, 1.0)


def fine_loss(network: TarNetwork, encoded: Encoded, batch: Batch, half: int, radius: int) -> Loss:
    """Window correlation on the fine features of the pairs near identity."""
    maps, mask = network.fine(encoded)
    optical, sar = maps.chunk(2)
    optical_mask, sar_mask = mask.chunk(2)
    centres, start, shift = (t[: len(optical)] for t in (batch.fine.long(), batch.start.long(), batch.shift))
    surface, share = correlate_windows(optical, optical_mask, sar, sar_mask, (centres, start), half, radius)
    weight = (batch.weight[: len(optical)] >= 0.5).float()
    return _window_loss(surface, share, shift, weight, network.sharpness, FINE_SPREAD, 1.5)


def _window_loss(
    surface: Tensor, share: Tensor, shift: Tensor, weight: Tensor, sharpness: Tensor, spread: float, right: float
) -> Loss:
    """Cross-entropy of the softmax over shifts against a narrow Gaussian at the true shift.

    surface, share: (B · K, side, side); shift: (B, K, 2) from the middle, NaN where unknown; weight: (B,);
    sharpness: logarithm of the factor before the softmax; right: largest error that counts as found, cells.
    """
    radius = surface.shape[-1] // 2
    logits = sharpness.exp().clamp_max(MOST_SHARP) * surface.masked_fill(share < MIN_SHARE, -1.0).flatten(1)
    flat = shift.reshape(-1, 2)
    known = torch.isfinite(flat).all(-1) & (flat.abs().amax(-1) <= radius - 1)
    flat = torch.nan_to_num(flat)
    axis = torch.arange(-radius, radius + 1, device=flat.device)
    gx = torch.exp(-((axis - flat[:, :1]) ** 2) / (2 * spread**2))
    gy = torch.exp(-((axis - flat[:, 1:]) ** 2) / (2 * spread**2))
    target = (gy[:, :, None] * gx[:, None, :]).flatten(1)
    target = target / target.sum(-1, keepdim=True).clamp_min(1e-9)
    at = (flat.round().long() + radius).clamp(0, 2 * radius)
    known &= share[torch.arange(len(flat), device=flat.device), at[:, 1], at[:, 0]] > MIN_SHARE
    weights = known * weight.repeat_interleave(shift.shape[1])
    loss = -(target * logits.log_softmax(-1)).sum(-1)
    best = logits.argmax(-1)
    found = torch.stack([best % len(axis), best // len(axis)], -1) - radius
    near = (found - flat).norm(dim=-1) <= right
    count = int(known.sum())
    return Loss((loss * weights).sum() / weights.sum().clamp_min(1), float((near & known).sum()) / max(count, 1), count)


def correlate_windows(
    optical: Tensor, optical_mask: Tensor, sar: Tensor, sar_mask: Tensor, centres: tuple[Tensor, Tensor], half: int, radius: int
) -> tuple[Tensor, Tensor]:
    """Correlate windows (2 half + 1)² of the optical maps with the SAR maps, shifts up to `radius` cells.

    centres: (B, K, 2) whole cells in the optical maps, and where to look for them in the SAR maps. Returns surfaces and valid shares (B · K, 2 radius + 1, 2 radius + 1).
    """
    wide = half + radius
    maps = [functional.pad(m, (wide,) * 4) for m in (optical, sar, optical_mask[:, None], sar_mask[:, None])]

    def cut(image: Tensor, places: Tensor, reach: int) -> Tensor:
        side = 2 * reach + 1
        return torch.stack(
            [
                image[b, :, y + wide - reach : y + wide - reach + side, x + wide - reach : x + wide - reach + side]
                for b, each in enumerate(places.tolist())
                for x, y in each
            ]
        )

    first, second = centres
    return correlate(
        cut(maps[0], first, half),
        cut(maps[2], first, half)[:, 0],
        cut(maps[1], second, wide),
        cut(maps[3], second, wide)[:, 0],
    )
