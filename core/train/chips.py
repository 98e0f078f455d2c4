"""Training pairs in memory: the chips of a manifest, or of a pack for a machine without the data folder."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..contract import InputError, Pixels
from .scenes import Label, label_of


@dataclass(frozen=True)
class Chip:
    """One training pair.

    optical: (rows, columns, 1 or 3) uint8; sar: (rows, columns) uint8, of the same size.
    offset: (x, y) pixels by which the SAR chip lies off, to be moved by it: SAR pixel = optical pixel - offset.
    weight: how far the alignment is to be believed, 0…1; below 0.5 it takes no part in sub-pixel losses.
    label: what its publisher says it shows.
    """

    pair_id: str
    optical: Pixels
    sar: Pixels
    offset: tuple[float, float]
    weight: float
    label: Label = Label()


def read_chips(manifest: Path, sets: Iterable[str] = (), least_weight: float = 0.25) -> list[Chip]:
    """Read the chips of a manifest.csv whose alignment can be believed; optical colours are kept.

    Raises InputError for a manifest or chip that cannot be read.
    """
    wanted, chips = set(sets), []
    try:
        rows = list(csv.DictReader(manifest.read_text(encoding="utf-8").splitlines()))
    except OSError as error:
        raise InputError(f"The manifest {manifest} cannot be read: {error}.") from error
    for row in rows:
        weight = _weight(row)
        if weight < least_weight or (wanted and row["set"] not in wanted):
            continue
        optical, sar = (_read(manifest.parent / row[key]) for key in ("optical", "sar"))
        offset = (float(row.get("offset_x") or 0), float(row.get("offset_y") or 0))
        label = label_of(row.get("region") or "")
        chips.append(Chip(row["pair_id"], _colours(optical), _grey(sar), offset, weight, label))
    return chips


def _weight(row: dict[str, str]) -> float:
    if row.get("tight") == "1":
        return 1.0
    return 0.6 if row.get("offset_ok", "1") == "1" else 0.0


def _read(path: Path) -> Pixels:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"The chip {path} cannot be read.")
    return np.asarray(image, dtype=np.uint8)


def _colours(image: Pixels) -> Pixels:
    """Three channels where they differ, else one."""
    spread = np.abs(image[::4, ::4].astype(np.int16) - image[::4, ::4, :1]).mean()
    return image if spread > 2.0 else _grey(image)[:, :, None]


def _grey(image: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
