"""Local matching: windows of structure maps, matched after the moving image was laid into the present pose."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch

from ...contract import Flags, Floats, Pixels, Points, Reporter
from ...geometry import affine
from .. import imaging
from ..correlate import Peaks, correlate, find_peaks
from .maps import SUPPORT, structure_maps

BATCH_PIXELS = 2e5
"""Pixels a map worked on at once: larger tensors leave the processor's cache, and cost page faults."""
MIN_SHARE = 0.35
"""Least share of a window that must be valid in both images."""


@dataclass(frozen=True)
class Windows:
    """Matched windows; parallel arrays of length N, positions in full pixels.

    reference, moving: (N, 2); value: correlation at the peak; margin: its lead over the second peak;
    round_trip: distance after matching there and back, full pixels; usable: the peak is a true maximum over
    enough valid pixels.
    """

    reference: Points
    moving: Points
    value: Floats
    margin: Floats
    round_trip: Floats
    usable: Flags

    def __len__(self) -> int:
        return len(self.reference)

    def select(self, keep: npt.NDArray[np.generic]) -> Windows:
        return Windows(*(getattr(self, f.name)[keep] for f in fields(self)))

    @staticmethod
    def join(parts: list[Windows]) -> Windows:
        return Windows(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Windows)))


@dataclass(frozen=True)
class WindowPlan:
    """How windows are matched: half side and search radius in level pixels, and the level's factor."""

    half: int
    radius: int
    factor: float

    @property
    def patch_side(self) -> int:
        return 2 * (self.half + self.radius + SUPPORT) + 1


def match_windows(
    reference: Pixels,
    moving: Pixels,
    pose: Floats,
    centres: Points,
    plan: WindowPlan,
    device: torch.device,
    reporter: Reporter,
) -> Windows:
    """Match windows around `centres` (N, 2) of the reference, starting from `pose` (2, 3)."""
    step = max(1, int(BATCH_PIXELS / plan.patch_side**2))
    parts = []
    for start in range(0, len(centres), step):
        reporter.check()
        parts.append(_match_batch(reference, moving, pose, centres[start : start + step], plan, device))
    return Windows.join(parts)


def _match_batch(
    reference: Pixels, moving: Pixels, pose: Floats, centres: Points, plan: WindowPlan, device: torch.device
) -> Windows:
    side, middle = plan.patch_side, (plan.patch_side - 1) / 2
    lattices = [
        np.array([[plan.factor, 0.0, x - plan.factor * middle], [0.0, plan.factor, y - plan.factor * middle]])
        for x, y in centres
    ]
    fixed = [imaging.patch(reference, lattice, (side, side)) for lattice in lattices]
    moved = [imaging.patch(moving, affine.compose(pose, lattice), (side, side)) for lattice in lattices]
    maps_r, mask_r = _trimmed_maps(fixed, device)
    maps_m, mask_m = _trimmed_maps(moved, device)
    straight = torch.full((len(centres), 2), float(plan.radius), device=device)
    forward, share = _search(maps_r, mask_r, maps_m, mask_m, straight.long(), plan)
    step = forward.shift.round()
    backward, _ = _search(maps_m, mask_m, maps_r, mask_r, (straight + step).long(), plan)
    back = (backward.shift + step) + (forward.shift - step)
    shift = forward.shift.cpu().numpy().astype(np.float64)
    target = affine.apply(pose, centres + plan.factor * shift)
    return Windows(
        reference=centres,
        moving=target,
        value=forward.value.cpu().numpy().astype(np.float64),
        margin=(forward.value - forward.second).cpu().numpy().astype(np.float64),
        round_trip=plan.factor * back.norm(dim=1).cpu().numpy().astype(np.float64),
        usable=(forward.inside & (share > MIN_SHARE)).cpu().numpy(),
    )


def _trimmed_maps(layers: list[imaging.Layer], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Structure maps (N, C, s, s) and masks (N, s, s) without the margin that saw the patch's edge."""
    maps, mask = structure_maps(*imaging.to_tensor(layers, device))
    inner = slice(SUPPORT, -SUPPORT)
    return maps[..., inner, inner], mask[..., inner, inner]


def _search(
    maps: torch.Tensor,
    mask: torch.Tensor,
    other: torch.Tensor,
    other_mask: torch.Tensor,
    corner: torch.Tensor,
    plan: WindowPlan,
) -> tuple[Peaks, torch.Tensor]:
    """Look for the window whose corner (N, 2) is given in `maps` within all of `other`.

    Returns peaks whose shift counts from the centred window, and the valid share at the peak.
    """
    width = 2 * plan.half + 1
    template = torch.stack([m[:, y : y + width, x : x + width] for m, (x, y) in zip(maps, corner)])
    cover = torch.stack([m[y : y + width, x : x + width] for m, (x, y) in zip(mask, corner)])
    surface, share = correlate(template, cover, other, other_mask)
    surface = torch.where(share > MIN_SHARE, surface, torch.full_like(surface, -1.0))
    peaks = find_peaks(surface)
    each = torch.arange(len(surface), device=surface.device)
    at = (peaks.shift.round() + plan.radius).long().clamp(0, 2 * plan.radius)
    return peaks, share[each, at[:, 1], at[:, 0]]
