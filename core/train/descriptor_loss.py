"""The loss of PromptMID's second stage: descriptors of one place are alike, of different places they are not.

The paper: softmax of cosine similarity over temperature, over all descriptors of the batch, which is one pair. Our
own reading: the descriptors of an image are those of all its cells; what is right is shared by the four cells
around the true place; the temperature is learned; both directions count. The cells are shifted at random by parts
of a cell. Were the true place compared at its own position and all others at cell centres, the network would only
learn to tell interpolated descriptors from others (it did: the loss fell, and nothing was found).
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

from ..matching.passes.dual_softmax import MOST_SHARP
from ..matching.passes.network import COARSE_CELL
from ..matching.promptmid.aggregate import SCALE
from ..matching.promptmid.descriptors import sampled
from ..matching.promptmid.network import Described, DescriptorNetwork
from .batches import CoarseBatch
from .window_losses import Loss, bilinear_cells

RIGHT = 2.0
"""Cells from the true place, up to which the best cell counts as found."""
NOT_SAID = 0.3
"""How much a land-use class counts that a chip is not said to show, against one that it is."""


def descriptor_loss(
    network: DescriptorNetwork, found: Described, batch: CoarseBatch, offset: tuple[float, float] = (0.0, 0.0)
) -> Loss:
    """Of descriptors of both images of B pairs.

    found: by the network; offset: (x, y) parts of a cell, 0…1, by which the cells compared with lie off.
    """
    masks = [functional.avg_pool2d(valid, SCALE) for valid in (batch.optical_valid, batch.sar_valid)]
    shift = found.sar.new_tensor(offset)
    optical, sar = (found.optical, masks[0]), (found.sar, masks[1])
    there = _one_way(network, optical, sar, batch.forward, batch.weight, shift)
    back = _one_way(network, sar, optical, batch.backward, batch.weight, shift)
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
    network: DescriptorNetwork,
    first: tuple[Tensor, Tensor],
    second: tuple[Tensor, Tensor],
    target: Tensor,
    weight: Tensor,
    offset: Tensor,
) -> Loss:
    """first, second: maps (B, C, rows, columns) that descriptors are read from, share of valid pixels (B, 1, …);
    target: (B, N, 2) see `CoarseBatch.forward`; offset: (2,)."""
    count, _, rows, columns = second[0].shape
    per_cell = COARSE_CELL // SCALE
    places = _grid(rows // per_cell, columns // per_cell, target.device)
    start = ((places + 0.5) * per_cell - 0.5).expand(count, -1, -1)
    cells = (_grid(rows, columns, target.device) + offset).expand(count, -1, -1)
    end = (target + 0.5) * per_cell - 0.5 - offset
    own, others = network.window(first[0], start), network.window(second[0], cells)
    factor = network.coarse_matcher.sharpness.exp().clamp_max(MOST_SHARP)
    hidden = sampled(second[1], cells)[..., 0] < 0.5
    logits = (factor * (own @ others.transpose(1, 2)).float()).masked_fill(hidden[:, None], -1e4)
    index, share = bilinear_cells(end, (rows, columns))
    seen = share * ~hidden.gather(1, index.flatten(1)).view_as(share)
    known = (seen.sum(-1) > 0.99) & (sampled(first[1], start)[..., 0] > 0.5)
    loss = -(logits.log_softmax(-1).gather(2, index) * share).sum(-1)
    best = logits.detach().argmax(-1)
    reached = torch.stack([best % columns, best // columns], dim=-1)
    near = (reached - torch.nan_to_num(end)).norm(dim=-1) <= RIGHT
    weights = known * weight[:, None]
    value = (loss.masked_fill(~known, 0.0) * weights).sum() / weights.sum().clamp_min(1)
    return Loss(value, (near & known).sum() / known.sum().clamp_min(1))


def _grid(rows: int, columns: int, device: torch.device) -> Tensor:
    """(1, rows · columns, 2) positions of all cells, row by row."""
    y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(1, -1, 2).float()
