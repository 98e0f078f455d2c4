"""Methods that answer without looking: for the bench's own tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sarto.core.bench.methods import Answer, Method, MethodOptions
from sarto.core.bench.protocols import Sample
from sarto.core.contract import Floats, NoMatchError, Reporter, SearchRange, TiePoints

IDENTITY = np.eye(2, 3)


class Fixed:
    """Always answers the same affine, as many tie points, a verdict."""

    name = "fixed"

    def __init__(self, affine: Floats | None = None, verdict: str = "trusted") -> None:
        self.affine = IDENTITY if affine is None else affine
        self.verdict = verdict
        self.asked = 0

    def register(self, sample: Sample, search: SearchRange, reporter: Reporter) -> Answer:
        self.asked += 1
        points = np.random.default_rng(0).uniform(0, 60, (12, 2))
        moved = points @ self.affine[:, :2].T + self.affine[:, 2]
        confidence = np.linspace(0.1, 0.9, 12)
        ties = TiePoints(points, moved, confidence, np.zeros(12))
        kept = confidence > 0.3
        return Answer(
            self.affine,
            ties.select(kept),
            self.verdict,
            0.75,
            ties,
            kept,
            {"peak": confidence * 2, "edge": points[:, 0]},
        )


class Faulty(Fixed):
    """Breaks down on the second pair it is asked about, refuses the third."""

    def register(self, sample: Sample, search: SearchRange, reporter: Reporter) -> Answer:
        answer = super().register(sample, search, reporter)
        if self.asked == 3:  # the first question is the warm-up
            raise ZeroDivisionError("no\nluck")
        if self.asked == 4:
            raise NoMatchError("Nothing fits.")
        return answer


class Stopping(Fixed):
    """The user presses Ctrl-C after two pairs."""

    def register(self, sample: Sample, search: SearchRange, reporter: Reporter) -> Answer:
        answer = super().register(sample, search, reporter)
        if self.asked == 4:
            raise KeyboardInterrupt
        return answer


def making(method: Method) -> Callable[[str, MethodOptions], Method]:
    """What the runner takes in place of `open_method`."""
    return lambda _name, _options: method


def make_fixed(_name: str, _options: MethodOptions) -> Method:
    """Picklable, for several processes."""
    return Fixed()
