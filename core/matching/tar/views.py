"""Pairs of tiles as the network sees them: cut from large images through a pose, encoded, at one factor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ...contract import Floats, Pixels, Reporter
from ...geometry import affine
from .. import imaging
from .calibration import Calibration
from .msfl import STRIDE
from .network import Encoded, TarNetwork
from .tafe import TextFeatures

BATCH_PIXELS = 6e5
"""Pixels of one modality encoded at once: more only costs memory on a CPU."""


@dataclass(frozen=True)
class Model:
    """A network ready to use.

    text: the text features that it reads, None = it works without; cover_names: of its land covers; calibration:
    what its figures are worth.
    """

    network: TarNetwork
    text: TextFeatures | None
    device: torch.device
    cover_names: tuple[str, ...] = ()
    calibration: Calibration = field(default_factory=Calibration)


@dataclass(frozen=True)
class TileView:
    """One tile: a lattice (2, 3) tile pixel → reference pixel, and the pose that lays the moving image on it."""

    lattice: Floats
    pose: Floats

    @property
    def to_moving(self) -> Floats:
        """(2, 3) affine tile pixel → moving pixel."""
        return affine.compose(self.pose, self.lattice)


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
    step = max(1, int(BATCH_PIXELS / (size[0] * size[1])))
    for start in range(0, len(views), step):
        reporter.check()
        chosen = slice(start, min(start + step, len(views)))
        optical = _tensors([imaging.patch(reference, v.lattice, size) for v in views[chosen]], model.device)
        sar = _tensors([imaging.patch(moving, v.to_moving, size) for v in views[chosen]], model.device)
        yield chosen, encode(model, optical, sar)


def encode(model: Model, optical: tuple[Tensor, Tensor], sar: tuple[Tensor, Tensor]) -> Encoded:
    """Encode pairs of (values, validity), each (B, 1, rows, columns)."""
    if model.device.type != "cuda":
        return model.network.encode(*optical, *sar, model.text)
    with torch.autocast("cuda", dtype=torch.float16):
        return model.network.encode(*optical, *sar, model.text)


def _tensors(layers: list[imaging.Layer], device: torch.device) -> tuple[Tensor, Tensor]:
    values, valid = imaging.to_tensor(layers, device)
    return (
        values.contiguous(memory_format=torch.channels_last),
        valid.contiguous(memory_format=torch.channels_last),
    )
