"""How work reports progress and learns that it was cancelled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from .errors import Cancelled


def _no_progress(_stage: str, _fraction: float) -> None:
    return None


def _no_log(_message: str) -> None:
    return None


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Reporter:
    """Carries progress, messages and cancellation through the engine.

    on_progress(stage, fraction): stage is a short plain phrase, fraction runs 0…1 within the stage.
    on_log(message): one line for the user.
    is_cancelled(): asked often; true ends the work with `Cancelled`.
    """

    on_progress: Callable[[str, float], None] = field(default=_no_progress)
    on_log: Callable[[str], None] = field(default=_no_log)
    is_cancelled: Callable[[], bool] = field(default=_never)

    def progress(self, stage: str, fraction: float) -> None:
        """Report progress; raises `Cancelled` if the user asked to stop."""
        self.check()
        self.on_progress(stage, min(1.0, max(0.0, fraction)))

    def without_progress(self) -> Reporter:
        """The same for work that comes out of turn, whose progress would say too much."""
        return replace(self, on_progress=_no_progress)

    def log(self, message: str) -> None:
        self.on_log(message)

    def check(self) -> None:
        """Raise `Cancelled` if the user asked to stop."""
        if self.is_cancelled():
            raise Cancelled()


SILENT = Reporter()
