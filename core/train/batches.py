"""Batches of training windows with the truth that the losses need. Every step has a seed of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from ..contract import Flags, Floats
from ..matching.tar.cfdm import COARSE_CELL, FINE_CELL
from ..matching.text.bank import TextBank
from .augment import holes, vary_optical, vary_sar
from .chips import Chip
from .scenes import masks
from .windows import NEAR, POSE, Window, cut_window

JITTER = 6
"""Fine cells by which the place to look at misses the true one at most."""

Columns = dict[str, list[npt.NDArray[np.generic]]]


@dataclass(frozen=True)
class Batch:
    """B pairs of windows; the first `near` of them are near identity. All tensors are float32.

    optical, sar, optical_valid, sar_valid: (B, 1, side, side); grey values 0…255, validity 0 or 1.
    forward, backward: (B, N, 2) where the centre of each coarse cell lies in the other image, in coarse cells of
        it, NaN where it is not shown.
    fine, start: (B, K, 2) centres of fine windows in the optical features, and where to look for them in the SAR
        features, in whole fine cells. shift: (B, K, 2) true displacement from there, NaN where there is none.
    weight: (B,) of each pair's alignment.
    scenes, covers: (B, S) and (B, C) ones where the pair may show an entry of the text bank.
    """

    optical: torch.Tensor
    sar: torch.Tensor
    optical_valid: torch.Tensor
    sar_valid: torch.Tensor
    forward: torch.Tensor
    backward: torch.Tensor
    fine: torch.Tensor
    start: torch.Tensor
    shift: torch.Tensor
    weight: torch.Tensor
    scenes: torch.Tensor
    covers: torch.Tensor
    near: int

    def to(self, device: torch.device) -> Batch:
        """A copy on a device; from pinned memory it goes while the processor works on."""
        return self._changed(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """A copy in pinned memory, from which a GPU reads faster."""
        return self._changed(torch.Tensor.pin_memory)

    def _changed(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        tensors = {name: change(value) for name, value in vars(self).items() if isinstance(value, torch.Tensor)}
        return replace(self, **tensors)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Recipe:
    """What batches are made of; step k always gives the same batch, whoever makes it and when.

    pairs, side, windows: pairs per batch, side of a window in pixels, fine windows per pair.
    """

    chips: list[Chip]
    bank: TextBank | None
    pairs: int
    side: int
    windows: int
    seed: int

    def batch(self, step: int) -> Batch:
        """The batch of a step, 0 … without end."""
        random = np.random.default_rng((self.seed, step))
        return make_batch(self.chips, self.bank, self.pairs, self.side, self.windows, random)


def make_batch(
    chips: list[Chip],
    bank: TextBank | None,
    pairs: int,
    side: int,
    windows: int,
    random: np.random.Generator,
    vary: bool = True,
) -> Batch:
    """Draw `pairs` samples, half of them near identity; `windows` fine windows each.

    vary: change brightness, noise and validity; false for measuring.
    """
    near = (pairs + 1) // 2
    columns: Columns = {key: [] for key in Batch.__annotations__ if key != "near"}
    for k in range(pairs):
        chip = chips[int(random.integers(len(chips)))]
        sample = cut_window(chip, side, NEAR if k < near else POSE, random)
        _add_images(columns, sample, side, random, vary)
        _add_cells(columns, sample, side)
        _add_fine_windows(columns, sample, side, windows, random)
        scenes, covers = masks(chip.label, bank)
        columns["weight"].append(np.array(sample.weight))
        columns["scenes"].append(scenes)
        columns["covers"].append(covers)
    tensors = {key: torch.from_numpy(np.stack(values).astype(np.float32)) for key, values in columns.items()}
    return Batch(near=near, **tensors)


def _add_images(columns: Columns, sample: Window, side: int, random: np.random.Generator, vary: bool) -> None:
    optical, sar = sample.optical, sample.sar
    valid = [np.ones((side, side), np.float32)] * 2
    if vary:
        optical, sar = vary_optical(optical, random), vary_sar(sar, random)
        valid[int(random.integers(2))] = holes(side, random)
    for key, values in zip(("optical", "sar", "optical_valid", "sar_valid"), (optical, sar, *valid)):
        columns[key].append(values[None])


def _add_cells(columns: Columns, sample: Window, side: int) -> None:
    cells = _cell_centres(side, COARSE_CELL)
    for key, transfer in (("forward", sample.warp.to_sar), ("backward", sample.warp.to_optical)):
        columns[key].append(_in_cells(*transfer(cells), COARSE_CELL))


def _add_fine_windows(
    columns: Columns, sample: Window, side: int, windows: int, random: np.random.Generator
) -> None:
    count = side // FINE_CELL
    fine = random.integers(count // 8, count - count // 8, (windows, 2)).astype(np.float64)
    there = _in_cells(*sample.warp.to_sar((fine + 0.5) * FINE_CELL - 0.5), FINE_CELL)
    jitter = random.integers(-JITTER, JITTER + 1, there.shape)
    start = np.clip(np.nan_to_num(np.rint(there)) + jitter, 0, count - 1)
    columns["fine"].append(fine)
    columns["start"].append(start)
    columns["shift"].append(there - start)


def _cell_centres(side: int, cell: int) -> Floats:
    """(N, 2) pixel positions of the centres of all cells, row by row."""
    axis = (np.arange(side // cell) + 0.5) * cell - 0.5
    x, y = np.meshgrid(axis, axis)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _in_cells(pixels: Floats, shown: Flags, cell: int) -> Floats:
    """Positions (N, 2) in pixels as positions in cells, NaN where they are not shown."""
    cells: Floats = np.where(shown[:, None], (pixels + 0.5) / cell - 0.5, np.nan)
    return cells
