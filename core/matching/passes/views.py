"""Pairs of tiles as the network sees them: cut from large images through a pose, encoded, at one factor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from ...contract import Floats, Pixels, Reporter
from ...geometry import affine
from .. import imaging
from ..device import half_precision
from .calibration import Calibration
from .network import STRIDE, Encoded, Images, Kept, PairNetwork, TilePairs

M = TypeVar("M", bound="Model")
BATCH_PIXELS = 6e5
"""Pixels of one modality encoded at once: more only costs memory on a CPU."""


@dataclass(frozen=True)
class TileView:
    """One tile: a lattice (2, 3) tile pixel → reference pixel, and the pose that lays the moving image on it."""

    lattice: Floats
    pose: Floats

    @property
    def to_moving(self) -> Floats:
        """(2, 3) affine tile pixel → moving pixel."""
        return affine.compose(self.pose, self.lattice)


class Cut(NamedTuple):
    """Some of the tiles asked for. chosen: which."""

    chosen: slice
    pairs: TilePairs


@dataclass(frozen=True)
class _Shown:
    """An optical tile that poses were tried on: (rows, columns) of an image at a lattice; what was seen of it."""

    image: Pixels
    lattice: Floats
    size: tuple[int, int]
    tile: Images
    kept: Kept = field(default_factory=dict)

    def shows(self, image: Pixels, lattice: Floats, size: tuple[int, int]) -> bool:
        return self.image is image and self.size == size and np.array_equal(self.lattice, lattice)


@dataclass(frozen=True)
class Model:
    """A network ready to use on one pair of images.

    calibration: what its figures are worth; batch_pixels: see `BATCH_PIXELS`.
    """

    network: PairNetwork
    device: torch.device
    calibration: Calibration = field(default_factory=Calibration)
    batch_pixels: float = field(default=BATCH_PIXELS, kw_only=True)
    _last: list[_Shown] = field(default_factory=list, init=False, repr=False, compare=False)

    def holding(self: M, share: float) -> M:
        """The same model with so much less at once, 0…1."""
        return replace(self, batch_pixels=self.batch_pixels * share)

    def words_for(self, views: list[TileView], size: tuple[int, int]) -> Any:
        """What the network is told of tiles of size (rows, columns) besides their pixels."""
        return None

    @property
    def record(self) -> dict[str, Any]:
        """What the record of a match says of what the network was told."""
        return {}


def padded(side: float) -> int:
    """The least multiple of the network's stride that holds so many pixels."""
    return STRIDE * max(2, int(np.ceil(side / STRIDE)))


def encode_views(
    model: Model,
    reference: Pixels,
    moving: Pixels,
    views: list[TileView],
    size: tuple[int, int],
    reporter: Reporter,
) -> Iterator[tuple[slice, Encoded]]:
    """Encode tiles of size (rows, columns), multiples of 16, some at a time; yields which, and their features."""
    for chosen, pairs in cut_views(model, reference, moving, views, size, reporter):
        with half_precision(model.device):
            encoded = model.network.encode(pairs, model.words_for(views[chosen], size))
        yield chosen, encoded


def fine_views(
    model: Model,
    reference: Pixels,
    moving: Pixels,
    views: list[TileView],
    size: tuple[int, int],
    edges: float,
    reporter: Reporter,
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """As `encode_views`; yields which, and their fine features and mask. edges: see `PairNetwork.fine`."""
    for chosen, pairs in cut_views(model, reference, moving, views, size, reporter):
        with half_precision(model.device):
            maps, mask = model.network.fine(pairs, edges, model.words_for(views[chosen], size))
        yield chosen, maps, mask


def cut_views(
    model: Model,
    reference: Pixels,
    moving: Pixels,
    views: list[TileView],
    size: tuple[int, int],
    reporter: Reporter,
) -> Iterator[Cut]:
    """Tiles of size (rows, columns), some at a time."""
    step = max(1, int(model.batch_pixels / (size[0] * size[1])))
    for start in range(0, len(views), step):
        reporter.check()
        chosen = slice(start, min(start + step, len(views)))
        lattices = [v.lattice for v in views[chosen]]
        if all(np.array_equal(lattice, lattices[0]) for lattice in lattices):
            lattices = lattices[:1]  # poses tried on one place: it is encoded once
        optical, kept = _optical(model, reference, lattices, size)
        layers = []
        for view in views[chosen]:
            reporter.check()  # of a large image, each takes a while
            layers.append(imaging.patch(moving, view.to_moving, size))
        sar = _images(layers, model.device)
        yield Cut(chosen, TilePairs(optical, sar, kept))


def _optical(
    model: Model, reference: Pixels, lattices: list[Floats], size: tuple[int, int]
) -> tuple[Images, Kept | None]:
    """Optical tiles, and what has been seen of a single one: small images are looked at several times."""
    last = next((shown for shown in model._last if shown.shows(reference, lattices[0], size)), None)
    if len(lattices) == 1 and last is not None:
        return last.tile, last.kept
    tiles = _images([imaging.patch(reference, lattice, size) for lattice in lattices], model.device)
    if len(lattices) > 1:
        return tiles, None
    model._last[:] = [_Shown(reference, lattices[0], size, tiles)]
    return tiles, model._last[0].kept


def _images(layers: list[imaging.Layer], device: torch.device) -> Images:
    values, valid = imaging.to_tensor(layers, device)
    return Images(
        values.contiguous(memory_format=torch.channels_last),
        valid.contiguous(memory_format=torch.channels_last),
    )
