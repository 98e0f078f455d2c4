"""Bench protocols: which optical and SAR windows a method sees, and the transform between them.

No tell-tale frame: when a whole chip is warped, a black frame outlines exactly the optical image, and a method
can register the frame instead of the land. So the optical image is a random 3/4 window of the chip and the SAR
window, of the same size, is resampled from the *whole* chip through the warp, mirrored where the chip ends.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from ..contract import Floats, OptionError, Pixels
from ..geometry import affine

WINDOW_SHARE = 0.75


@dataclass(frozen=True)
class Warp:
    """Ranges of a protocol's similarity warp from optical window to SAR window.

    shift: largest shift per axis as a share of the window side; rotation: degrees, both ways.
    """

    shift: float
    rotation: float
    scale_min: float
    scale_max: float


WARPS: dict[str, Warp] = {
    "tar": Warp(0.10, 35.0, 0.7, 1.3),
    "promptmid": Warp(0.10, 10.0, 1.0, 1.25),
    "georef": Warp(0.09, 2.0, 0.98, 1.02),
    "wild": Warp(0.10, 180.0, 0.5, 2.0),
    "shuffled": Warp(0.09, 2.0, 0.98, 1.02),
}
PROTOCOLS = (*WARPS, "none")


@dataclass(frozen=True)
class Sample:
    """What a method sees of a pair, and the truth it does not see.

    optical, sar: uint8 (rows, columns), 0 = NoData.
    truth: (2, 3) affine optical pixel → SAR pixel, centres at integers; None for pairs with nothing in common.
    origin: (column, row) of the optical window in the optical chip.
    to_chip: (2, 3) affine pixel of the SAR window → pixel of the SAR chip; undoes the known warp.
    bands: uint8 (bands, rows, columns), the colours of the optical image; None where it is grey.
    """

    pair_id: str
    optical: Pixels
    sar: Pixels
    truth: Floats | None
    origin: tuple[int, int] = (0, 0)
    to_chip: Floats = field(default_factory=lambda: np.eye(2, 3))
    bands: Pixels | None = None


def generator(protocol: str, pair_id: str, seed: int) -> np.random.Generator:
    """A random generator that depends on protocol, pair and seed only, not on the order of the pairs."""
    digest = hashlib.sha256(f"{protocol}/{pair_id}/{seed}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def random_similarity(warp: Warp, side: tuple[int, int], rng: np.random.Generator) -> Floats:
    """A similarity (2, 3) about the centre of a window of size `side` = (width, height), drawn from the ranges."""
    degrees = rng.uniform(-warp.rotation, warp.rotation)
    scale = float(np.exp(rng.uniform(np.log(warp.scale_min), np.log(warp.scale_max))))
    middle = (np.array(side, dtype=np.float64) - 1) / 2
    shift = rng.uniform(-warp.shift, warp.shift, 2) * np.array(side)
    return affine.similarity(degrees, scale, middle, middle + shift)


@dataclass(frozen=True)
class Layout:
    """Where a protocol's windows lie, both of one size (width, height). truth: of the windows, although samples of
    `shuffled` have none; all else: see `Sample`."""

    size: tuple[int, int]
    origin: tuple[int, int]
    truth: Floats
    to_chip: Floats


def lay_out(pair_id: str, shape: tuple[int, ...], published: Floats, protocol: str, seed: int) -> Layout:
    """Draw the windows and the warp of a pair. shape: (rows, columns) of its optical chip; all else: see `cut`."""
    if protocol not in WARPS:
        raise OptionError(f"Protocol '{protocol}' is not known.", f"Use one of {', '.join(PROTOCOLS)}.")
    rng = generator(protocol, pair_id, seed)
    rows, columns = shape
    width, height = int(columns * WINDOW_SHARE), int(rows * WINDOW_SHARE)
    column, row = (int(v) for v in rng.integers(0, (columns - width + 1, rows - height + 1)))
    truth = random_similarity(WARPS[protocol], (width, height), rng)
    optical_to_chip = affine.compose(published, np.array([[1.0, 0.0, column], [0.0, 1.0, row]]))
    to_chip = affine.compose(optical_to_chip, affine.invert(truth))
    return Layout((width, height), (column, row), truth, to_chip)


def cut(
    pair_id: str,
    optical: Pixels,
    sar: Pixels,
    published: Floats,
    protocol: str,
    seed: int,
    bands: Pixels | None = None,
) -> Sample:
    """Cut and warp one pair as the protocol says.

    published: (2, 3) affine optical chip pixel → SAR chip pixel; bands: of the optical chip, see `Sample`.
    """
    if protocol == "none":
        return Sample(pair_id, optical, sar, published, bands=bands)
    layout = lay_out(pair_id, optical.shape, published, protocol, seed)
    (column, row), (width, height) = layout.origin, layout.size
    place = slice(row, row + height), slice(column, column + width)
    moved = resample(sar, layout.to_chip, layout.size)
    known = None if protocol == "shuffled" else layout.truth
    colours = None if bands is None else np.ascontiguousarray(bands[:, place[0], place[1]])
    window = np.ascontiguousarray(optical[place])
    return Sample(pair_id, window, moved, known, layout.origin, layout.to_chip, colours)


def resample(image: Pixels, to_source: Floats, size: tuple[int, int]) -> Pixels:
    """Resample an image through an affine (2, 3) target pixel → source pixel, mirrored beyond its edges.

    Where the target has the larger pixels, the image is smoothed first.
    """
    step = float(np.sqrt(abs(np.linalg.det(to_source[:, :2]))))
    if step > 1.05:
        sigma = 0.5 * np.sqrt(step**2 - 1)
        image = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)  # type: ignore[assignment]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    warped: npt.NDArray[np.uint8] = cv2.warpAffine(  # type: ignore[assignment]
        image, to_source, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.maximum(warped, 1)  # 0 would mean NoData
