"""The losses of TAR.

The paper trains coarse correspondences and their refinement; it does not print its losses. Our own reading:
cross-entropy of the dual softmax for the coarse matching (after LoFTR, J. Sun et al., CVPR 2021), and for the
refinement, and as a warm start of the coarse features, cross-entropy of the correlation of windows: single
descriptors of images so different do not begin to learn by themselves, windows do. On ground with little to see no
place knows for itself where it belongs, but all together may: coarse and fine probabilities are therefore also
judged by what they add up to (`joint_loss`), as matching adds them up. A last, small loss ties the attention on
text to what publishers say a chip shows.

Positions are (x, y) in cells of a feature map, cell centres at integers; B pairs, N cells of a map.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor

from ..matching.correlate import correlate
from ..matching.tar.cfdm import COARSE_CELL, MOST_SHARP
from ..matching.tar.network import Encoded, TarNetwork
from ..matching.tar.vote import log_support
from .batches import Batch

COARSE_HALF, COARSE_RADIUS = 4, 8
"""Half side of the windows of the coarse features, and how far they are looked for, cells."""
COARSE_SPREAD, FINE_SPREAD = 0.5, 0.7
"""Cells: deviation of the Gaussian target; published alignments are good to about a pixel."""
COARSE_RIGHT, FINE_RIGHT = 1.0, 1.5
"""Cells: largest error of a place that counts as found."""
MIN_SHARE = 0.35
"""Least valid share of a window."""
SUB_PIXEL_WEIGHT = 0.5
"""Pairs whose alignment is believed less take no part in the fine loss."""
JOINT_COARSE, JOINT_FINE = 2, 3
"""Cells by which all places together are moved away from the truth, to see that the truth is better supported."""
INDEPENDENT_FINE, INDEPENDENT_COARSE = 0.25, 0.1
"""Share of places that count as independent: windows overlap."""
JOINT_WEIGHT = 0.5
REACH_SHARE = 20
"""Pixels of a window's side per cell of reach: a third of the side, and what rotation adds (`windows.POSE`)."""


class Loss(NamedTuple):
    """value: the loss to minimise; right: share of the places that were found, 0…1.

    Both are scalars on the device, so that nothing waits for the GPU.
    """

    value: Tensor
    right: Tensor


def coarse_loss(network: TarNetwork, encoded: Encoded, batch: Batch) -> Loss:
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
        near = (found - target).abs().amax(-1) <= COARSE_RIGHT
        right = right + (near & known).sum()
        count = count + known.sum()
        together = known & _clear(target, here.shape[-2:], reach)
        maps = logs.view(*logs.shape[:2], *shape)
        total = total + JOINT_WEIGHT * joint_loss(
            maps, target, together, batch.weight, JOINT_COARSE, INDEPENDENT_COARSE
        )
    return Loss(total / 2, right / count.clamp_min(1))


def _clear(target: Tensor, shape: torch.Size, reach: int) -> Tensor:
    """(B, N) which true positions, moved by `JOINT_COARSE`, stay inside the map and what is allowed."""
    at = torch.nan_to_num(target, nan=-1.0)
    size = at.new_tensor([shape[1], shape[0]])
    inside = ((at >= JOINT_COARSE + 1) & (at <= size - JOINT_COARSE - 3)).all(-1)
    near = (at - _own_cells((shape[0], shape[1]), at)).abs().amax(-1) <= reach - JOINT_COARSE - 1
    return inside & near


