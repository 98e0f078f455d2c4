"""Batches of training windows with the truth that the losses need. Every step has a seed of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from ..contract import Flags, Floats
from ..matching.land_use import CLASSES
from ..matching.passes.network import COARSE_CELL, FINE_CELL
from ..matching.passes.tiles import STRIDE
from ..matching.text.bank import TextBank
from .augment import holes, vary_optical, vary_sar
from .chips import Chip, in_grey
from .scenes import masks
from .windows import IN_PLACE, NEAR, POSE, Regime, Window, cut_window, local_regime

LOCAL_SEED, PAINTED_SEED = 2, 3
"""Set the local and the painted windows of a step apart from its coarse ones: no part depends on whether another
is made."""

Columns = dict[str, list[npt.NDArray[np.generic]]]
Part = TypeVar("Part", bound="Pairs")


@dataclass(frozen=True)
class Pairs:
    """B pairs of windows. All tensors are float32.

    optical: (B, BANDS, side, side), sar: (B, 1, side, side), 0…255; optical_valid, sar_valid: (B, 1, side, side),
        0 or 1.
    weight: (B,) of each pair's alignment. land_use: (B, classes) ones for what it shows, all zero if unknown.
    """

    optical: torch.Tensor
    sar: torch.Tensor
    optical_valid: torch.Tensor
    sar_valid: torch.Tensor
    weight: torch.Tensor
    land_use: torch.Tensor

    def changed(self: Part, change: Callable[[torch.Tensor], torch.Tensor]) -> Part:
        """A copy with every tensor changed."""
        return replace(self, **{name: change(value) for name, value in vars(self).items()})


@dataclass(frozen=True)
class CoarseBatch(Pairs):
    """What the coarse matching learns from: N cells of 8 pixels per window, row by row.

    forward, backward: (B, N, 2) where the centre of each coarse cell lies in the other image, in coarse cells of
        it, NaN where it is not shown.
    scenes, covers: (B, S) and (B, C) ones where the pair may show an entry of the text bank.
    """

    forward: torch.Tensor
    backward: torch.Tensor
    scenes: torch.Tensor
    covers: torch.Tensor


@dataclass(frozen=True)
class LocalBatch(Pairs):
    """What the local features learn from: N places per window, those of `refine.correlation_volume`, row by row.

    shift: (B, N, 2) true displacement of each place in fine cells, NaN where it is not shown.
    """

    shift: torch.Tensor


@dataclass(frozen=True)
class Batch:
    """What a step learns from; a part that is left out is None. painted: pairs in place, the optical one grey."""

    coarse: CoarseBatch | None = None
    local: LocalBatch | None = None
    painted: Pairs | None = None

    def to(self, device: torch.device) -> Batch:
        """A copy on a device; from pinned memory it goes while the processor works on."""
        return self._changed(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """A copy in pinned memory, from which a GPU reads faster."""
        return self._changed(torch.Tensor.pin_memory)

    def _changed(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        return Batch(**{name: None if part is None else part.changed(change) for name, part in vars(self).items()})


class Size(NamedTuple):
    """Of a part of a batch: how many pairs, and the side of their windows in pixels."""

    pairs: int
    side: int


@dataclass(frozen=True)
class Recipe:
    """What batches are made of; step k always gives the same batch, whoever makes it and when.

    coarse, local, painted: size of each part, None for one that is left out. vary: change brightness, noise and
    validity; false for measuring. pose: how half of the coarse pairs lie.
    """

    chips: list[Chip]
    bank: TextBank | None
    coarse: Size | None
    local: Size | None
    seed: int
    vary: bool = True
    painted: Size | None = None
    pose: Regime = POSE

    def batch(self, step: int) -> Batch:
        """The batch of a step, 0 … without end."""
        coarse, local, painted = None, None, None
        if self.coarse is not None:
            random = np.random.default_rng((self.seed, step))
            coarse = coarse_batch(self.chips, self.bank, self.coarse, random, self.vary, self.pose)
        if self.local is not None:
            random = np.random.default_rng((self.seed, step, LOCAL_SEED))
            local = local_batch(self.chips, self.local, random, self.vary)
        if self.painted is not None:
            random = np.random.default_rng((self.seed, step, PAINTED_SEED))
            painted = painted_batch(self.chips, self.painted, random, self.vary)
        return Batch(coarse, local, painted)


def coarse_batch(
    chips: list[Chip],
    bank: TextBank | None,
    size: Size,
    random: np.random.Generator,
    vary: bool = True,
    pose: Regime = POSE,
) -> CoarseBatch:
    """Draw pairs, the first half of them near identity. vary, pose: see `Recipe`."""
    near = (size.pairs + 1) // 2
    columns = _columns(CoarseBatch)
    cells = _centres(np.arange(size.side // COARSE_CELL), COARSE_CELL)
    for k in range(size.pairs):
        chip = chips[int(random.integers(len(chips)))]
        sample = cut_window(chip, size.side, NEAR if k < near else pose, random)
        _add_images(columns, chip, sample, random, vary)
        for key, transfer in (("forward", sample.warp.to_sar), ("backward", sample.warp.to_optical)):
            there, shown = transfer(cells)
            columns[key].append(_known((there + 0.5) / COARSE_CELL - 0.5, shown))
        scenes, covers = masks(chip.label, bank)
        columns["scenes"].append(scenes)
        columns["covers"].append(covers)
    return CoarseBatch(**_stacked(columns))


def local_batch(chips: list[Chip], size: Size, random: np.random.Generator, vary: bool = True) -> LocalBatch:
    """Draw pairs that lie almost in place. vary: see `Recipe`."""
    regime = local_regime(size.side)
    columns = _columns(LocalBatch)
    places = _centres(np.arange(STRIDE // 2, size.side // FINE_CELL, STRIDE), FINE_CELL)
    for _ in range(size.pairs):
        chip = chips[int(random.integers(len(chips)))]
        sample = cut_window(chip, size.side, regime, random)
        _add_images(columns, chip, sample, random, vary)
        there, shown = sample.warp.to_sar(places)
        columns["shift"].append(_known((there - places) / FINE_CELL, shown))
    return LocalBatch(**_stacked(columns))


def painted_batch(chips: list[Chip], size: Size, random: np.random.Generator, vary: bool = True) -> Pairs:
    """Draw pairs in place, for painting the optical image, in grey, from the SAR image. vary: the latter."""
    columns = _columns(Pairs)
    for _ in range(size.pairs):
        chip = in_grey(chips[int(random.integers(len(chips)))])
        sample = cut_window(chip, size.side, IN_PLACE, random)
        _add_images(columns, chip, sample, random, vary, vary_optical_too=False)
    return Pairs(**_stacked(columns))


def _columns(kind: type[Pairs]) -> Columns:
    return {field.name: [] for field in fields(kind)}


def _stacked(columns: Columns) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(np.stack(values).astype(np.float32)) for key, values in columns.items()}


def _add_images(
    columns: Columns,
    chip: Chip,
    sample: Window,
    random: np.random.Generator,
    vary: bool,
    vary_optical_too: bool = True,
) -> None:
    optical, sar = sample.optical, sample.sar
    side = sar.shape[0]
    valid = [np.ones((side, side), np.float32)] * 2
    if vary:
        optical = vary_optical(optical, random) if vary_optical_too else optical
        sar = vary_sar(sar, random)
        valid[int(random.integers(2))] = holes(side, random)
    columns["optical"].append(optical)
    for key, values in zip(("sar", "optical_valid", "sar_valid"), (sar, *valid)):
        columns[key].append(values[None])
    columns["weight"].append(np.array(sample.weight))
    columns["land_use"].append(np.array([name in chip.label.land_use for name in CLASSES]))


def _centres(axis: npt.NDArray[np.int_], cell: int) -> Floats:
    """(N, 2) pixel positions of the centres of cells in these columns and rows, row by row."""
    x, y = np.meshgrid(axis, axis)
    centres: Floats = (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) * cell - 0.5
    return centres


def _known(values: Floats, shown: Flags) -> Floats:
    """Values (N, 2), NaN where they are not shown (N,)."""
    known: Floats = np.where(shown[:, None], values, np.nan)
    return known
