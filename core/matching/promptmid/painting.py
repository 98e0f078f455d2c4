"""The moving image as the diffusion branch paints it: a picture for the eye, never for measuring.

One look, from the noise from which features are taken: what the network then paints is the mean of all optical
images that it holds for possible, blurred where it does not know. More steps of the diffusion make it sharper, and
what they add is invented.

The network levels each tile by itself, so that neighbours come in different brightness and contrast. Where two
tiles overlap they show the same: each tile gets the gain and the offset with which all overlaps agree best (least
squares, tied weakly to what the network said). Tiles see their part of one noise, and fade into each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ...contract import Flags, Floats, Painting, Pixels, Reporter
from ...geometry import affine
from .. import imaging
from ..passes.network import Images
from ..passes.views import TileView
from ..protocol import MatchTask
from . import schedule
from .diffusion import STRIDE
from .model import PromptModel

TILE, OVERLAP = 256, 64
"""Side of a tile, and the least by which neighbours overlap, pixels of the painting."""
RIM = 12
"""Pixels at a tile's edge that are painted badly; by so much tiles reach beyond the image."""
GRID = 4
"""Tiles start at multiples of it: the largest cell of any size's latent image, so that they see one noise."""
MOST_TILES = 256
"""A larger image is painted coarser: this bounds the time, and the memory (about 200 MB)."""
AT_ONCE = 4
FINER = 1.25
"""Moving pixels per reference pixel from which pixels of the reference's size are painted, as they are matched."""
GAIN_TIE, OFFSET_TIE = 0.3, 0.05
"""How much a tile's own contrast and brightness count beside one overlap."""
MOST_GAIN = 3.0
LEAST_SHARED = 256
"""Pixels that two tiles must share to be compared."""
GREY, CONTRAST = 128.0, 50.0
"""Mean and deviation of the painting."""
STAGE = "Painting the SAR image"

Painted = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Plan:
    """shape: (rows, columns) of the painting; size: of a tile; corners: (x, y) of each tile's first pixel.

    factor: moving pixels per pixel of the painting.
    """

    factor: float
    shape: tuple[int, int]
    size: tuple[int, int]
    corners: tuple[tuple[int, int], ...]

    @property
    def lattice(self) -> Floats:
        """(2, 3) affine painting pixel → moving pixel."""
        half = (self.factor - 1) / 2
        return np.array([[self.factor, 0, half], [0, self.factor, half]])

    def tile(self, corner: tuple[int, int]) -> Floats:
        """(2, 3) affine pixel of a tile → moving pixel."""
        return affine.compose(self.lattice, np.array([[1.0, 0, corner[0]], [0, 1.0, corner[1]]]))


class Tile(NamedTuple):
    """corner: as in the plan; values: (rows, columns) as the network painted them; valid: of them."""

    corner: tuple[int, int]
    values: Painted
    valid: Flags


def plan_tiles(shape: tuple[int, int], scale: float = 1.0, side: int = TILE, most: int = MOST_TILES) -> Plan:
    """How a moving image (rows, columns) is painted in tiles.

    scale: moving pixels per reference pixel; side: of a tile; most: how many tiles there may be.
    """
    factor = scale if scale > FINER else 1.0
    while True:
        rows, columns = (max(1, math.ceil(n / factor)) for n in shape)
        (high, ys), (wide, xs) = _starts(rows, side), _starts(columns, side)
        if len(xs) * len(ys) <= most:
            return Plan(factor, (rows, columns), (high, wide), tuple((x, y) for y in ys for x in xs))
        factor *= max(1.02, math.sqrt(len(xs) * len(ys) / most))


def _starts(length: int, side: int) -> tuple[int, list[int]]:
    """Length of tiles along one axis and where they start: they reach beyond both ends, evenly spread."""
    whole = length + 2 * RIM
    if whole <= side:
        return STRIDE * math.ceil(whole / STRIDE), [-RIM]
    count = math.ceil((whole - OVERLAP) / (side - OVERLAP))
    places = np.linspace(0, whole - side, count)
    return side, [GRID * math.ceil(place / GRID) - RIM for place in places]


def paint(
    task: MatchTask, model: PromptModel, pose: Floats, reporter: Reporter, plan: Plan | None = None
) -> Painting:
    """The whole moving image, painted.

    pose: (2, 3) reference pixel → moving pixel, by which tiles get their prompts.
    plan: by default that of `plan_tiles`. Raises Cancelled.
    """
    if plan is None:
        rows, columns = task.moving.shape
        plan = plan_tiles((rows, columns), affine.angle_and_scale(pose)[1])
    tiles = _paint_tiles(task, model, pose, plan, reporter)
    return Painting(_blend(tiles, plan, reporter), plan.lattice)


def _paint_tiles(task: MatchTask, model: PromptModel, pose: Floats, plan: Plan, reporter: Reporter) -> list[Tile]:
    """All tiles that show anything."""
    noise = schedule.fixed_noise((1, *model.network.latent_shape(TILE, TILE)), model.device)
    tiles: list[Tile] = []
    for start in range(0, len(plan.corners), AT_ONCE):
        reporter.progress(STAGE, start / len(plan.corners))
        corners = plan.corners[start : start + AT_ONCE]
        layers = {c: imaging.patch(task.moving, plan.tile(c), plan.size) for c in corners}
        layers = {corner: layer for corner, layer in layers.items() if layer.valid.any()}
        if not layers:
            continue
        sar = Images(*imaging.to_tensor(list(layers.values()), model.device))
        words = model.words_for([reference_view(plan, c, pose) for c in layers], plan.size)
        latent = torch.cat([_part_of(noise, corner, plan.size) for corner in layers])
        images = model.network.painted(sar, words, latent)
        for corner, painted, known in zip(layers, images, sar.valid[:, 0]):
            tiles.append(Tile(corner, painted.half().cpu().numpy(), known.cpu().numpy() > 0.5))
    return tiles


def _part_of(noise: torch.Tensor, corner: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
    """What a tile sees of the whole painting's noise, which repeats itself: overlapping tiles see the same."""
    cell = TILE // noise.shape[2]
    x, y = ((start // cell + torch.arange(n // cell)) for start, n in zip(corner, (size[1], size[0])))
    return noise[:, :, y % noise.shape[2]][:, :, :, x % noise.shape[3]]


def reference_view(plan: Plan, corner: tuple[int, int], pose: Floats) -> TileView:
    """The upright box of the reference that a tile covers, as a tile of the same size: prompts are told there."""
    rows, columns = plan.size
    ends = [[0, 0], [columns - 1, 0], [0, rows - 1], [columns - 1, rows - 1]]
    there = affine.apply(affine.compose(affine.invert(pose), plan.tile(corner)), ends)
    low, high = there.min(axis=0), there.max(axis=0)
    x, y = (high - low) / [columns - 1, rows - 1]
    return TileView(np.array([[x, 0, low[0]], [0, y, low[1]]]), pose)


def _blend(tiles: list[Tile], plan: Plan, reporter: Reporter) -> Pixels:
    """uint8 (rows, columns), one contrast for all."""
    gains, offsets = agreeing_levels(tiles)
    rows, columns = plan.shape
    total, share = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    fade = np.minimum.outer(_ramp(plan.size[0]), _ramp(plan.size[1]))
    for tile, gain, offset in zip(tiles, gains, offsets):
        reporter.check()
        (x, y), (high, wide) = tile.corner, plan.size
        left, top, right, bottom = max(x, 0), max(y, 0), min(x + wide, columns), min(y + high, rows)
        own, place = np.s_[top - y : bottom - y, left - x : right - x], np.s_[top:bottom, left:right]
        weight = fade[own] * tile.valid[own]
        total[place] += weight * (np.float32(gain) * tile.values[own].astype(np.float32) + np.float32(offset))
        share[place] += weight
    valid = share > 0
    painted = np.zeros((rows, columns), np.uint8)
    if valid.any():
        values = total[valid] / share[valid]
        middle, spread = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
        painted[valid] = np.clip(np.rint(GREY + CONTRAST / (spread + 1e-3) * (values - middle)), 1, 255)
    return painted


def _ramp(length: int) -> npt.NDArray[np.float32]:
    """Weights along a tile: hardly any in the rim, rising over the overlap, 1 in the middle."""
    place = np.arange(length)
    edge = np.minimum(place, length - 1 - place) + 0.5
    return np.clip((edge - RIM) / (OVERLAP - 2 * RIM), 1e-4, 1.0).astype(np.float32)


def agreeing_levels(tiles: list[Tile]) -> tuple[Floats, Floats]:
    """Gain and offset (N,) of each tile with which all of them agree best where they overlap."""
    pairs, means, spreads = [], [], []
    for i, first in enumerate(tiles):
        for j in range(i + 1, len(tiles)):
            shared = _shared(first, tiles[j])
            if shared is not None:
                pairs.append((i, j))
                means.append([part.mean() for part in shared])
                spreads.append([part.std() + 0.01 for part in shared])
    if not pairs:
        return np.ones(len(tiles)), np.zeros(len(tiles))
    ratios = np.log([second / first for first, second in spreads])
    limit = math.log(MOST_GAIN)
    gains = np.exp(np.clip(_settled(len(tiles), pairs, ratios, GAIN_TIE), -limit, limit))
    levels = np.array(means) * gains[np.array(pairs)]
    return gains, _settled(len(tiles), pairs, levels[:, 1] - levels[:, 0], OFFSET_TIE)


def _shared(first: Tile, second: Tile) -> tuple[Floats, Floats] | None:
    """What two tiles show of the same valid pixels without their rims; None where that is next to nothing."""
    (rows, columns), (x, y) = first.values.shape, np.subtract(second.corner, first.corner)
    left, right = max(0, x) + RIM, min(0, x) + columns - RIM
    top, bottom = max(0, y) + RIM, min(0, y) + rows - RIM
    if right <= left or bottom <= top:
        return None
    own, other = np.s_[top:bottom, left:right], np.s_[top - y : bottom - y, left - x : right - x]
    valid = first.valid[own] & second.valid[other]
    if valid.sum() < LEAST_SHARED:
        return None
    return first.values[own][valid].astype(np.float64), second.values[other][valid].astype(np.float64)


def _settled(count: int, pairs: list[tuple[int, int]], wanted: Floats, tie: float) -> Floats:
    """(N,) numbers near 0 whose differences, first less second of each pair, come closest to the wanted."""
    matrix, right = np.eye(count) * tie, np.zeros(count)
    for (i, j), difference in zip(pairs, wanted):
        matrix[[i, j], [i, j]] += 1
        matrix[[i, j], [j, i]] -= 1
        right[i] += difference
        right[j] -= difference
    return np.asarray(np.linalg.solve(matrix, right))
