"""The end of a bench: its summary as JSON, Markdown and text."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..contract import to_dict
from .control import Chance, chance
from .evaluate import Task
from .manifest import Pair
from .protocols import WINDOW_SHARE
from .records import FAILED, Row
from .summary import GroupSummary, groups, summarise
from .tables import as_text, markdown_page, table_rows


@dataclass(frozen=True)
class BenchResult:
    """What a bench found.

    groups: figures by group ("all", "tight", …; see `summary.groups`), empty if no pair was run.
    images: digest of the images seen, equal for all methods that saw the same.
    chance: what a method would score that does not look; None for protocols without a range of truths.
    """

    options: dict[str, Any]
    rows: tuple[Row, ...]
    groups: dict[str, GroupSummary]
    images: str
    chance: Chance | None
    interrupted: bool
    folder: Path

    @property
    def title(self) -> str:
        control = ", control (speckle for SAR)" if self.options["control"] else ""
        return f"{self.options['method']}, protocol {self.options['protocol']}{control}"

    @property
    def notes(self) -> list[str]:
        """Sentences below the table."""
        notes = []
        if self.interrupted:
            notes.append("The run was interrupted; these are the pairs that it had finished (--resume goes on).")
        broken = [r for r in self.rows if r.verdict == FAILED]
        if broken:
            notes.append(
                f"The method broke down on {len(broken)} pair(s), first on {broken[0].pair_id}: "
                f"{broken[0].message}"
            )
        if self.chance is not None and "all" in self.groups:
            notes.append(_chance_note(self.chance, self.groups["all"], bool(self.options["control"])))
        if self.options["protocol"] == "shuffled" and self.groups.get("all") is not None:
            notes.append("Nothing in common: every trusted pair is wrongly trusted.")
        return notes

    def text(self) -> str:
        """The summary for the terminal."""
        table = as_text(table_rows(self.groups)) if self.groups else "No pair was run."
        return "\n".join([f"{self.title} (images {self.images})", table, *self.notes, f"→ {self.folder}"])

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; shares are 0…1."""
        return {
            "options": self.options,
            "pairs": len(self.rows),
            "interrupted": self.interrupted,
            "notes": self.notes,
            "images": self.images,
            "chance": to_dict(self.chance),
            "machine": _machine(),
            "groups": to_dict(self.groups),
        }


def conclude(
    task: Task,
    options: dict[str, Any],
    rows: Sequence[Row],
    pairs: Sequence[Pair],
    folder: Path,
    interrupted: bool,
) -> BenchResult:
    """Summarise the rows of `pairs` and write `summary.json` and `summary.md`.

    Rows of other pairs (of an earlier run with a larger choice) stay in `pairs.csv` but do not count.
    """
    wanted = {p.pair_id for p in pairs}
    rows = [r for r in rows if r.pair_id in wanted]
    has_truth = task.protocol != "shuffled"
    summaries = {name: summarise(group, has_truth, task.has_consistency) for name, group in groups(rows).items()}
    result = BenchResult(
        options,
        tuple(rows),
        summaries,
        task.store().digest(pairs),
        chance(task.protocol, _typical_side(task, pairs)) if rows else None,
        interrupted,
        folder,
    )
    (folder / "summary.json").write_text(json.dumps(result.to_json(), indent=1) + "\n", encoding="utf-8")
    (folder / "summary.md").write_text(_page(result), encoding="utf-8")
    return result


def _typical_side(task: Task, pairs: Sequence[Pair]) -> tuple[int, int]:
    """(width, height) of the window of the first pair; chance depends on it only through the shift."""
    if task.protocol == "none":
        return 256, 256
    rows, columns = task.store().get(pairs[0]).optical.shape
    return columns, rows


def _page(result: BenchResult) -> str:
    options = result.options
    facts = {
        "manifest digest": options["manifest"],
        "seed": options["seed"],
        "search": ", ".join(f"{k} {v}" for k, v in options["search"].items() if v is not None),
        "images digest": result.images,
        "optical window": f"{WINDOW_SHARE:g} of the chip" if options["protocol"] != "none" else "whole chip",
        "machine": ", ".join(f"{k} {v}" for k, v in _machine().items()),
    }
    return markdown_page(result.title, facts, result.groups, result.notes)


def _chance_note(level: Chance, overall: GroupSummary, is_control: bool) -> str:
    def shares(values: dict[str, float]) -> str:
        return " / ".join(f"{100 * v:.1f}" for v in values.values())

    note = (
        f"Chance, CMR@1/3/5 in %: {shares(level.random)} for random poses of the range, "
        f"{shares(level.constant)} for always its middle."
    )
    if not is_control or overall.cmr is None:
        return note
    if is_at_chance(level, overall):
        return f"{note} The control is not above chance."
    return f"{note} The control is ABOVE CHANCE: the images give the warp away."


_SIGNIFICANT = 0.01  # small, since three thresholds are looked at
_LEAST_CHANCE = 1e-4  # what the Monte Carlo cannot tell from 0


def is_at_chance(level: Chance, overall: GroupSummary) -> bool:
    """Whether not looking would score each CMR as well or better at least once in a hundred benches.

    An exact binomial test: with few pairs and a chance near 0 an interval around the measured share is too narrow.
    """
    for threshold, found in (overall.cmr or {}).items():
        p = max(level.random[f"cmr{threshold}"], level.constant[f"cmr{threshold}"], _LEAST_CHANCE)
        if binomial_tail(round(found.value * found.of), found.of, p) < _SIGNIFICANT:
            return False
    return True


def binomial_tail(hits: int, of: int, p: float) -> float:
    """The probability of at least `hits` among `of` where each has probability p, 0 < p < 1."""

    def log_term(k: int) -> float:
        ways = math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1)
        return ways + k * math.log(p) + (of - k) * math.log1p(-p)

    return math.fsum(math.exp(log_term(k)) for k in range(hits, of + 1))


def _machine() -> dict[str, Any]:
    return {
        "system": platform.system(),
        "cpu": f"{platform.machine()} × {os.cpu_count()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }
