"""Files of alignments: by how much the chips of a manifest lie off, and how far that is to be believed.

CSV with the columns pair_id, offset_x, offset_y (pixels, see `chips.Chip.offset`), weight (0…1), and figures that
only people read. `align` makes them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from ..contract import InputError
from ..matching.files import write_whole

LARGEST = 1000.0
"""Pixels: an offset beyond this is a mistake."""


@dataclass(frozen=True)
class Alignment:
    """One row. evidence, inliers, spread: what the weight was judged by; see `align.Judgement`."""

    pair_id: str
    offset_x: float
    offset_y: float
    weight: float
    evidence: float = 0.0
    inliers: int = 0
    spread: float = 0.0

    @property
    def offset(self) -> tuple[float, float]:
        return (self.offset_x, self.offset_y)


def read_alignment(path: Path) -> dict[str, Alignment]:
    """The rows of a file by pair. Raises InputError where it is missing or a row does not fit."""
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"The alignment {path} cannot be read: {error}.", "Make it with `sarto train align`."
        ) from error
    return {
        row.pair_id: row for number, values in enumerate(rows, start=2) for row in [_row(values, path, number)]
    }


def _row(values: dict[str, str], path: Path, number: int) -> Alignment:
    try:
        row = Alignment(
            values["pair_id"],
            float(values["offset_x"]),
            float(values["offset_y"]),
            float(values["weight"]),
            float(values.get("evidence") or 0),
            int(values.get("inliers") or 0),
            float(values.get("spread") or 0),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path.name}, line {number} is no alignment: {error}.") from error
    usable = max(abs(row.offset_x), abs(row.offset_y)) <= LARGEST and 0 <= row.weight <= 1
    if not usable:
        raise InputError(
            f"{path.name}, line {number}: offset ({row.offset_x:g}, {row.offset_y:g}), weight {row.weight:g}.",
            f"Offsets are pixels up to {LARGEST:g}, weights lie between 0 and 1.",
        )
    return row


def write_alignment(path: Path, rows: Iterable[Alignment]) -> None:
    """Write a file; it appears whole or not at all. Raises OutputError."""
    names = [f.name for f in fields(Alignment)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        values = (getattr(row, name) for name in names)
        writer.writerow([f"{v:.4g}" if isinstance(v, float) else v for v in values])
    write_whole(path, text.getvalue().encode())
