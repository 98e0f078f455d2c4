"""What the passes ask of a network, and the cells in which they count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
import torch.nn.functional as functional
from torch import Tensor

from .dual_softmax import DualSoftmax

T = TypeVar("T")
Kept = dict[str, Any]
"""What a network has seen of optical tiles by themselves, by its own names: more poses may be tried on them."""

STRIDE = 16
"""Image sides must be multiples of this."""
COARSE_CELL = 8
FINE_CELL = 2
"""Pixels per cell of the coarse and of the fine features."""


class Images(NamedTuple):
    """values: (B, bands, rows, columns), 0…255; valid: (B, 1, rows, columns), 0…1."""

    values: Tensor
    valid: Tensor


@dataclass(frozen=True)
class TilePairs:
    """B pairs of tiles of one size, sides multiples of `STRIDE`.

    optical: a single one stands for B; sar: of one band. kept: of the same optical tiles, see `Kept` (None:
    nothing is kept).
    """

    optical: Images
    sar: Images
    kept: Kept | None = None

    def __len__(self) -> int:
        return len(self.sar.values)

    def mask(self) -> tuple[Tensor, Tensor]:
        """Validity of all images (2B, 1, H, W), optical first, and its share per coarse cell."""
        valid = torch.cat([like(self.optical.valid, len(self)), self.sar.valid])
        return valid, functional.avg_pool2d(valid, COARSE_CELL)


class Encoded(NamedTuple):
    """What finds of B pairs.

    coarse: (2B, C, rows / 8, columns / 8) features, optical first; mask: (2B, 1, …) share of valid pixels there;
    valid: (2B, 1, rows, columns); text: what the network read into the images, if it reads and tells.
    """

    coarse: Tensor
    mask: Tensor
    valid: Tensor
    text: Any = None


class PairNetwork(Protocol):
    """A network for pairs of tiles. words: what it is told besides, see `Model.words_for`.

    coarse_matcher: matches its coarse features; sharpness: logarithm of the factor on correlations of its fine
    ones before their softmax.
    """

    @property
    def coarse_matcher(self) -> DualSoftmax: ...

    @property
    def sharpness(self) -> Tensor: ...

    def encode(self, pairs: TilePairs, words: Any) -> Encoded: ...

    def fine(self, pairs: TilePairs, edges: float, words: Any) -> tuple[Tensor, Tensor]:
        """Features (2B, C, H / 2, W / 2), optical first, zero where invalid; mask (2B, H / 2, W / 2).

        edges: share of the edge maps in their energy, 0…1.
        """
        ...


def once(kept: Kept | None, name: str, make: Callable[[], T]) -> T:
    """What is kept under a name; where there is nothing, it is made, and kept."""
    if kept is None:
        return make()
    if name not in kept:
        kept[name] = make()
    found: T = kept[name]
    return found


def like(single: Tensor, count: int) -> Tensor:
    """One image (1, …) as `count` of them, or as many as there are."""
    return single.expand(count, *single.shape[1:])