def joint_loss(
    logs: Tensor, target: Tensor, known: Tensor, weight: Tensor, reach: int, independent: float
) -> Tensor:
    """How little all places of a pair together prefer the truth to a common move of up to `reach` cells from it.

    logs: (B, K, rows, columns) logarithms of each place's probabilities; target: (B, K, 2) its true position
    there, further than `reach` cells from the border; known: (B, K) which places take part; weight: (B,);
    independent: share of places that count as independent. The surer all places are of the truth, the less it
    costs: a cross-entropy against the Gaussian would hold sure answers down.
    """
    rows, columns = logs.shape[-2:]
    support = log_support(logs.flatten(0, 1).float().exp())
    at = torch.nan_to_num(target).flatten(0, 1).float()
    low = at.floor()
    axis = torch.arange(-reach, reach + 2, device=logs.device)
    x, y = ((low[:, k, None].long() + axis).clamp(0, n - 1) for k, n in ((0, columns), (1, rows)))
    cells = (y[:, :, None] * columns + x[:, None, :]).flatten(1)
    near = support.flatten(1).gather(1, cells).view(-1, len(axis), len(axis))
    u, v = ((at - low)[:, k, None, None] for k in (0, 1))
    across = near[:, :, :-1] * (1 - u) + near[:, :, 1:] * u
    found = across[:, :-1] * (1 - v) + across[:, 1:] * v
    each = found.flatten(1).view(*known.shape, -1) * known[..., None]
    together = (independent * each.sum(1)).log_softmax(-1)
    away = (axis[:-1, None].square() + axis[None, :-1].square()).flatten() / (2 * FINE_SPREAD**2)
    weights = weight * known.any(1)
    return -((together - away).logsumexp(-1) * weights).sum() / weights.sum().clamp_min(1)


def _known(target: Tensor, share: Tensor, index: Tensor, here: Tensor, there: Tensor, reach: int) -> Tensor:
    """(B, N) which cells take part: valid here, truth known, well within reach, and valid where it lies.

    target: (B, N, 2); index, share: see `bilinear_cells`; here, there: (B, 1, rows, columns) masks.
    """
    shape = (there.shape[-2], there.shape[-1])
    known = (share.sum(-1) > 0.99) & (here.flatten(1) > 0.5)
    known &= (torch.nan_to_num(target) - _own_cells(shape, target)).abs().amax(-1) <= reach - 1
    valid = there.flatten(1)[:, None].expand(-1, index.shape[1], -1).gather(2, index) > 0.5
    return known & valid.all(-1)


def text_loss(encoded: Encoded, batch: Batch) -> Tensor:
    """How little of the text attention falls on what the pairs are known to show; 0 where nothing is known."""
    if encoded.text is None:
        return batch.weight.new_zeros(())
    scenes = (encoded.text.scenes * batch.scenes.repeat(2, 1)).sum(-1)
    covers = (encoded.text.covers.mean((-2, -1)) * batch.covers.repeat(2, 1)).sum(-1)
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


