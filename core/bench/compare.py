"""One table per protocol of all methods, from what earlier benches have written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..contract import Verdict
from .finished import Finished
from .paired import PerPair, lead
from .protocols import PROTOCOLS
from .records import FAILED, Row
from .summary import CAP_PX, GOOD_PX, WRONG_PX, Share, is_success, share
from .tables import as_markdown

LEGEND = (
    "In brackets: 95 % intervals (Wilson); all in % unless a unit is given. CMR@τ: pairs with dense-grid RMSE "
    "below τ px. SR: pairs with at least 10 correct matches (tie points within 3 px of truth); NCM: correct "
    "matches, and RMSE: root mean square of their errors, px, both means over the pairs of SR only: failures do "
    "not count. Trusted, under `shuffled`: pairs of different places, of which none should be. Bold: the best "
    "of the methods, where its lead over the second is beyond chance (paired bootstrap, 95 %); never where the "
    "two saw other pairs, or fewer than 20. –: not measured. Any of them: pairs on which at least one of the "
    "methods that saw them all succeeds, variants and controls left out; none that chooses among these could do "
    "better."
)

ANY_METHOD = "any of them"
"""In place of a method's name: the best of all on each pair."""
Adds = Callable[[Row], tuple[float, float]]
"""What a row adds above and below the line of a figure, see `PerPair`; NaN where it was not measured."""


@dataclass(frozen=True)
class Measure:
    """A column. digits: None for a share with its interval. sign: -1 where less is better.

    needs_verdicts: a method that gives none has no figure. protocols: (), all but `shuffled`.
    of_any: it counts pairs, so that it can be told on how many at least one method succeeds.
    """

    head: str
    adds: Adds
    digits: int | None = None
    sign: int = 1
    needs_verdicts: bool = False
    protocols: tuple[str, ...] = ()
    of_any: bool = False

    def is_of(self, protocol: str) -> bool:
        return protocol in self.protocols if self.protocols else protocol != "shuffled"


def _error(row: Row) -> float:
    return min(row.rmse, CAP_PX) if math.isfinite(row.rmse) else CAP_PX


def _is_trusted(row: Row) -> bool:
    return row.verdict == Verdict.TRUSTED.value


def _within(limit: float) -> Adds:
    return lambda row: (float(_error(row) < limit), 1.0)


def _mean_of_success(value: Callable[[Row], float]) -> Adds:
    return lambda row: (value(row), 1.0) if is_success(row) else (0.0, 0.0)


def _trusted_of_good(row: Row) -> tuple[float, float]:
    is_good = _error(row) <= GOOD_PX
    return float(is_good and _is_trusted(row)), float(is_good)


def _ncm(row: Row) -> float:
    return math.nan if row.ncm is None else float(row.ncm)


_MATCHES = ("promptmid",)
MEASURES = (
    Measure("CMR@3", _within(3), of_any=True),
    Measure("CMR@5", _within(5), of_any=True),
    Measure("SR", lambda row: (float(is_success(row)), 1.0), protocols=_MATCHES, of_any=True),
    Measure("NCM", _mean_of_success(_ncm), 0, protocols=_MATCHES),
    Measure("RMSE, px", _mean_of_success(lambda row: row.match_rmse), 2, -1, protocols=_MATCHES),
    Measure("trusted of those within 3 px", _trusted_of_good, needs_verdicts=True),
    Measure(
        "trusted, yet more than 5 px off",
        lambda row: (float(_is_trusted(row) and _error(row) > WRONG_PX), 1.0),
        sign=-1,
        needs_verdicts=True,
    ),
    Measure(
        "trusted",
        lambda row: (float(_is_trusted(row)), 1.0),
        sign=-1,
        needs_verdicts=True,
        protocols=("shuffled",),
    ),
)


@dataclass(frozen=True)
class Cell:
    """A figure of one method, None where it was not measured. is_best: ahead of the others beyond chance."""

    measure: Measure
    figure: PerPair | None
    is_best: bool = False

    @property
    def value(self) -> float:
        """0…1 for a share; NaN where there is no figure."""
        return math.nan if self.figure is None else self.figure.value

    @property
    def interval(self) -> Share | None:
        """A share with its interval; None for other figures, and where there is none."""
        if self.figure is None or self.measure.digits is not None or not math.isfinite(self.value):
            return None
        return share(round(float(self.figure.above.sum())), round(float(self.figure.below.sum())))

    def text(self) -> str:
        """As it stands in a table, shares in %."""
        if not math.isfinite(self.value):
            return "–"
        found, digits = self.interval, self.measure.digits
        number = f"{100 * self.value:.1f}" if digits is None else f"{self.value:.{digits}f}"
        number = f"**{number}**" if self.is_best else number
        return number if found is None else f"{number} ({100 * found.low:.0f}–{100 * found.high:.0f})"


@dataclass(frozen=True)
class Line:
    """One method on a group of pairs, "tight" or "all". count: of them."""

    pairs: str
    group: str
    method: str
    count: int
    cells: tuple[Cell, ...]

    def texts(self) -> list[str]:
        """The row of the table."""
        return [
            f"{self.pairs}, {self.group}",
            self.method if self.method == ANY_METHOD else f"`{self.method}`",
            str(self.count),
            *(c.text() for c in self.cells),
        ]


