"""How reliable a method's confidence and evidence are: of those that say 0.8, are 80 % right?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..contract import Flags, Floats, InputError, to_dict
from .records import read_rows, read_ties
from .tables import as_text

RIGHT_TIE_PX = 2.0  # the contract: confidence is the probability of being right within 2 px
RIGHT_POSE_PX = 5.0
BINS = 10


@dataclass(frozen=True)
class Bin:
    """Cases whose stated probability lies in [low, high): how many, what they say on average, what is true."""

    low: float
    high: float
    count: int
    stated: float
    right: float


@dataclass(frozen=True)
class Reliability:
    """A reliability table. ece: expected calibration error, the mean gap |stated − right| weighted by count."""

    title: str
    bins: tuple[Bin, ...]
    ece: float
    count: int

    def text(self) -> str:
        """A table for the terminal."""
        if not self.count:
            return f"{self.title}: nothing recorded."
        rows = [["stated", "cases", "mean stated", "right"]]
        rows += [
            [f"{b.low:.1f}–{b.high:.1f}", str(b.count), f"{b.stated:.3f}", f"{b.right:.3f}"] for b in self.bins
        ]
        return f"{self.title}\n{as_text(rows)}\nexpected calibration error {self.ece:.3f} over {self.count} cases"


@dataclass(frozen=True)
class Report:
    """Reliability of the confidence of tie points (all, and those kept) and of the evidence for poses."""

    folders: tuple[str, ...]
    tables: tuple[Reliability, ...]

    def text(self) -> str:
        """All tables for the terminal."""
        return "\n\n".join(["Reliability over " + ", ".join(self.folders), *(t.text() for t in self.tables)])

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON."""
        data: dict[str, Any] = to_dict(self)
        return data


def reliability(title: str, stated: Floats, right: Flags, bins: int = BINS) -> Reliability:
    """The table for stated probabilities (N,) 0…1 and what came true (N,); NaN are left out."""
    known = np.isfinite(stated)
    stated, right = np.clip(stated[known], 0.0, 1.0), right[known]
    index = np.minimum((stated * bins).astype(int), bins - 1)
    found = []
    for i in range(bins):
        members = index == i
        if members.any():
            mean, share = float(stated[members].mean()), float(right[members].mean())
            found.append(Bin(i / bins, (i + 1) / bins, int(members.sum()), mean, share))
    total = max(1, len(stated))
    ece = sum(b.count * abs(b.stated - b.right) for b in found) / total
    return Reliability(title, tuple(found), ece, len(stated))


def read_reliability(folders: Sequence[Path], only_tight: bool = False) -> Report:
    """Reliability over finished benches, taken together.

    Confidence needs benches run with --ties and a truth; evidence is only told apart from luck if a `shuffled`
    bench is among them, in which every pose is wrong. only_tight: leave out pairs whose published alignment,
    which the errors are measured against, is itself off. Raises InputError for a folder that holds no bench.
    """
    confidence, errors, inliers = [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
    evidence, right = [np.zeros(0)], [np.zeros(0, dtype=np.bool_)]
    for folder in folders:
        shuffled = _protocol(folder) == "shuffled"
        rows = [r for r in read_rows(folder / "pairs.csv") if not only_tight or r.tight]
        pairs = {r.pair_id for r in rows}
        rows = [r for r in rows if np.isfinite(r.evidence)]
        evidence.append(np.array([r.evidence for r in rows], dtype=np.float64))
        right.append(np.array([not shuffled and r.rmse <= RIGHT_POSE_PX for r in rows], dtype=np.bool_))
        if (folder / "ties.csv.gz").exists():
            ties = read_ties(folder / "ties.csv.gz")
            wanted = np.array([pair in pairs for pair in ties.pair_id], dtype=np.bool_)
            columns = {name: values[wanted] for name, values in ties.columns.items()}
            confidence.append(columns["confidence"])
            # A tie point between two different places is wrong, whatever it says.
            errors.append(np.full(len(columns["error"]), np.inf) if shuffled else columns["error"])
            inliers.append(columns["inlier"])
    said, error, kept = (np.concatenate(parts) for parts in (confidence, errors, inliers))
    correct, inlier = error <= RIGHT_TIE_PX, kept > 0
    tables = (
        reliability("confidence of all tie points, right within 2 px", said, correct),
        reliability("confidence of the tie points kept, right within 2 px", said[inlier], correct[inlier]),
        reliability("evidence for the pose, right within 5 px", np.concatenate(evidence), np.concatenate(right)),
    )
    return Report(tuple(str(f) for f in folders), tables)


def _protocol(folder: Path) -> str:
    try:
        notes = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
        return str(notes["protocol"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{folder} does not hold a finished bench.", "Give a folder with a bench.json."
        ) from error
