"""Training windows: what the network sees of a pair, warped, and where each optical pixel lies in the SAR window.

The paper warps whole 256² chips by a random affine (scale 0.7–1.3, rotation ±35°, shift 10 %). Our own reading:
the network is only ever asked for what the pose hypotheses leave open, so that is what it is shown, any shift
included; turns, zooms and flips of the pair as a whole and local bends vary the ground.

No tell-tale frames: both windows are resampled from whole chips, mirrored where a chip ends, never from a warped
chip with a black border, whose outline would give the answer away (core/bench/protocols.py has the same rule).
That the seams of the mirroring do not either was measured: shown SAR images of other places, a network after 6,400
steps found 3.1 ± 0.3 % of the true cells, and 3.3 ± 0.3 % of those that were true in other samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..contract import Floats, Pixels, Points
from ..geometry import affine
from .chips import Chip

Image = npt.NDArray[np.float32]
BANDS = 3
"""Bands of every optical window; a grey chip is shown three times, which the network's attention makes one of."""
OWN_BANDS, MIXED_BANDS = 0.6, 0.2
"""Shares of coloured windows that keep their bands and that show mixtures; the rest is grey."""
PLACE_TRIALS = 8
MOST_REDUCED = 0.25
"""Natural logarithm of how much smaller than in the chip windows may show the ground; see `Regime.zoom`."""


@dataclass(frozen=True)
class Regime:
    """How the SAR window may lie relative to the optical one. Ranges go both ways.

    rotation: degrees; scale: natural logarithm; shift: share of the side; shear: of the affine; elastic: largest
    local displacement in pixels; zoom: natural logarithm of how much larger than in the chip both windows together
    may show the ground.
    """

    rotation: float
    scale: float
    shift: float
    shear: float
    elastic: float
    zoom: float


POSE = Regime(rotation=16.0, scale=math.log(1.25), shift=0.35, shear=0.03, elastic=2.0, zoom=0.35)
"""As the pose hypotheses leave it."""
NEAR = Regime(rotation=2.5, scale=0.04, shift=0.35, shear=0.02, elastic=3.0, zoom=0.35)
"""As the second pass finds it, but for the shift: were it small, the network would learn that every place lies
where it lies in the other image, and would find it there in images of different places too."""
IN_PLACE = Regime(rotation=0.0, scale=0.0, shift=0.0, shear=0.0, elastic=0.0, zoom=0.5)
"""Both show the same ground, turned, flipped and zoomed as a whole: for painting one from the other."""
LOCAL_SHIFT = 8.0
"""Pixels: what the second pass has to make good, so that the place itself is no hint."""


def local_regime(side: int) -> Regime:
    """As the second pass finds windows of `side` pixels. Enlarged: other satellites' pixels are smoother."""
    return Regime(rotation=2.5, scale=0.04, shift=LOCAL_SHIFT / side, shear=0.02, elastic=3.0, zoom=0.7)


@dataclass(frozen=True)
class Window:
    """A training sample. optical: (BANDS, side, side), sar: (side, side) float32, 0…255.

    to_sar: where the optical pixel (x, y) lies: `Warp` of the pair. weight: of its alignment.
    """

    optical: Image
    sar: Image
    warp: Warp
    weight: float


