"""The second pass: tiles laid into the present pose, matched near identity, merged into tie points."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ...contract import SILENT, Flags, Floats, Pixels, Points, Reporter
from ...geometry import affine
from .dual_softmax import MOST_SHARP
from .network import FINE_CELL
from .refine import Refined, correlation_volume, refine
from .views import Model, TileView, fine_views, padded

TILE = 256
"""Longer side of large images on the first level, in tile pixels: one tile. No larger ones are small images."""
STRIDE = 4
"""Fine cells between places that are matched, where tie points are made of them."""


@dataclass(frozen=True)
class Ties:
    """Matched places; parallel arrays of length N, positions in full pixels.

    reference, moving: (N, 2); value: correlation; margin: its lead over the second peak; spread: predicted
    deviation, full pixels; round_trip: distance after matching there and back, full pixels; usable: see `Refined`.
    logs: (N, side, side) support of every shift in fine cells of the tile, see `vote`.
    """

    reference: Points
    moving: Points
    value: Floats
    margin: Floats
    spread: Floats
    round_trip: Floats
    usable: Flags
    valid: Flags
    logs: torch.Tensor

    def __len__(self) -> int:
        return len(self.reference)

    def select(self, keep: npt.NDArray[np.generic]) -> Ties:
        index = np.flatnonzero(keep) if keep.dtype == np.bool_ else keep
        return Ties(*(getattr(self, f.name)[index] for f in fields(self)))

    @staticmethod
    def join(parts: list[Ties]) -> Ties:
        columns: list[list[Any]] = [[getattr(p, f.name) for p in parts] for f in fields(Ties)]
        joined: list[Any] = [torch.cat(c) if torch.is_tensor(c[0]) else np.concatenate(c) for c in columns]
        return Ties(*joined)


@dataclass(frozen=True)
class Plan:
    """How tiles are matched.

    factor: full pixels per tile pixel; half, radius: half side of a window and search radius in fine cells;
    there_and_back: whether matches are checked by matching back. edges: their share, see `PairNetwork.fine`;
    stride: fine cells between places.
    """

    factor: float
    half: int
    radius: int
    there_and_back: bool
    edges: float
    stride: int = STRIDE


def match_tiles(
    model: Model,
    reference: Pixels,
    moving: Pixels,
    poses: list[Floats],
    corners: Points,
    side: tuple[int, int],
    plan: Plan,
    stage: str,
    reporter: Reporter,
) -> list[Ties]:
    """Match tiles whose first pixels lie at `corners` (N, 2), full pixels, under each of the poses.

    side: (rows, columns), tile pixels. stage: of the run, which progress is reported within.
    """
    size = (padded(side[0]), padded(side[1]))
    lattices = [np.array([[plan.factor, 0, x], [0, plan.factor, y]], dtype=np.float64) for x, y in corners]
    views = [TileView(lattice, pose) for pose in poses for lattice in lattices]
    parts = []
    for chosen, maps, mask in fine_views(model, reference, moving, views, size, plan.edges, reporter):
        reporter.check()
        parts.append(match_maps(model, maps, mask, views[chosen], plan, reporter))
        reporter.progress(stage, chosen.stop / len(views))
    found = Ties.join(parts)
    each = len(found) // len(poses)
    return [found.select(np.arange(k * each, (k + 1) * each)) for k in range(len(poses))]


def match_maps(
    model: Model,
    maps: torch.Tensor,
    mask: torch.Tensor,
    views: list[TileView],
    plan: Plan,
    reporter: Reporter = SILENT,
) -> Ties:
    """Match the fine features of tiles (see `PairNetwork.fine`) at the plan's places, tile after tile."""
    optical, sar = maps.chunk(2)
    optical_mask, sar_mask = mask.chunk(2)
    sharpness = model.network.sharpness.exp().clamp_max(MOST_SHARP)
    there = refine(*_volume(optical, optical_mask, sar, sar_mask, plan, reporter), sharpness)
    _, rows, columns = there.value.shape
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    cells = np.stack([x, y], axis=-1) * plan.stride + plan.stride // 2
    pixels = (cells + 0.5) * FINE_CELL - 0.5
    shift = there.shift.double().cpu().numpy()
    round_trip = np.zeros(there.value.shape)
    if plan.there_and_back:
        back = refine(*_volume(sar, sar_mask, optical, optical_mask, plan, reporter), sharpness)
        round_trip = _round_trip(there, back, plan.stride).double().cpu().numpy() * FINE_CELL * plan.factor
    reference = np.stack([affine.apply(v.lattice, pixels) for v in views])
    moving = np.stack([affine.apply(v.to_moving, pixels + shift[k] * FINE_CELL) for k, v in enumerate(views)])
    places = slice(plan.stride // 2, None, plan.stride)
    inside = optical_mask[:, places, places] > 0

    def flat(values: torch.Tensor) -> Floats:
        return np.asarray(values.double().cpu().numpy().reshape(-1))

    return Ties(
        reference.reshape(-1, 2),
        moving.reshape(-1, 2),
        flat(there.value),
        flat(there.margin),
        flat(there.spread) * FINE_CELL * plan.factor,
        round_trip.reshape(-1),
        (there.usable & inside).cpu().numpy().reshape(-1),
        (there.covered & inside).cpu().numpy().reshape(-1),
        there.logs.flatten(0, 2),
    )


def _volume(
    first: torch.Tensor,
    first_mask: torch.Tensor,
    second: torch.Tensor,
    second_mask: torch.Tensor,
    plan: Plan,
    reporter: Reporter,
) -> tuple[torch.Tensor, torch.Tensor]:
    return correlation_volume(
        first, first_mask, second, second_mask, plan.half, plan.radius, plan.stride, reporter
    )


def _round_trip(there: Refined, back: Refined, stride: int) -> torch.Tensor:
    """(B, rows, columns) fine cells between a place and where the place nearest to its match leads back to.

    The backward match is taken at the nearest matched place; displacements change little from one to the next.
    """
    count, rows, columns = there.value.shape
    y, x = torch.meshgrid(
        torch.arange(rows, device=there.value.device),
        torch.arange(columns, device=there.value.device),
        indexing="ij",
    )
    steps = (there.shift / stride).round().long()
    row = (y + steps[..., 1]).clamp(0, rows - 1)
    column = (x + steps[..., 0]).clamp(0, columns - 1)
    each = torch.arange(count, device=row.device)[:, None, None]
    distance: torch.Tensor = torch.linalg.vector_norm(there.shift + back.shift[each, row, column], dim=-1)
    return distance
