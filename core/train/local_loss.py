"""The loss of TAR's local features, judged as the second pass uses them: densely, all places of a pair at once.

Published alignments are good to about a pixel. Were they taken at their word, the features would learn to blur
what they see over all the ways in which labels are wrong. A small offset of each pair is therefore left open: what
all its places say, and how far labels are commonly off, tell where it probably lies, and the labels are moved
there. (Our own; the paper is silent here.)
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..matching.passes.refine import correlation_volume
from ..matching.passes.tiles import STRIDE
from ..matching.passes.vote import log_support
from .batches import LocalBatch
from .window_losses import Loss, bilinear_cells, is_seen, joint_loss, window_logs, window_loss

LOCAL_HALVES = (8, 18)
"""Half sides of the windows, fine cells, in turn: matching uses small and large ones."""
LOCAL_RADIUS = 8
"""Fine cells: how far windows are looked for."""
SPREAD, RIGHT = 0.5, 1.5
"""Fine cells: deviation of the Gaussian that is aimed at, and largest error that counts as found."""
SUB_PIXEL_WEIGHT = 0.5
"""Pairs whose alignment is believed less take no part."""
JOINT_WEIGHT, JOINT_REACH, JOINT_INDEPENDENT = 0.5, 2, 0.03
"""Of `joint_loss`: its share in the loss, cells, and the share of places that count as independent."""
JOINT_ROOM = 1.5
"""Fine cells left beyond `JOINT_REACH` to the border of the search: labels are moved."""
MOST_OFF, OFF_STEP, OFF_DEVIATION, OFF_INDEPENDENT = 2.0, 0.5, 0.5, 0.02
"""The offsets of a pair that are tried, largest and step in fine cells; deviation of what is expected before the
images are looked at; share of places that count as independent."""


def local_loss(features: tuple[Tensor, Tensor], sharpness: Tensor, batch: LocalBatch, half: int) -> Loss:
    """Each place by itself, and all places of a pair together.

    features: maps and mask as `LocalEncoder` returns them, float32; sharpness: of the network, see `window_logs`;
    half: half side of the windows in fine cells.
    """
    (optical, sar), (optical_mask, sar_mask) = (layer.chunk(2) for layer in features)
    volumes = correlation_volume(optical, optical_mask, sar, sar_mask, half, LOCAL_RADIUS, STRIDE)
    surface, share = (_by_place(volume) for volume in volumes)
    logs = window_logs(surface, share, sharpness)
    covered = optical_mask[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].flatten(1) > 0
    known = covered & is_seen(share, batch.shift, LOCAL_RADIUS - MOST_OFF - OFF_STEP)
    shift = batch.shift + probable_offset(logs.detach(), batch.shift, known)[:, None]
    weight = (batch.weight >= SUB_PIXEL_WEIGHT).float()
    each = window_loss(logs, share, shift, weight, SPREAD, RIGHT)
    inner = covered & is_seen(share, batch.shift, LOCAL_RADIUS - JOINT_REACH - JOINT_ROOM)
    together = joint_loss(logs, shift + LOCAL_RADIUS, inner, weight, JOINT_REACH, JOINT_INDEPENDENT)
    return Loss(each.value + JOINT_WEIGHT * together, each.right)


def probable_offset(logs: Tensor, shift: Tensor, known: Tensor) -> Tensor:
    """(B, 2) fine cells by which the labels of each pair are probably off: the mean over all offsets tried.

    logs: (B, N, side, side) what each place says of all shifts; shift: (B, N, 2) labels; known: (B, N) which
    places take part, all of them labelled `MOST_OFF` and more inside the search.
    """
    steps = round(MOST_OFF / OFF_STEP)
    axis = torch.arange(-steps, steps + 1, device=logs.device) * OFF_STEP
    offsets = torch.stack([axis.repeat(len(axis)), axis.repeat_interleave(len(axis))], dim=-1)
    side = logs.shape[-1]
    at = torch.nan_to_num(shift)[:, :, None] + offsets + side // 2
    index, part = bilinear_cells(at, (side, side))
    support = log_support(logs.exp()).flatten(2)
    said = (support.gather(2, index.flatten(2)).view_as(part) * part).sum(-1)
    score = OFF_INDEPENDENT * (said * known[..., None]).sum(1)
    score = score - offsets.square().sum(-1) / (2 * OFF_DEVIATION**2)
    return score.softmax(-1) @ offsets


def _by_place(volume: Tensor) -> Tensor:
    """A volume (B, side², rows, columns) as (B, N, side, side)."""
    count, shifts = volume.shape[:2]
    side = round(shifts**0.5)
    return volume.flatten(2).transpose(1, 2).reshape(count, -1, side, side)
