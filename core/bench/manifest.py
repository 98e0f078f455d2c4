"""The bench's manifest: a CSV of optical–SAR pairs with their published alignment."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..contract import Floats, InputError, Pixels

REQUIRED = ("pair_id", "optical", "sar")


@dataclass(frozen=True)
class Pair:
    """One row of a manifest.

    optical, sar: files that OpenCV reads.
    published: (2, 3) affine optical pixel → SAR pixel of the two files, centres at integers.
    set: name of the source the pair comes from, "" if not said.
    tight: whether the published alignment is good to about a pixel; None if not said.
    attributes: all other columns, as text.
    """

    pair_id: str
    optical: Path
    sar: Path
    published: Floats
    set: str = ""
    tight: bool | None = None
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """The pairs of a manifest in its order.

    digest: 12 hexadecimal digits that change with the manifest's text.
    """

    path: Path
    pairs: tuple[Pair, ...]
    digest: str

    def __len__(self) -> int:
        return len(self.pairs)

    def select(self, limit: int | None = None, only_tight: bool = False, sets: tuple[str, ...] = ()) -> list[Pair]:
        """The pairs to run, in the manifest's order.

        limit: so many at most, picked by a hash of their name: the same ones whatever the order, spread over
            the sets, and those of a smaller limit are among those of a larger one.
        sets: only pairs of these sets, () = all. Raises InputError where nothing is left.
        """
        unknown = sorted(set(sets) - {p.set for p in self.pairs})
        if unknown:
            known = ", ".join(sorted({p.set for p in self.pairs if p.set})) or "none"
            raise InputError(f"The manifest {self.path.name} has no set '{unknown[0]}'.", f"Its sets: {known}.")
        kept = [p for p in self.pairs if (not sets or p.set in sets) and (p.tight or not only_tight)]
        if not kept:
            raise InputError(
                f"No pair of the manifest {self.path.name} fits the choice.",
                "Tight pairs need a column 'tight' with 1; take a larger limit or other sets.",
            )
        if limit is None:
            return kept
        chosen = {p.pair_id for p in sorted(kept, key=lambda p: _rank(p.pair_id))[:limit]}
        return [p for p in kept if p.pair_id in chosen]


def _rank(pair_id: str) -> str:
    return hashlib.sha256(pair_id.encode()).hexdigest()


def read_manifest(path: str | Path) -> Manifest:
    """Read a manifest CSV; paths in it are relative to it.

    Raises InputError for a missing file or column, a repeated pair, or a `truth` that is no affine. The images
    themselves are looked at when they are used.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The manifest {path} cannot be read: {error}.", "Give a CSV file.") from error
    reader = csv.DictReader(text.splitlines())
    missing = [c for c in REQUIRED if c not in (reader.fieldnames or ())]
    if missing:
        raise InputError(
            f"The manifest {path.name} has no column '{missing[0]}'.",
            "It needs pair_id, optical and sar; truth, set and tight are optional.",
        )
    pairs = tuple(_pair(row, path.parent, f"{path.name}, line {reader.line_num}") for row in reader)
    if not pairs:
        raise InputError(f"The manifest {path.name} lists no pair.", "Add a row for each pair.")
    for pair_id in _repeated(p.pair_id for p in pairs):
        raise InputError(f"The manifest {path.name} lists pair '{pair_id}' twice.", "Make each pair_id unique.")
    return Manifest(path, pairs, hashlib.sha256(text.encode()).hexdigest()[:12])


def _pair(row: dict[str, str | None], folder: Path, where: str) -> Pair:
    cells = {name: (value or "").strip() for name, value in row.items() if name is not None}
    for name in REQUIRED:
        if not cells[name]:
            raise InputError(f"{where}: the column '{name}' is empty.", "Fill it in or remove the row.")
    named = {*REQUIRED, "truth", "set", "tight"}
    return Pair(
        cells["pair_id"],
        folder / cells["optical"],
        folder / cells["sar"],
        _affine(cells.get("truth", ""), where),
        cells.get("set", ""),
        cells["tight"].lower() in ("1", "1.0", "true", "yes") if cells.get("tight") else None,
        {name: value for name, value in cells.items() if name not in named},
    )


def _affine(text: str, where: str) -> Floats:
    """Six numbers, the rows of a 2×3 affine; the identity if absent."""
    if not text:
        return np.eye(2, 3)
    try:
        values = np.array([float(v) for v in re.split(r"[\s,;]+", text.strip())])
    except ValueError:
        values = np.zeros(0)
    usable = values.shape == (6,) and bool(np.isfinite(values).all())
    if not usable or abs(np.linalg.det(values.reshape(2, 3)[:, :2])) < 1e-9:
        raise InputError(
            f"{where}: the truth '{text}' is not an affine.",
            "Write six numbers separated by spaces, for example '1 0 0 0 1 0': a11 a12 a13 a21 a22 a23.",
        )
    return values.reshape(2, 3)


def _repeated(names: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)


COLOURED = 2.0
"""Mean difference between channels, grey values, from which an image counts as coloured: codecs leave some."""


def read_chip(path: Path) -> Pixels:
    """An image as uint8 (rows, columns) of 1…255: the mean of its colours, no NoData.

    16-bit chips are stretched between their 1st and 99th percentile. Raises InputError for unreadable files.
    """
    return read_colours(path)[0]


def read_colours(path: Path) -> tuple[Pixels, Pixels | None]:
    """An image as `read_chip` gives it, and its bands, uint8 (3, rows, columns); None where it is grey."""
    if not path.is_file():
        raise InputError(f"The image {path} does not exist.", "Paths in a manifest are relative to the manifest.")
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise InputError(f"The image {path} cannot be read.", "Use PNG, TIFF, JPEG or WebP of 8 or 16 bits.")
    values: npt.NDArray[np.float32] = np.atleast_3d(image.astype(np.float32)).transpose(2, 0, 1)
    values, wide = values[:3], image.dtype != np.uint8  # a fourth channel is alpha
    mean = _as_bytes(values.mean(axis=0), wide)
    bands = np.stack([_as_bytes(band, wide) for band in values])
    return mean, bands if np.abs(bands - mean.astype(np.float32)).mean() > COLOURED else None


def _as_bytes(values: npt.NDArray[np.float32], wide: bool) -> Pixels:
    if wide:
        low, high = np.percentile(values, (1, 99))
        values = (values - low) * (255.0 / max(float(high - low), 1e-6))
    return np.clip(np.rint(values), 1, 255).astype(np.uint8)  # 0 would mean NoData


def check_files(pairs: Iterable[Pair]) -> None:
    """Raise InputError for the first image that does not exist: better now than after an hour."""
    for pair in pairs:
        for path in (pair.optical, pair.sar):
            if not path.is_file():
                raise InputError(
                    f"Pair '{pair.pair_id}': the image {path} does not exist.",
                    "Paths in a manifest are relative to the manifest.",
                )
