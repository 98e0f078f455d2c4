"""Work of the main thread in small steps, between which the window answers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from qgis.PyQt.QtCore import QTimer

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Does a little between its yields, and returns a result."""


def at_once(steps: Steps[T]) -> T:
    """All steps without a pause; their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def one_by_one(steps: Steps[Any], may_go_on: Callable[[], bool]) -> None:
    """One step each time the event loop is free, as long as `may_go_on` allows it. Errors are the steps' own."""

    def step() -> None:
        if not may_go_on():
            steps.close()
            return
        try:
            next(steps)
        except StopIteration:
            return
        QTimer.singleShot(0, step)

    step()
