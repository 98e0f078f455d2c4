"""A worker with the real server and odd matching methods: `python odd_methods.py`."""

from __future__ import annotations

import ctypes
import os
import sys
import time
import types
from dataclasses import replace

import numpy as np
from sarto.core.contract import CoverMap, MatchResult, NoMatchError, Painting, Reporter, TiePoints
from sarto.core.matching import MatchTask, registry


def result(count: int, **steps: object) -> MatchResult:
    rng = np.random.default_rng(count)
    reference = rng.uniform(0, 500, (count, 2))
    ties = TiePoints(reference, reference + 1.25, rng.uniform(0, 1, count), rng.uniform(0, 1, count))
    pose = np.array([[1.0, 0.0, 1.25], [0.0, 1.0, 1.25]])
    return MatchResult(ties, np.arange(count) % 3 > 0, pose, 0.75, count + 5, steps=dict(steps))


class Echo:
    """Finds as many points as asked for; its steps say what it was given."""

    def __init__(self) -> None:
        self.calls = 0

    def match(self, task: MatchTask, reporter: Reporter) -> MatchResult:
        self.calls += 1
        reporter.log("looking")
        for i in range(10_001):
            reporter.progress("matching", i / 10_000)
        return result(
            task.options.points,
            calls=self.calls,
            sums=[int(task.reference.sum()), int(task.moving.sum())],
            files=[str(getattr(task.reference, "filename", "")), str(getattr(task.moving, "filename", ""))],
            shift_px=task.search.shift_px,
            tolerance_px=task.tolerance_px,
            model=task.model,
            odd=float("nan"),
        )


class Slow:
    """Reports progress for ever."""

    def match(self, task: MatchTask, reporter: Reporter) -> MatchResult:
        while True:
            reporter.progress("working", 0.5)
            time.sleep(0.02)


class Deaf:
    """Computes for ever without asking whether to stop; `points` = seconds before it gives a result."""

    def match(self, task: MatchTask, reporter: Reporter) -> MatchResult:
        reporter.progress("computing", 0.0)
        time.sleep(task.options.points)
        return result(3)


class Seer:
    """Gives a cover map, whether it was asked for or not."""

    def match(self, task: MatchTask, reporter: Reporter) -> MatchResult:
        share = np.random.default_rng(1).random((3, 4, 5)).astype(np.float32)
        share[0, 0, 0] = np.nan
        lattice = np.array([[8.0, 0.5, 3.5], [-0.5, 8.0, 3.5]])
        cover = CoverMap(("road", "water", "ü"), ("Road", "Water", "Überschwemmt"), share, lattice)
        return replace(result(5, asked=task.land_cover), cover=cover)


class Painter:
    """Gives a painting, whether it was asked for or not."""

    def match(self, task: MatchTask, reporter: Reporter) -> MatchResult:
        values = np.random.default_rng(2).integers(0, 256, (6, 7), np.uint8)
        painted = Painting(values, np.array([[4.0, 0.0, 1.5], [0.0, 4.0, 1.5]]))
        return replace(result(5, asked=task.painting), painted=painted)


class Chatty:
    """Prints on stdout by all ways there are."""

    def match(self, task: MatchTask, reporter: Reporter) -> MatchResult:
        print("hello from print")
        os.write(1, b'{"type": "result", "id": 1}\n\xff\xfe no end of line')
        ctypes.CDLL(None).puts(b"hello from C")
        os.system("echo hello from a child")
        sys.stdout.flush()
        return result(4)


class Failing:
    """Fails in the way that `seed` says."""

    def match(self, task: MatchTask, reporter: Reporter) -> MatchResult:
        kind = task.options.seed
        if kind == 0:
            raise NoMatchError("Nothing in common.", "Try 'wild'.")
        if kind == 1:
            raise ZeroDivisionError("a bug")
        if kind == 2:
            raise MemoryError
        if kind == 3:
            import no_such_package  # noqa: F401
        if kind == 4:
            print("last words", file=sys.stderr, flush=True)
            ctypes.string_at(0)
        return result(1)


def main() -> None:
    from sarto.core.worker import server

    module = types.ModuleType("sarto.core.matching.odd")
    for method in (Echo, Slow, Deaf, Seer, Painter, Chatty, Failing):
        setattr(module, method.__name__, method)
        registry.METHODS[method.__name__.lower()] = f"odd:{method.__name__}"
    sys.modules[module.__name__] = module
    server.main()


if __name__ == "__main__":
    main()
