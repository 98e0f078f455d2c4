"""Which published alignments several methods contradict with one voice.

Methods are judged against alignments as published, which are off here and there. Under each protocol a pair is
shown in another window and another warp; taken back to the chips, every result answers the same question: where
does the optical chip lie in the SAR chip? Wrong answers differ from one window to the next. Where most answers, of
several methods, are the same to about a pixel, but are not the published one, that one is in doubt: it is off, or
something in the images misleads all methods alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..contract import Floats
from ..geometry import affine
from .finished import Finished
from .manifest import Manifest, Pair, read_chip
from .measures import to_chips
from .protocols import lay_out
from .records import Row
from .summary import GOOD_PX
from .tables import as_markdown

SAME_PX = 1.5
"""Answers that differ by less, RMS over the middle of the chip, are the same."""
MOST = 2 / 3
"""Share of all answers to a pair, failures among them, that must be the same."""
LEAST_ANSWERS, LEAST_METHODS = 4, 2


@dataclass(frozen=True)
class Answer:
    """What a run says of a pair. chips: (2, 3) affine optical chip pixel → SAR chip pixel, None for a failure."""

    run: Finished
    chips: Floats | None


@dataclass(frozen=True)
class Voice:
    """What most answers to a pair say. All distances in pixels of the SAR chip, RMS over the middle of the chip.

    answers: all of them; same: those that are the same as most; spread: their distance from their mean; distance:
    of that from what is published; away: likewise, (x, y) in the middle.
    """

    pair: Pair
    answers: tuple[Answer, ...]
    same: tuple[Answer, ...]
    spread: float
    distance: float
    away: tuple[float, float]

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(answer.run.method for answer in self.same))

    @property
    def is_one(self) -> bool:
        """Whether most answers, of several methods, are the same."""
        enough = len(self.same) >= max(MOST * len(self.answers), LEAST_ANSWERS)
        return enough and len(self.methods) >= LEAST_METHODS

    @property
    def doubts(self) -> bool:
        """Whether they are not what is published."""
        return self.is_one and self.distance > GOOD_PX


@dataclass(frozen=True)
class Misses:
    """Tight pairs of a run that are more than 3 px off; doubted: those of them where it says what most answers say
    against what is published."""

    run: Finished
    tight: int
    missed: int
    doubted: int


def voices(manifest: Manifest, runs: Sequence[Finished]) -> list[Voice]:
    """One for each pair to which there is an answer, in the manifest's order. runs: on this manifest.

    Raises InputError for a chip that cannot be read: its size says where the windows were.
    """
    by_pair: dict[str, list[tuple[Finished, Row]]] = {}
    for run in runs:
        for row in run.rows:
            by_pair.setdefault(row.pair_id, []).append((run, row))
    found = (_voice(pair, by_pair[pair.pair_id]) for pair in manifest.pairs if pair.pair_id in by_pair)
    return [voice for voice in found if voice is not None]


def misses(found: Sequence[Voice], runs: Sequence[Finished]) -> list[Misses]:
    """Of each run, in their order."""
    doubted = {(answer.run.folder, voice.pair.pair_id) for voice in found if voice.doubts for answer in voice.same}
    counted = []
    for run in runs:
        tight = [row for row in run.rows if row.tight]
        missed = [row for row in tight if not row.rmse < GOOD_PX]  # NaN, too
        known = sum((run.folder, row.pair_id) in doubted for row in missed)
        counted.append(Misses(run, len(tight), len(missed), known))
    return counted


def _voice(pair: Pair, shown: Sequence[tuple[Finished, Row]]) -> Voice | None:
    chip = read_chip(pair.optical).shape

    def chips(run: Finished, row: Row) -> Floats | None:
        if row.affine is None:
            return None
        return to_chips(row.affine, lay_out(pair.pair_id, chip, pair.published, run.protocol, run.options["seed"]))

    answers = tuple(Answer(run, chips(run, row)) for run, row in shown)
    given = [(answer, answer.chips) for answer in answers if answer.chips is not None]
    if not given:
        return None
    apart = np.array([[_distance(one, other, chip) for _, other in given] for _, one in given])
    same = apart < SAME_PX
    middlemost = min(range(len(given)), key=lambda k: (-same[k].sum(), apart[k][same[k]].mean()))
    chosen = [one for one, is_same in zip(given, same[middlemost]) if is_same]
    mean: Floats = np.mean([answer for _, answer in chosen], axis=0)
    spread = math.sqrt(np.mean([_distance(answer, mean, chip) ** 2 for _, answer in chosen]))
    middle = [(n - 1) / 2 for n in chip[::-1]]
    x, y = (affine.apply(mean, [middle]) - affine.apply(pair.published, [middle]))[0]
    return Voice(
        pair,
        answers,
        tuple(answer for answer, _ in chosen),
        spread,
        _distance(mean, pair.published, chip),
        (float(x), float(y)),
    )


def _distance(first: Floats, second: Floats, chip: tuple[int, ...]) -> float:
    """RMS over the middle half of the chip (rows, columns), which windows of all protocols show."""
    rows, columns = chip
    to_middle = np.array([[1, 0, columns / 4], [0, 1, rows / 4]])
    first, second = (affine.compose(one, to_middle) for one in (first, second))
    return affine.grid_distance(first, second, (round(rows / 2), round(columns / 2)))


def markdown(found: Sequence[Voice], runs: Sequence[Finished]) -> str:
    """The pairs in doubt, and what they have to do with the misses of each run."""
    tight = [voice for voice in found if voice.pair.tight]
    doubted = [voice for voice in tight if voice.doubts]
    pairs = [["pair", "same answers", "methods", "their spread, px", "published place off by, px", "x, y"]]
    pairs += [
        [
            f"`{voice.pair.pair_id}`",
            f"{len(voice.same)} of {len(voice.answers)}",
            ", ".join(f"`{name}`" for name in voice.methods),
            f"{voice.spread:.1f}",
            f"{voice.distance:.1f}",
            "{:+.1f}, {:+.1f}".format(*voice.away),
        ]
        for voice in sorted(doubted, key=lambda voice: -voice.distance)
    ]
    lines = [["method", "protocol", "tight pairs", "more than 3 px off", "of these with the answer of most"]]
    lines += [
        [f"`{m.run.method}`", f"`{m.run.protocol}`", str(m.tight), str(m.missed), str(m.doubted)]
        for m in misses(found, runs)
    ]
    one = sum(voice.is_one for voice in tight)
    said = f"{len(tight)} tight pairs; most answers are the same on {one}, and not as published on {len(doubted)}."
    return "\n\n".join([said, as_markdown(pairs, left=1), as_markdown(lines, left=2)]) + "\n"


def to_json(found: Sequence[Voice]) -> list[dict[str, object]]:
    """What is said of all pairs, ready for JSON."""
    return [
        {
            "pair_id": voice.pair.pair_id,
            "tight": voice.pair.tight,
            "doubts": voice.doubts,
            "answers": len(voice.answers),
            "same": len(voice.same),
            "methods": list(voice.methods),
            "spread": voice.spread,
            "distance": voice.distance,
            "away": list(voice.away),
        }
        for voice in found
    ]
