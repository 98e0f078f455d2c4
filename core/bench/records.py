"""One row per pair: `pairs.csv`, written as the bench goes; one row per tie point: `ties.csv.gz`."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..contract import Floats, InputError
from .methods import Answer

COLUMNS = (
    "pair_id", "a11", "a12", "a13", "a21", "a22", "a23", "rmse", "tie_points", "ncm", "verdict", "seconds",
    "peak_mb", "evidence", "set", "tight", "consistency_rmse", "match_rmse", "check_rmse",
    "message",
)  # fmt: skip
_ADDED = ("match_rmse", "check_rmse")  # in this order; files written before they were measured lack them
_TIE_COLUMNS = ("pair_id", "x", "y", "sar_x", "sar_y", "confidence", "round_trip", "inlier", "error")

FAILED = "failed"  # verdict of a pair on which the method broke down, as opposed to refusing it


@dataclass(frozen=True)
class Row:
    """What was measured on a pair.

    affine: (2, 3) optical pixel → SAR pixel, None where no transform was found.
    rmse: pixels, against truth over a dense grid; NaN without transform or without truth.
    ncm: tie points within 3 px of truth; None without truth.
    verdict: the engine's, `FAILED`, or "" for a method that gives none.
    peak_mb: high-water mark of the process up to this pair; NaN where the system does not tell.
    consistency_rmse: pixels between the results under two warps; NaN where not measured or one is missing.
    match_rmse: pixels, root mean square error of the `ncm` correct matches; NaN where there are none, without
        truth, and in rows of files that were written before it was measured.
    check_rmse: pixels, residual of the check points, as the method states it; NaN as above.
    """

    pair_id: str
    affine: Floats | None
    rmse: float
    tie_points: int
    ncm: int | None
    verdict: str
    seconds: float
    peak_mb: float
    evidence: float
    set: str = ""
    tight: bool | None = None
    consistency_rmse: float = math.nan
    match_rmse: float = math.nan
    check_rmse: float = math.nan
    message: str = ""

    def cells(self) -> list[str]:
        """The row as text in the order of `COLUMNS`; empty where there is no value."""
        numbers = [""] * 6 if self.affine is None else [f"{v:.9g}" for v in self.affine.ravel()]
        return [
            self.pair_id,
            *numbers,
            _text(self.rmse, 4),
            str(self.tie_points),
            "" if self.ncm is None else str(self.ncm),
            self.verdict,
            _text(self.seconds, 4),
            _text(self.peak_mb, 1),
            _text(self.evidence, 6),
            self.set,
            "" if self.tight is None else str(int(self.tight)),
            _text(self.consistency_rmse, 4),
            _text(self.match_rmse, 4),
            _text(self.check_rmse, 4),
            " ".join(self.message.split()),
        ]

    @staticmethod
    def of_cells(cells: list[str], columns: Sequence[str] = COLUMNS) -> Row:
        """The inverse of `cells`, also under an older file's columns. Raises ValueError for other text."""
        if len(cells) != len(columns):
            raise ValueError(f"{len(cells)} cells in place of {len(columns)}")
        cell = dict.fromkeys(COLUMNS, "") | dict(zip(columns, cells))
        numbers = cells[1:7]
        return Row(
            cell["pair_id"],
            np.array([float(v) for v in numbers]).reshape(2, 3) if all(numbers) else None,
            _number(cell["rmse"]),
            int(cell["tie_points"]),
            int(cell["ncm"]) if cell["ncm"] else None,
            cell["verdict"],
            _number(cell["seconds"]),
            _number(cell["peak_mb"]),
            _number(cell["evidence"]),
            cell["set"],
            bool(int(cell["tight"])) if cell["tight"] else None,
            _number(cell["consistency_rmse"]),
            _number(cell["match_rmse"]),
            _number(cell["check_rmse"]),
            cell["message"],
        )


