"""The losses of TAR's coarse features.

The paper trains coarse correspondences and their refinement; it does not print its losses. Our own reading, for
the coarse part: cross-entropy of the dual softmax (after LoFTR, J. Sun et al., CVPR 2021), and as a warm start of
the features, cross-entropy of the correlation of windows: single descriptors of images so different do not begin
to learn by themselves, windows do. A last, small loss ties the attention on text to what publishers say a chip
shows.

Positions are (x, y) in coarse cells, cell centres at integers; B pairs, N cells of a map.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

from ..matching.correlate import correlate
from ..matching.passes.network import COARSE_CELL, Encoded
from ..matching.tar.network import TarNetwork
from ..matching.tar.tafe import Attended
from .batches import CoarseBatch
from .window_losses import Loss, bilinear_cells, joint_loss, window_logs, window_loss

HALF, RADIUS = 4, 8
"""Half side of the windows, and how far they are looked for, cells."""
SPREAD, RIGHT = 0.5, 1.0
"""Cells: deviation of the Gaussian that is aimed at, and largest error of a place that counts as found."""
JOINT_WEIGHT, JOINT_REACH, JOINT_INDEPENDENT = 0.5, 2, 0.1
"""Of `joint_loss`: its share in the loss, cells, and the share of places that count as independent."""
REACH_SHARE = 20
"""Pixels of a window's side per cell of reach: a third of the side, and what rotation adds (`windows.POSE`)."""


