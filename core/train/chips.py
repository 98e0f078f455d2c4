"""Training pairs in memory: the chips of a manifest, with how far their alignment is to be believed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..bench.manifest import COLOURED, Pair, check_files, read_manifest
from ..contract import SILENT, InputError, Pixels, Reporter
from .alignment import Alignment, read_alignment
from .scenes import UNKNOWN, Label, label_of

TIGHT, LOOSE, UNSURE = 1.0, 0.6, 0.25
"""Weights: alignment good to about a pixel; to a few pixels, or nothing is said; not to be measured."""
LEAST_WEIGHT = UNSURE
"""Pairs with less take no part."""


@dataclass(frozen=True)
class Chip:
    """One training pair.

    optical: (rows, columns, 1 or 3) uint8; sar: (rows, columns) uint8, of the same size.
    offset: (x, y) pixels by which the SAR chip lies off, to be moved by it: SAR pixel = optical pixel - offset.
    weight: how far the alignment is to be believed, 0…1; below 0.5 it takes no part in sub-pixel losses.
    label: what its publisher says it shows. set: the source it comes from.
    """

    pair_id: str
    optical: Pixels
    sar: Pixels
    offset: tuple[float, float]
    weight: float
    label: Label = UNKNOWN
    set: str = ""


@dataclass(frozen=True)
class Listed:
    """A pair of a manifest that takes part, before its images are read. offset, weight: see `Chip`."""

    pair: Pair
    offset: tuple[float, float]
    weight: float

    @property
    def region(self) -> str:
        """What the publisher says it shows."""
        return self.pair.attributes.get("region", "")


def list_pairs(
    manifest: Path,
    sets: Iterable[str] = (),
    least_weight: float = LEAST_WEIGHT,
    alignment: Path | None = None,
) -> list[Listed]:
    """The pairs of a manifest.csv whose alignment can be believed.

    Its columns `tight`, `offset_ok`, `offset_x` and `offset_y` say so; an alignment file (`sarto train align`)
    takes their place for the pairs that it lists. sets: only pairs of these, () = all.
    Raises InputError for a manifest or alignment that cannot be read, and where nothing is left.
    """
    pairs = read_manifest(manifest).select(sets=tuple(sets))
    better = read_alignment(alignment) if alignment else {}
    if alignment and not any(pair.pair_id in better for pair in pairs):
        raise InputError(f"The alignment {alignment} lists no pair of {manifest}.", "Make it from this manifest.")
    listed = [_listed(pair, better.get(pair.pair_id)) for pair in pairs]
    kept = [one for one in listed if one.weight >= least_weight]
    if not kept:
        raise InputError(f"No pair of the manifest {manifest} is aligned well enough to train with.")
    return kept


def read_chips(
    manifest: Path,
    sets: Iterable[str] = (),
    least_weight: float = LEAST_WEIGHT,
    alignment: Path | None = None,
    reporter: Reporter = SILENT,
) -> list[Chip]:
    """Read the chips that `list_pairs` lists; optical colours are kept.

    Raises InputError for a manifest or chip that cannot be read, Cancelled.
    """
    listed = list_pairs(manifest, sets, least_weight, alignment)
    check_files(one.pair for one in listed)
    chips = []
    for number, one in enumerate(listed, start=1):
        chips.append(read_chip(one))
        reporter.progress("Reading the chips", number / len(listed))
    return chips


def read_chip(one: Listed) -> Chip:
    """Read both images of a pair. Raises InputError where they cannot be read or differ in size."""
    optical, sar = colours(_read(one.pair.optical)), grey(_read(one.pair.sar))
    if optical.shape[:2] != sar.shape:
        raise InputError(
            f"Pair '{one.pair.pair_id}': the optical chip has {_size(optical)} pixels, the SAR chip {_size(sar)}.",
            "Training needs both chips on the same grid.",
        )
    return Chip(one.pair.pair_id, optical, sar, one.offset, one.weight, label_of(one.region), one.pair.set)


def _listed(pair: Pair, better: Alignment | None) -> Listed:
    if not np.array_equal(pair.published, np.eye(2, 3)):
        raise InputError(
            f"Pair '{pair.pair_id}' has a truth that is not the identity.",
            "Training needs both chips on the same grid: resample them, or leave the column out.",
        )
    if better is not None:
        return Listed(pair, better.offset, better.weight)
    return Listed(pair, (_number(pair, "offset_x"), _number(pair, "offset_y")), _weight(pair))


def _weight(pair: Pair) -> float:
    if pair.tight:
        return TIGHT
    return LOOSE if (pair.attributes.get("offset_ok") or "1") == "1" else 0.0


def _number(pair: Pair, column: str) -> float:
    text = pair.attributes.get(column) or "0"
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) <= 1000:
        raise InputError(f"Pair '{pair.pair_id}': '{text}' in column '{column}' is no offset in pixels.")
    return value


def _read(path: Path) -> Pixels:
    """(rows, columns, 1 or 3) uint8; 16-bit images are stretched between their 1st and 99th percentile."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise InputError(f"The chip {path} cannot be read.", "Use PNG, TIFF, JPEG or WebP of 8 or 16 bits.")
    return as_bytes(image)


def as_bytes(image: npt.NDArray[np.generic]) -> Pixels:
    """An image as OpenCV reads it, as (rows, columns, 1 or 3) uint8: no alpha, 16 bits stretched."""
    image = image[:, :, None] if image.ndim == 2 else image[:, :, : 3 if image.shape[2] >= 3 else 1]
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    values = image.astype(np.float32)
    low, high = np.percentile(values, (1, 99))
    stretched = (values - low) * (255.0 / max(float(high - low), 1e-6))
    return np.asarray(np.clip(np.rint(stretched), 0, 255), dtype=np.uint8)


def colours(image: Pixels) -> Pixels:
    """(rows, columns, 3) where the channels differ, else (rows, columns, 1)."""
    if image.shape[2] == 1:
        return image
    spread = np.abs(image[::4, ::4].astype(np.int16) - image[::4, ::4, :1]).mean()
    return image if spread > COLOURED else grey(image)[:, :, None]


def grey(image: Pixels) -> Pixels:
    """(rows, columns) from (rows, columns, 1 or 3)."""
    if image.shape[2] == 1:
        return image[:, :, 0]
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def in_grey(chip: Chip) -> Chip:
    """The chip with a grey optical image."""
    return chip if chip.optical.shape[2] == 1 else replace(chip, optical=grey(chip.optical)[:, :, None])


def _size(image: Pixels) -> str:
    return f"{image.shape[1]} × {image.shape[0]}"