def _text(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


def _number(text: str) -> float:
    return float(text) if text else math.nan


def _line(cells: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


_KNOWN_COLUMNS = tuple(tuple(n for n in COLUMNS if n not in _ADDED[k:]) for k in range(len(_ADDED) + 1))


class PairLog:
    """`pairs.csv`, flushed after each row, so that an interrupted bench keeps what it has.

    rows: those read from an earlier run (`resume`) and those added since; a half-written last line is dropped.
    """

    def __init__(self, path: Path, resume: bool = False) -> None:
        self.rows = read_rows(path) if resume and path.exists() else []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8", newline="")
        self._file.write(_line(COLUMNS))
        for row in self.rows:
            self._file.write(_line(row.cells()))
        self._file.flush()

    def add(self, row: Row) -> None:
        """Append a row and flush it."""
        self.rows.append(row)
        self._file.write(_line(row.cells()))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read_rows(path: Path) -> list[Row]:
    """The rows of a `pairs.csv`, also of one written before a column was added.

    Raises InputError where it is none; a damaged last line is left out.
    """
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}.", "Give the folder of a finished bench.") from error
    if not lines or tuple(lines[0]) not in _KNOWN_COLUMNS:
        raise InputError(f"{path} does not have the columns of a bench.", "Give the folder of a finished bench.")
    rows: list[Row] = []
    for number, cells in enumerate(lines[1:], start=2):
        try:
            rows.append(Row.of_cells(cells, lines[0]))
        except ValueError as error:
            if number == len(lines):
                break
            raise InputError(f"{path}, line {number} is damaged: {error}.", "Run the bench again.") from error
    return rows


def write_ties(path: Path, pair_id: str, answer: Answer, error: Floats) -> None:
    """Append every tie point of a pair, before rejection, with its error (N,) against truth in pixels.

    The features named at the first pair become the last columns. Each pair is a gzip member of its own, so
    that an interrupted file is readable up to its last pair.
    """
    ties = answer.candidates
    if not len(ties):
        return
    names = sorted(answer.features) if not path.exists() else _feature_names(path)
    table: list[Floats] = [
        ties.reference[:, 0], ties.reference[:, 1], ties.moving[:, 0], ties.moving[:, 1],
        ties.confidence, ties.round_trip, answer.inliers.astype(np.float64), error,
    ]  # fmt: skip
    table += [answer.features.get(name, np.full(len(ties), np.nan)) for name in names]
    text = "" if path.exists() else _line((*_TIE_COLUMNS, *names))
    text += "".join(_line([pair_id, *(f"{v:.6g}" for v in values)]) for values in np.stack(table, axis=1))
    with path.open("ab") as file:
        file.write(gzip.compress(text.encode(), mtime=0))


def _feature_names(path: Path) -> list[str]:
    return next(iter(_tie_lines(path)))[len(_TIE_COLUMNS) :]


def _tie_lines(path: Path) -> Iterator[list[str]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            yield from csv.reader(file)
    except (EOFError, zlib.error):  # the bench was stopped while writing; everything before is good
        return


@dataclass(frozen=True)
class TieTable:
    """`ties.csv.gz` as columns of equal length; pair_id as text, all others float64 (N,)."""

    pair_id: list[str]
    columns: dict[str, Floats]


def read_ties(path: Path) -> TieTable:
    """Read `ties.csv.gz`. Raises InputError where it is none."""
    lines = list(_tie_lines(path))
    if not lines or tuple(lines[0][: len(_TIE_COLUMNS)]) != _TIE_COLUMNS:
        raise InputError(f"{path} does not have the columns of tie points.", "Run the bench with --ties.")
    names, rows = lines[0][1:], lines[1:]
    values = np.array([r[1:] for r in rows], dtype=np.float64).reshape(len(rows), len(names))
    return TieTable([r[0] for r in rows], {name: values[:, i] for i, name in enumerate(names)})