@dataclass(frozen=True)
class Warp:
    """Both windows' places in the chip.

    optical, sar: (2, 3) affines window pixel → optical chip pixel; elastic: (n, n, 2) displacement in chip pixels
    over the SAR window, bilinear between nodes; size: (width, height) of the chip; side: of the windows.
    """

    optical: Floats
    sar: Floats
    elastic: Floats
    size: tuple[int, int]
    side: int

    def to_sar(self, points: npt.ArrayLike) -> tuple[Points, npt.NDArray[np.bool_]]:
        """Optical window pixels (N, 2) → SAR window pixels (N, 2), and (N,) whether the chips really show them."""
        chip = affine.apply(self.optical, points)
        back = affine.invert(self.sar)
        found = affine.apply(back, chip)
        for _ in range(3):
            found = affine.apply(back, chip - self._bend(found))
        return found, self._shown(chip)

    def to_optical(self, points: npt.ArrayLike) -> tuple[Points, npt.NDArray[np.bool_]]:
        """The reverse."""
        where = np.asarray(points, dtype=np.float64)
        chip = affine.apply(self.sar, where) + self._bend(where)
        return affine.apply(affine.invert(self.optical), chip), self._shown(chip)

    def sar_map(self) -> Image:
        """Chip positions (side, side, 2) of all SAR window pixels, as `cv2.remap` wants them."""
        axis = np.arange(self.side, dtype=np.float32)
        y, x = axis[:, None, None], axis[None, :, None]
        linear = self.sar.astype(np.float32)
        # The lattice of `_bend`: nodes on the first and last pixel, bilinear between them.
        scale = (len(self.elastic) - 1) / (self.side - 1)
        lattice = np.array([[scale, 0, 0], [0, scale, 0]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (self.side, self.side)
        bend = cv2.warpAffine(
            self.elastic.astype(np.float32), lattice, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(x * linear[:, 0] + y * linear[:, 1] + linear[:, 2] + bend, dtype=np.float32)

    def _bend(self, points: Points) -> Points:
        nodes = len(self.elastic)
        at = np.clip(points / (self.side - 1), 0, 1) * (nodes - 1)
        low = np.minimum(at.astype(int), nodes - 2)
        part = at - low
        x, y, u, v = low[:, 0], low[:, 1], part[:, :1], part[:, 1:]
        e = self.elastic
        above = e[y, x] * (1 - u) + e[y, x + 1] * u
        below = e[y + 1, x] * (1 - u) + e[y + 1, x + 1] * u
        return np.asarray(above * (1 - v) + below * v, dtype=np.float64)

    def _shown(self, chip: Points) -> npt.NDArray[np.bool_]:
        return np.asarray(np.all((chip >= 0) & (chip <= np.array(self.size) - 1), axis=1))


def draw_warp(chip: Chip, side: int, regime: Regime, rng: np.random.Generator) -> Warp:
    """Draw a place, a common turn and zoom (GSD change), and the SAR window's own transform."""
    rows, columns = chip.sar.shape
    best: Warp | None = None
    most = -1.0
    for _ in range(PLACE_TRIALS):
        warp = _draw(columns, rows, side, regime, rng)
        grid = np.stack(np.meshgrid(*[np.linspace(0, side - 1, 8)] * 2), axis=-1).reshape(-1, 2)
        seen, shown = warp.to_sar(grid)
        inside = shown & np.all((seen >= 0) & (seen <= side - 1), axis=1)
        if inside.mean() > most:
            best, most = warp, float(inside.mean())
        if most > 0.6:
            break
    assert best is not None
    return best


def _draw(columns: int, rows: int, side: int, regime: Regime, rng: np.random.Generator) -> Warp:
    quarter = 90.0 * rng.integers(4)
    turn = quarter + (rng.uniform(-20, 20) if rng.random() < 0.5 else 0.0)
    zoom = float(np.exp(rng.uniform(-regime.zoom, MOST_REDUCED))) if rng.random() < 0.6 else 1.0
    reach = side * zoom / 2
    low, high = np.minimum(reach * 0.9, columns / 2), np.maximum(columns - reach * 0.9, columns / 2)
    low_y, high_y = np.minimum(reach * 0.9, rows / 2), np.maximum(rows - reach * 0.9, rows / 2)
    place = np.array([rng.uniform(low, high), rng.uniform(low_y, high_y)])
    middle = np.array([(side - 1) / 2] * 2)
    optical = affine.similarity(turn, zoom, middle, place)
    if rng.random() < 0.5:
        optical = affine.compose(optical, np.array([[-1.0, 0, side - 1], [0, 1, 0]]))
    shift = rng.uniform(-regime.shift, regime.shift, 2) * side
    relative = affine.similarity(
        rng.uniform(-regime.rotation, regime.rotation),
        float(np.exp(rng.uniform(-regime.scale, regime.scale))),
        middle,
        middle + shift,
    )
    shear = np.eye(2, 3)
    shear[:, :2] += rng.uniform(-regime.shear, regime.shear, (2, 2))
    shear[:, 2] = middle - shear[:, :2] @ middle
    nodes = int(rng.integers(3, 6))
    bend = rng.uniform(-1, 1, (nodes, nodes, 2)) * regime.elastic * zoom * (rng.random() < 0.5)
    return Warp(optical, affine.compose(optical, affine.compose(shear, relative)), bend, (columns, rows), side)


def cut_window(chip: Chip, side: int, regime: Regime, rng: np.random.Generator) -> Window:
    """Resample both windows of a drawn warp."""
    warp = draw_warp(chip, side, regime, rng)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    smooth = _smoothed(_bands(chip.optical, rng), _zoom(warp.optical))
    seen = cv2.warpAffine(smooth, warp.optical, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    seen = seen.transpose(2, 0, 1)
    smooth = _smoothed(chip.sar.astype(np.float32), _zoom(warp.sar))
    where = warp.sar_map() - np.array(chip.offset, np.float32)
    moved = cv2.remap(smooth, where, np.empty(0), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return Window(_clipped(seen), _clipped(moved), warp, chip.weight)


def _zoom(place: Floats) -> float:
    return float(np.sqrt(abs(np.linalg.det(place[:, :2]))))


def _smoothed(image: Image, zoom: float) -> Image:
    """Blurred as far as larger pixels need it."""
    if zoom <= 1.05:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.5 * float(np.sqrt(zoom**2 - 1))), dtype=np.float32)


def _clipped(image: npt.ArrayLike) -> Image:
    return np.clip(np.asarray(image, dtype=np.float32), 1, 255)


def _bands(optical: Pixels, rng: np.random.Generator) -> Image:
    """(rows, columns, BANDS) of a chip: its own in any order, mixtures of them, or one and the same."""
    values = optical.astype(np.float32)
    if optical.shape[2] == 1:
        return np.repeat(values, BANDS, axis=2)
    draw = rng.random()
    if draw < OWN_BANDS:
        return np.ascontiguousarray(values[:, :, rng.permutation(BANDS)])
    mixtures = rng.dirichlet((1.0,) * 3, BANDS) if draw < OWN_BANDS + MIXED_BANDS else np.full((BANDS, 3), 1 / 3)
    return np.asarray(values @ mixtures.T.astype(np.float32), dtype=np.float32)
