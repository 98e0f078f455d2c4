"""The log of a run: a CSV of its figures that survives stops, and TensorBoard's files where it is installed."""

from __future__ import annotations

import contextlib
import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..contract import Floats, InputError

TRAINED, HELD_OUT = "train", "held out"
"""Kinds of rows: means over training steps since the last row, and checks on pairs that are held out."""


class Log:
    """Appends rows to `log.csv` in a folder. Use as a context manager.

    names: columns of figures: losses, and shares 0…1 whose names end in "right". What took no part in a step has
    no number (nan).
    """

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self._folder, self._names = folder, names
        self._board: Any = None

    def __enter__(self) -> Log:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "log.csv"
        content = path.read_bytes() if path.exists() else b""
        with path.open("ab") as file:
            if not content:
                file.write((",".join(("step", "kind", *self._names, "seconds")) + "\r\n").encode())
            elif not content.endswith(b"\n"):
                file.write(b"\r\n")  # the last row was cut off
        with contextlib.suppress(ImportError):
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self._folder / "tensorboard"))
        return self

    def __exit__(self, *_: object) -> None:
        if self._board is not None:
            self._board.close()

    def add(self, step: int, kind: str, figures: Mapping[str, float], seconds: float = 0.0) -> None:
        """One row. seconds: per step."""
        values = [round(figures[name], 5) for name in self._names]
        with (self._folder / "log.csv").open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([step, kind, *values, round(seconds, 4)])
        if self._board is not None:
            for name in self._names:
                if not math.isnan(figures[name]):
                    self._board.add_scalar(f"{name}/{kind}".replace(" ", "_"), figures[name], step)


@dataclass(frozen=True)
class Curve:
    """Rows of one kind. steps: (N,) rising; figures: (N,) by name; seconds: (N,) per step."""

    steps: Floats
    figures: dict[str, Floats]
    seconds: Floats


def read_log(folder: Path) -> dict[str, Curve]:
    """The curves of a run by kind. Raises InputError where there is no log.

    What was trained again after a stop counts as it came out the second time; rows that were cut off are left out.
    """
    path = folder / "log.csv"
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The log {path} cannot be read: {error}.", "Name the folder of a training run."
        ) from error
    names = tuple(rows[0][2:-1]) if rows and rows[0][:2] == ["step", "kind"] else ()
    found: dict[str, list[list[float]]] = {}
    for row in rows:
        if len(row) != len(names) + 3 or row[1] not in (TRAINED, HELD_OUT):
            continue
        try:
            values = [float(row[0]), *(float(v) for v in row[2:])]
        except ValueError:
            continue
        kept = found.setdefault(row[1], [])
        while kept and kept[-1][0] >= values[0]:
            kept.pop()
        kept.append(values)
    return {kind: _curve(np.array(values), names) for kind, values in found.items()}


def _curve(table: Floats, names: tuple[str, ...]) -> Curve:
    figures = {name: table[:, k] for k, name in enumerate(names, start=1)}
    return Curve(table[:, 0], figures, table[:, -1])