def coarse_window_loss(
    network: TarNetwork, encoded: Encoded, batch: Batch, windows: int, random: torch.Generator
) -> Loss:
    """Correlation of `windows` windows per pair on the coarse features.

    Wide windows around random cells are looked for around, not at, their true place. random: on the CPU.
    """
    optical, sar = (encoded.coarse.float() * encoded.mask).chunk(2)
    masks = [(m[:, 0] > 0.5).float() for m in encoded.mask.chunk(2)]
    rows, width = optical.shape[-2:]
    cells = torch.randint(rows * width, (len(optical), windows), generator=random).to(optical.device)
    true = batch.forward.gather(1, cells[:, :, None].expand(-1, -1, 2))
    jitter = torch.randint(-COARSE_RADIUS + 2, COARSE_RADIUS - 1, true.shape, generator=random).to(true)
    start = (torch.nan_to_num(true).round() + jitter).clamp(0, width - 1)
    centres = (torch.stack([cells % width, cells // width], dim=-1), start.long())
    surfaces = correlate_windows((optical, masks[0]), (sar, masks[1]), centres, COARSE_HALF, COARSE_RADIUS)
    sharpness = network.coarse_matcher.sharpness
    return window_loss(surfaces, true - start, batch.weight, sharpness, COARSE_SPREAD, COARSE_RIGHT)


def fine_loss(network: TarNetwork, encoded: Encoded, batch: Batch, half: int, radius: int) -> Loss:
    """Correlation of windows on the fine features of the pairs that are encoded: the first ones of the batch.

    Each window by itself, and all windows of a pair together.
    """
    maps, mask = network.fine(encoded)
    optical, sar = zip(maps.chunk(2), mask.chunk(2))
    count = len(optical[0])
    centres = (batch.fine[:count].long(), batch.start[:count].long())
    surfaces = correlate_windows(optical, sar, centres, half, radius)
    weight = (batch.weight[:count] >= SUB_PIXEL_WEIGHT).float()
    shift = batch.shift[:count]
    each = window_loss(surfaces, shift, weight, network.sharpness, FINE_SPREAD, FINE_RIGHT)
    logs = window_logs(surfaces, network.sharpness).view(*shift.shape[:2], 2 * radius + 1, 2 * radius + 1)
    known = _seen(surfaces[1], shift.flatten(0, 1), radius - JOINT_FINE - 1).view(shift.shape[:2])
    together = joint_loss(logs, shift + radius, known, weight, JOINT_FINE, INDEPENDENT_FINE)
    return Loss(each.value + JOINT_WEIGHT * together, each.right)


def window_logs(surfaces: tuple[Tensor, Tensor], sharpness: Tensor) -> Tensor:
    """Logarithms of the softmax over shifts (N, side²); see `window_loss`."""
    surface, share = surfaces
    logits = sharpness.exp().clamp_max(MOST_SHARP) * surface.masked_fill(share < MIN_SHARE, -1.0).flatten(1)
    return logits.log_softmax(-1)


def window_loss(
    surfaces: tuple[Tensor, Tensor], shift: Tensor, weight: Tensor, sharpness: Tensor, spread: float, right: float
) -> Loss:
    """Cross-entropy of the softmax over shifts against a narrow Gaussian at the true shift.

    surfaces: correlation and valid share, (B · K, side, side) each; shift: (B, K, 2) from the middle, NaN where
    unknown; weight: (B,); sharpness: logarithm of the factor before the softmax; spread: of the Gaussian;
    right: largest error that counts as found. All in cells.
    """
    surface, share = surfaces
    radius = surface.shape[-1] // 2
    logs = window_logs(surfaces, sharpness)
    flat = shift.reshape(-1, 2)
    known = _seen(share, flat, radius - 1)
    flat = torch.nan_to_num(flat)
    weights = known * weight.repeat_interleave(shift.shape[1])
    loss = -(_gaussian(flat, radius, spread) * logs).sum(-1)
    best = logs.argmax(-1)
    side = 2 * radius + 1
    found = torch.stack([best % side, best // side], -1) - radius
    near = (found - flat).norm(dim=-1) <= right
    value = (loss * weights).sum() / weights.sum().clamp_min(1)
    return Loss(value, (near & known).sum() / known.sum().clamp_min(1))


def _seen(share: Tensor, shift: Tensor, reach: int) -> Tensor:
    """(N,) which windows have a known true shift (N, 2) of at most `reach` cells, and valid pixels there.

    share: valid share of every shift (N, side, side).
    """
    radius = share.shape[-1] // 2
    known = torch.isfinite(shift).all(-1) & (torch.nan_to_num(shift).abs().amax(-1) <= reach)
    at = (torch.nan_to_num(shift).round().long() + radius).clamp(0, 2 * radius)
    return known & (share[torch.arange(len(shift), device=shift.device), at[:, 1], at[:, 0]] > MIN_SHARE)


def _gaussian(centre: Tensor, radius: int, spread: float) -> Tensor:
    """(M, (2 radius + 1)²) Gaussians that add up to 1 around centres (M, 2), measured from the middle."""
    axis = torch.arange(-radius, radius + 1, device=centre.device)
    gx = torch.exp(-((axis - centre[:, :1]) ** 2) / (2 * spread**2))
    gy = torch.exp(-((axis - centre[:, 1:]) ** 2) / (2 * spread**2))
    target = (gy[:, :, None] * gx[:, None, :]).flatten(1)
    return target / target.sum(-1, keepdim=True).clamp_min(1e-9)


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
    Returns surfaces and valid shares, (B · K, 2 radius + 1, 2 radius + 1) each.
    """
    here, there = centres
    return correlate(
        cut_windows(optical[0], here, half),
        cut_windows(optical[1][:, None], here, half)[:, 0],
        cut_windows(sar[0], there, half + radius),
        cut_windows(sar[1][:, None], there, half + radius)[:, 0],
    )


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
