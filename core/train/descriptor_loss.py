"""The loss of PromptMID's second stage: descriptors of one place are alike, of different places they are not.

The paper: softmax of cosine similarity over temperature, over all descriptors of the batch, which is one pair. Our
own reading: the descriptors of an image are those of all its cells and, in the place of the cells next to it, that
of the true place itself, sub-cell; the temperature is learned; both directions count.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

from ..matching.passes.dual_softmax import MOST_SHARP
from ..matching.passes.network import COARSE_CELL
from ..matching.promptmid.aggregate import SCALE
from ..matching.promptmid.network import Described
from .batches import CoarseBatch
from .window_losses import Loss

NEXT = 1.5
"""Cells nearer to the true place than this are no wrong answers."""
RIGHT = 2.0
"""Cells from the true place, up to which the best cell counts as found."""
NOT_SAID = 0.3
"""How much a land-use class counts that a chip is not said to show, against one that it is."""


def descriptor_loss(found: Described, batch: CoarseBatch, sharpness: Tensor) -> Loss:
    """Of descriptors of both images of B pairs; sharpness: logarithm of the factor before the softmax."""
    masks = [functional.avg_pool2d(valid, SCALE) for valid in (batch.optical_valid, batch.sar_valid)]
    factor = sharpness.exp().clamp_max(MOST_SHARP)
    there = _one_way(found.optical, found.sar, masks[0], masks[1], batch.forward, batch.weight, factor)
    back = _one_way(found.sar, found.optical, masks[1], masks[0], batch.backward, batch.weight, factor)
    return Loss((there.value + back.value) / 2, (there.right + back.right) / 2)


def land_use_loss(logits: Tensor, land_use: Tensor) -> Tensor:
    """Of the classifier (B, classes), over pairs of which something is known.

    What a publisher says a chip shows is mostly there; what is not said may be there too, and counts less.
    """
    known = land_use.any(1)
    weights = torch.where(land_use > 0, 1.0, NOT_SAID) * known[:, None]
    each = functional.binary_cross_entropy_with_logits(logits, land_use, reduction="none")
    return (each * weights).sum() / weights.sum().clamp_min(1)


def _one_way(
    first: Tensor, second: Tensor, mask: Tensor, other_mask: Tensor, target: Tensor, weight: Tensor, factor: Tensor
) -> Loss:
    """first, second: (B, C, rows, columns), unit length; target: (B, N, 2) see `CoarseBatch.forward`."""
    rows, columns = second.shape[-2:]
    per_cell = COARSE_CELL // SCALE
    axis = torch.arange(rows // per_cell, device=first.device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    start = (torch.stack([x, y], dim=-1).reshape(1, -1, 2) + 0.5) * per_cell - 0.5
    end = (target + 0.5) * per_cell - 0.5
    known = torch.isfinite(end).all(-1) & (end >= 0).all(-1) & (end <= columns - 1).all(-1)
    end = torch.nan_to_num(end)
    known = known & (sampled(mask, start.expand(len(end), -1, -1))[..., 0] > 0.5)
    known = known & (sampled(other_mask, end)[..., 0] > 0.5)
    own = functional.normalize(sampled(first, start.expand(len(end), -1, -1)), dim=-1, eps=1e-4)
    true = functional.normalize(sampled(second, end), dim=-1, eps=1e-4)
    right = factor * (own * true).sum(-1)
    others = factor * (own @ second.flatten(2))
    v, u = torch.meshgrid(
        torch.arange(rows, device=first.device), torch.arange(columns, device=first.device), indexing="ij"
    )
    cells = torch.stack([u, v], dim=-1).reshape(1, 1, -1, 2)
    away = (cells - end[:, :, None]).norm(dim=-1)
    hidden = (other_mask.flatten(1) < 0.5)[:, None]
    wrong = others.masked_fill((away < NEXT) | hidden, -1e4)
    loss = torch.logsumexp(torch.cat([right[..., None], wrong], dim=-1), dim=-1) - right
    best = others.detach().masked_fill(hidden, -1e4).argmax(-1)
    near = away.gather(2, best[..., None])[..., 0] <= RIGHT
    weights = known * weight[:, None]
    return Loss(
        (loss * weights).sum() / weights.sum().clamp_min(1), (near & known).sum() / known.sum().clamp_min(1)
    )


def sampled(maps: Tensor, at: Tensor) -> Tensor:
    """(B, N, C) values of maps (B, C, rows, columns) at cell positions (B, N, 2), bilinear."""
    size = maps.new_tensor([maps.shape[-1], maps.shape[-2]])
    grid = (2 * at.to(maps.dtype) + 1) / size - 1
    values = functional.grid_sample(
        maps, grid[:, None], mode="bilinear", padding_mode="border", align_corners=False
    )
    return values[:, :, 0].transpose(1, 2)