def coarse_loss(network: TarNetwork, encoded: Encoded, batch: CoarseBatch) -> Loss:
    """Cross-entropy of both softmaxes against the four cells around the true position; and `joint_loss`."""
    optical, sar = encoded.coarse.chunk(2)
    masks = encoded.mask.chunk(2)
    shape = (sar.shape[-2], sar.shape[-1])
    reach = shape[-1] * COARSE_CELL // REACH_SHARE
    rows, columns = network.coarse_matcher(optical, sar, *masks, within(shape, reach))
    total, right, count = (rows.new_zeros(()) for _ in range(3))
    directions = ((rows, batch.forward, masks), (columns.transpose(1, 2), batch.backward, masks[::-1]))
    for logs, target, (here, there) in directions:
        index, share = bilinear_cells(target, shape)
        known = _known(target, share, index, here, there, reach)
        loss = torch.where(known, -(logs.gather(2, index) * share).sum(-1), 0.0) * batch.weight[:, None]
        total = total + loss.sum() / (known * batch.weight[:, None]).sum().clamp_min(1)
        best = logs.argmax(dim=2)
        found = torch.stack([best % shape[1], best // shape[1]], dim=-1)
        near = (found - target).abs().amax(-1) <= RIGHT
        right = right + (near & known).sum()
        count = count + known.sum()
        together = known & _clear(target, here.shape[-2:], reach)
        maps = logs.view(*logs.shape[:2], *shape)
        total = total + JOINT_WEIGHT * joint_loss(
            maps, target, together, batch.weight, JOINT_REACH, JOINT_INDEPENDENT
        )
    return Loss(total / 2, right / count.clamp_min(1))


def _clear(target: Tensor, shape: torch.Size, reach: int) -> Tensor:
    """(B, N) which true positions, moved by `JOINT_REACH`, stay inside the map and what is allowed."""
    at = torch.nan_to_num(target, nan=-1.0)
    size = at.new_tensor([shape[1], shape[0]])
    inside = ((at >= JOINT_REACH + 1) & (at <= size - JOINT_REACH - 3)).all(-1)
    near = (at - _own_cells((shape[0], shape[1]), at)).abs().amax(-1) <= reach - JOINT_REACH - 1
    return inside & near


def _known(target: Tensor, share: Tensor, index: Tensor, here: Tensor, there: Tensor, reach: int) -> Tensor:
    """(B, N) which cells take part: valid here, truth known, well within reach, and valid where it lies.

    target: (B, N, 2); index, share: see `bilinear_cells`; here, there: (B, 1, rows, columns) masks.
    """
    shape = (there.shape[-2], there.shape[-1])
    known = (share.sum(-1) > 0.99) & (here.flatten(1) > 0.5)
    known &= (torch.nan_to_num(target) - _own_cells(shape, target)).abs().amax(-1) <= reach - 1
    valid = there.flatten(1)[:, None].expand(-1, index.shape[1], -1).gather(2, index) > 0.5
    return known & valid.all(-1)


def text_loss(attended: Attended, batch: CoarseBatch) -> Tensor:
    """How little of the text attention falls on what the pairs are known to show; 0 where nothing is known."""
    scenes = (attended.scenes * batch.scenes.repeat(2, 1)).sum(-1)
    covers = (attended.covers.mean((-2, -1)) * batch.covers.repeat(2, 1)).sum(-1)
    return -(scenes.clamp_min(1e-4).log().mean() + covers.clamp_min(1e-4).log().mean())


def _own_cells(shape: tuple[int, int], like: Tensor) -> Tensor:
    """(N, 2) column and row of each cell of a map of (rows, columns)."""
    y = torch.arange(shape[0]).repeat_interleave(shape[1])
    x = torch.arange(shape[1]).repeat(shape[0])
    return torch.stack([x, y], dim=-1).to(like)


def within(shape: tuple[int, int], reach: int) -> Tensor:
    """(N, N) which cells of two maps of (rows, columns) cells lie at most `reach` cells apart.

    The true place of a cell is drawn about evenly from these. Without this limit the network first learns where
    cells may lie at all, from the borders it sees, and stays there: position tells more than content at the start.
    """
    y = torch.arange(shape[0]).repeat_interleave(shape[1])
    x = torch.arange(shape[1]).repeat(shape[0])
    return ((y[:, None] - y).abs() <= reach) & ((x[:, None] - x).abs() <= reach)


def coarse_window_loss(
    network: TarNetwork, encoded: Encoded, batch: CoarseBatch, windows: int, random: torch.Generator
) -> Loss:
    """Correlation of `windows` windows per pair on the coarse features.

    Wide windows around random cells are looked for around, not at, their true place. random: on the CPU.
    """
    optical, sar = (encoded.coarse.float() * encoded.mask).chunk(2)
    masks = [(m[:, 0] > 0.5).float() for m in encoded.mask.chunk(2)]
    rows, width = optical.shape[-2:]
    cells = torch.randint(rows * width, (len(optical), windows), generator=random).to(optical.device)
    true = batch.forward.gather(1, cells[:, :, None].expand(-1, -1, 2))
    jitter = torch.randint(-RADIUS + 2, RADIUS - 1, true.shape, generator=random).to(true)
    start = (torch.nan_to_num(true).round() + jitter).clamp(0, width - 1)
    centres = (torch.stack([cells % width, cells // width], dim=-1), start.long())
    surface, share = correlate_windows((optical, masks[0]), (sar, masks[1]), centres, HALF, RADIUS)
    logs = window_logs(surface, share, network.coarse_matcher.sharpness)
    return window_loss(logs, share, true - start, batch.weight, SPREAD, RIGHT)


def correlate_windows(
    optical: tuple[Tensor, Tensor],
    sar: tuple[Tensor, Tensor],
    centres: tuple[Tensor, Tensor],
    half: int,
    radius: int,
) -> tuple[Tensor, Tensor]:
    """Correlate windows of (2 half + 1)² cells of the optical maps with the SAR maps, shifts up to `radius` cells.

    optical, sar: maps (B, C, rows, columns) and masks (B, rows, columns). centres: (B, K, 2) whole cells of the
    optical maps, and where to look for them in the SAR maps.
    Returns correlations and valid shares, (B, K, 2 radius + 1, 2 radius + 1) each.
    """
    here, there = centres
    surface, share = correlate(
        cut_windows(optical[0], here, half),
        cut_windows(optical[1][:, None], here, half)[:, 0],
        cut_windows(sar[0], there, half + radius),
        cut_windows(sar[1][:, None], there, half + radius)[:, 0],
    )
    return surface.view(*here.shape[:2], *surface.shape[1:]), share.view(*here.shape[:2], *share.shape[1:])


def cut_windows(maps: Tensor, centres: Tensor, half: int) -> Tensor:
    """Windows (B · K, C, side, side) of maps (B, C, rows, columns) around whole cells (B, K, 2), zero outside.

    One gather of all windows: slices would each cost a pass over the whole map on the way back.
    """
    count, channels = maps.shape[:2]
    padded = functional.pad(maps, (half,) * 4)
    offsets = torch.arange(2 * half + 1, device=maps.device)
    x, y = (centres[..., k, None] + offsets for k in (0, 1))
    cells = (y[..., :, None] * padded.shape[-1] + x[..., None, :]).flatten(1)
    taken = padded.flatten(2).gather(2, cells[:, None].expand(-1, channels, -1))
    side = len(offsets)
    return taken.view(count, channels, -1, side, side).transpose(1, 2).flatten(0, 1)