def tables(runs: Sequence[Finished]) -> dict[str, list[Line]]:
    """Protocol → its lines: tight pairs of each manifest, then all pairs; methods in the order of the runs."""
    found = {}
    for protocol in sorted({run.protocol for run in runs}, key=_place):
        of_protocol = [run for run in runs if run.protocol == protocol]
        manifests = list(dict.fromkeys(run.manifest for run in of_protocol))
        found[protocol] = [
            line
            for group in ("tight", "all")
            for manifest in manifests
            for line in _lines([run for run in of_protocol if run.manifest == manifest], group)
        ]
    return found


def _place(protocol: str) -> tuple[int, str]:
    known = PROTOCOLS.index(protocol) if protocol in PROTOCOLS else len(PROTOCOLS)
    return known, protocol


def _lines(runs: Sequence[Finished], group: str) -> list[Line]:
    """The methods that were run on such pairs of one manifest."""
    chosen = [(run, rows) for run in runs if (rows := _rows(run, group))]
    measures = [m for m in MEASURES if m.is_of(runs[0].protocol)]
    columns = [_best_marked([Cell(m, _figure(m, rows)) for _, rows in chosen]) for m in measures if chosen]
    lines = [
        Line(run.pairs, group, run.method, len(rows), tuple(column[i] for column in columns))
        for i, (run, rows) in enumerate(chosen)
    ]
    return lines + _any_of([line for line, (run, _) in zip(lines, chosen) if run.is_plain])


def _any_of(lines: list[Line]) -> list[Line]:
    """On how many pairs at least one of the methods succeeds that saw all of them; [] for a single method."""
    whole = [line for line in lines if line.cells[0].figure is not None]
    most = max((line.count for line in whole), default=0)
    whole = [line for line in whole if line.count == most]
    figures = [line.cells[0].figure for line in whole]
    if len(whole) < 2 or len({frozenset(f.pairs) for f in figures if f is not None}) > 1:
        return []
    cells = tuple(_any_cell([line.cells[i] for line in whole]) for i in range(len(whole[0].cells)))
    return [Line(whole[0].pairs, whole[0].group, ANY_METHOD, most, cells)] if any(c.figure for c in cells) else []


def _any_cell(cells: list[Cell]) -> Cell:
    """The figure of the best method of each pair, for measures that count pairs."""
    measure, figures = cells[0].measure, [c.figure for c in cells if c.figure is not None]
    if not measure.of_any or len(figures) < len(cells):
        return Cell(measure, None)
    names = figures[0].pairs
    above = [dict(zip(f.pairs, f.above)) for f in figures]
    best = np.array([max(one[name] for one in above) for name in names])
    return Cell(measure, PerPair(names, best, figures[0].below))


def _rows(run: Finished, group: str) -> list[Row]:
    """The rows of a group; none of "all" where only tight pairs were run."""
    if group == "tight":
        return [r for r in run.rows if r.tight]
    return list(run.rows) if any(not r.tight for r in run.rows) else []


def _figure(measure: Measure, rows: Sequence[Row]) -> PerPair | None:
    judged = any(r.verdict not in ("", FAILED) for r in rows)
    if measure.needs_verdicts and not judged:
        return None
    added = np.array([measure.adds(r) for r in rows], dtype=np.float64)
    return PerPair(tuple(r.pair_id for r in rows), added[:, 0], added[:, 1])


def _best_marked(cells: list[Cell]) -> list[Cell]:
    """The best marked where its lead over the second, or each of several equal ones, is beyond chance."""
    sign = cells[0].measure.sign
    ranked = sorted((c for c in cells if math.isfinite(c.value)), key=lambda c: -sign * c.value)
    if len(ranked) < 2 or ranked[0].figure is None:
        return cells
    best = ranked[0].figure
    for other in (c.figure for c in ranked[1:] if c.value == ranked[1].value):
        if other is None or set(other.pairs) != set(best.pairs) or not lead(best, other).is_beyond_chance:
            return cells
    return [Cell(c.measure, c.figure, c is ranked[0]) for c in cells]


def markdown(found: dict[str, list[Line]]) -> str:
    """The tables as Markdown."""
    parts = ["# Methods compared", LEGEND]
    for protocol, lines in found.items():
        head = ["pairs", "method", "n", *(m.head for m in MEASURES if m.is_of(protocol))]
        parts += [f"## `{protocol}`", as_markdown([head, *(line.texts() for line in lines)], left=2)]
    return "\n\n".join(parts) + "\n"


def to_json(found: dict[str, list[Line]]) -> list[dict[str, object]]:
    """The lines, ready for JSON; shares 0…1, null where there is no figure."""
    return [
        {
            "protocol": protocol,
            "pairs": line.pairs,
            "group": line.group,
            "method": line.method,
            "n": line.count,
            "figures": {c.measure.head: _figure_to_json(c) for c in line.cells},
        }
        for protocol, lines in found.items()
        for line in lines
    ]


def _figure_to_json(cell: Cell) -> dict[str, object] | None:
    if not math.isfinite(cell.value):
        return None
    found = cell.interval
    limits = {} if found is None else {"low": found.low, "high": found.high}
    return {"value": cell.value, **limits, "best": cell.is_best}
