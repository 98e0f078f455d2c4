"""What the losses of TAR share: places of one image that say where in the other they belong.

A place says so by the logarithms of its probabilities over cells or over shifts. It is judged by itself
(`window_loss`), and by what all places of a pair add up to (`joint_loss`): on ground with little to see no place
knows where it belongs, but all together may, and matching adds them up in the same way.

Positions are (x, y) in cells of a feature map, cell centres at integers; B pairs, K places of a pair.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..matching.passes.dual_softmax import MOST_SHARP
from ..matching.passes.refine import MIN_SHARE
from ..matching.passes.vote import log_support

JOINT_SPREAD = 0.7
"""Cells: deviation of the Gaussian around the truth that all places together are held to."""


class Loss(NamedTuple):
    """value: the loss to minimise; right: share of the places that were found, 0…1.

    Both are scalars on the device, so that nothing waits for the GPU.
    """

    value: Tensor
    right: Tensor


def window_logs(surface: Tensor, share: Tensor, sharpness: Tensor) -> Tensor:
    """Logarithms of the softmax over shifts, of correlations and valid shares, all three (…, side, side).

    sharpness: logarithm of the factor before the softmax.
    """
    logits = sharpness.exp().clamp_max(MOST_SHARP) * surface.masked_fill(share < MIN_SHARE, -1.0)
    return logits.flatten(-2).log_softmax(-1).view_as(surface)


def window_loss(logs: Tensor, share: Tensor, shift: Tensor, weight: Tensor, spread: float, right: float) -> Loss:
    """Cross-entropy of the probabilities of shifts against a narrow Gaussian at the true shift.

    logs: see `window_logs`, share: valid share of each shift, both (B, K, side, side); shift: (B, K, 2) from the
    middle, NaN where unknown; weight: (B,); spread: deviation of the Gaussian; right: largest error that counts as
    found. All in cells.
    """
    radius = share.shape[-1] // 2
    known = is_seen(share, shift, radius - 1)
    true = torch.nan_to_num(shift)
    weights = known * weight[:, None]
    loss = -(_gaussian(true, radius, spread) * logs).sum((-2, -1))
    best = logs.flatten(-2).argmax(-1)
    side = 2 * radius + 1
    found = torch.stack([best % side, best // side], -1) - radius
    near = (found - true).norm(dim=-1) <= right
    value = (loss * weights).sum() / weights.sum().clamp_min(1)
    return Loss(value, (near & known).sum() / known.sum().clamp_min(1))


def is_seen(share: Tensor, shift: Tensor, reach: float) -> Tensor:
    """(B, K) which places have a known true shift (B, K, 2) of at most `reach` cells, and valid pixels there.

    share: valid share of every shift (B, K, side, side).
    """
    radius = share.shape[-1] // 2
    true = torch.nan_to_num(shift)
    known = torch.isfinite(shift).all(-1) & (true.abs().amax(-1) <= reach)
    at = (true.round().long() + radius).clamp(0, 2 * radius)
    there = share.flatten(-2).gather(-1, (at[..., 1] * share.shape[-1] + at[..., 0])[..., None])[..., 0]
    return known & (there > MIN_SHARE)


def _gaussian(centre: Tensor, radius: int, spread: float) -> Tensor:
    """(…, 2 radius + 1, 2 radius + 1) Gaussians that add up to 1 around centres (…, 2), from the middle."""
    axis = torch.arange(-radius, radius + 1, device=centre.device)
    x, y = (torch.exp(-((axis - centre[..., k, None]) ** 2) / (2 * spread**2)) for k in (0, 1))
    target = y[..., :, None] * x[..., None, :]
    return target / target.sum((-2, -1), keepdim=True).clamp_min(1e-9)


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
    at = torch.nan_to_num(target).flatten(0, 1).float()
    low = at.floor()
    axis = torch.arange(-reach, reach + 2, device=logs.device)
    x, y = ((low[:, k, None].long() + axis).clamp(0, n - 1) for k, n in ((0, columns), (1, rows)))
    cells = (y[:, :, None] * columns + x[:, None, :]).flatten(1)
    near = log_support(logs.flatten(0, 1).flatten(1).gather(1, cells).float().exp())
    near = near.view(-1, len(axis), len(axis))
    u, v = ((at - low)[:, k, None, None] for k in (0, 1))
    across = near[:, :, :-1] * (1 - u) + near[:, :, 1:] * u
    found = across[:, :-1] * (1 - v) + across[:, 1:] * v
    each = found.flatten(1).view(*known.shape, -1) * known[..., None]
    together = (independent * each.sum(1)).log_softmax(-1)
    away = (axis[:-1, None].square() + axis[None, :-1].square()).flatten() / (2 * JOINT_SPREAD**2)
    weights = weight * known.any(1)
    return -((together - away).logsumexp(-1) * weights).sum() / weights.sum().clamp_min(1)


def bilinear_cells(target: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The four cells around positions (…, 2): indices and shares (…, 4); shares 0 outside or at NaN."""
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
