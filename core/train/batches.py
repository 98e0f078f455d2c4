"""Batches of training windows with the truth that the losses need, made ahead in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ..contract import Floats
from ..matching.text.bank import TextBank
from .augment import holes, vary_optical, vary_sar
from .chips import Chip
from .scenes import masks
from .windows import NEAR, POSE, Window, cut_window

COARSE_CELL, FINE_CELL = 8, 2
JITTER = 6
"""Fine cells by which the place to look at misses the true one at most."""


@dataclass(frozen=True)
class Batch:
    """B pairs of windows; the first `near` of them are near identity.

    optical, sar, optical_valid, sar_valid: (B, 1, side, side).
    forward, backward: (B, N, 2) where the centre of each coarse cell lies in the other image, in coarse cells of
        it, NaN where it is not shown. fine, start: (B, K, 2) centres of fine windows in the optical features, and where
        to look for them in the SAR features, in whole fine cells; shift: (B, K, 2) true displacement from there, NaN
        where there is none.
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
        moved = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in self.__dict__.items()}
        return Batch(**moved)


def make_batch(
    chips: list[Chip],
    bank: TextBank | None,
    pairs: int,
    side: int,
    windows: int,
    rng: np.random.Generator,
    vary: bool = True,
) -> Batch:
    """Draw `pairs` samples, half of them near identity; `windows` fine windows each."""
    near = (pairs + 1) // 2
    columns: dict[str, list[np.ndarray]] = {key: [] for key in Batch.__annotations__ if key != "near"}
    for k in range(pairs):
        chip = chips[int(rng.integers(len(chips)))]
        _add(columns, cut_window(chip, side, NEAR if k < near else POSE, rng), side, windows, rng, vary)
        scenes, covers = masks(chip.label, bank)
        columns["scenes"].append(scenes)
        columns["covers"].append(covers)
    tensors = {key: torch.from_numpy(np.stack(values).astype(np.float32)) for key, values in columns.items()}
    return Batch(near=near, **tensors)


def _add(
    columns: dict[str, list[np.ndarray]],
    sample: Window,
    side: int,
    windows: int,
    rng: np.random.Generator,
    vary: bool,
) -> None:
    optical, sar = sample.optical, sample.sar
    valid = [np.ones((side, side), np.float32)] * 2
    if vary:
        optical, sar = vary_optical(optical, rng), vary_sar(sar, rng)
        valid[int(rng.integers(2))] = holes(side, rng)
    columns["optical"].append(optical[None])
    columns["sar"].append(sar[None])
    columns["optical_valid"].append(valid[0][None])
    columns["sar_valid"].append(valid[1][None])
    cells = _cell_centres(side, COARSE_CELL)
    for key, transfer in (("forward", sample.warp.to_sar), ("backward", sample.warp.to_optical)):
        found, shown = transfer(cells)
        columns[key].append(_in_cells(found, shown, COARSE_CELL))
    count = side // FINE_CELL
    fine = rng.integers(count // 8, count - count // 8, (windows, 2)).astype(np.float64)
    pixels = (fine + 0.5) * FINE_CELL - 0.5
    found, shown = sample.warp.to_sar(pixels)
    there = (found + 0.5) / FINE_CELL - 0.5
    start = np.clip(np.rint(there) + rng.integers(-JITTER, JITTER + 1, there.shape), 0, count - 1)
    columns["fine"].append(fine)
    columns["start"].append(start)
    columns["shift"].append(np.where(shown[:, None], there - start, np.nan))
    columns["weight"].append(np.array(sample.weight))


def _cell_centres(side: int, cell: int) -> Floats:
    """(N, 2) pixel positions of the centres of all cells, row by row."""
    axis = (np.arange(side // cell) + 0.5) * cell - 0.5
    x, y = np.meshgrid(axis, axis)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _in_cells(pixels: Floats, shown: np.ndarray, cell: int) -> Floats:
    cells: Floats = np.where(shown[:, None], (pixels + 0.5) / cell - 0.5, np.nan)
    return cells


class Batches:
    """An endless stream of batches, made ahead by threads. Use as a context manager: the threads end with it."""

    def __init__(
        self,
        chips: list[Chip],
        bank: TextBank | None,
        pairs: int,
        side: int,
        windows: int,
        seed: int,
        workers: int = 1,
    ) -> None:
        self._queue: queue.Queue[Batch] = queue.Queue(maxsize=4 * workers)
        self._stop = threading.Event()
        self._make = (chips, bank, pairs, side, windows)
        self._threads = [
            threading.Thread(target=self._fill, args=(np.random.default_rng((seed, k)),), daemon=True)
            for k in range(workers)
        ]

    def __enter__(self) -> Batches:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        while any(t.is_alive() for t in self._threads):
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield self._queue.get()

    def _fill(self, rng: np.random.Generator) -> None:
        while not self._stop.is_set():
            batch = make_batch(*self._make, rng)
            while not self._stop.is_set():
                try:
                    self._queue.put(batch, timeout=0.5)
                    break
                except queue.Full:
                    continue
