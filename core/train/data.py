"""Training data, wherever it lies: a manifest with its chips, or a pack."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from ..contract import SILENT, InputError, Reporter
from .chips import LEAST_WEIGHT, TIGHT, Chip, read_chips
from .pack import read_pack


def read_data(
    path: Path,
    sets: Iterable[str] = (),
    least_weight: float = LEAST_WEIGHT,
    alignment: Path | None = None,
    reporter: Reporter = SILENT,
) -> list[Chip]:
    """The chips of a manifest or pack. Raises InputError where it cannot be read or nothing is left, Cancelled."""
    read = read_pack if path.is_file() and zipfile.is_zipfile(path) else read_chips
    return read(path, sets, least_weight, alignment, reporter)


def read_held_out(path: Path, reporter: Reporter = SILENT) -> list[Chip]:
    """The chips to check on: those with a tight alignment, where any have one. Raises InputError, Cancelled."""
    chips = read_data(path, reporter=reporter)
    tight = [chip for chip in chips if chip.weight >= TIGHT]
    return tight or chips


def check_apart(chips: list[Chip], held_out: list[Chip]) -> None:
    """Raise InputError where a pair is trained with and checked on: the check would flatter."""
    both = {chip.pair_id for chip in chips} & {chip.pair_id for chip in held_out}
    if both:
        raise InputError(
            f"Pair '{min(both)}' is in the training data and in those that are held out.",
            "Hold out other places than those trained with.",
        )
