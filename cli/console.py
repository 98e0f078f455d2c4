"""Progress bars, messages and the closing summary on a terminal."""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from tqdm import tqdm

from ..core.contract import Figures, RegisterResult, Reporter, to_dict
from ..core.report import Ruler


class Console:
    """Talks to the user on standard error; standard output carries results only.

    as_json: print one JSON document instead of the summary, and no bars.
    """

    def __init__(self, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet or as_json
        self._bar: tqdm[Any] | None = None
        self._stage = ""
        self._interrupted = False

    def reporter(self) -> Reporter:
        """A reporter that draws bars and knows of a Ctrl-C."""
        return Reporter(self._progress, self.log, lambda: self._interrupted)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within, Ctrl-C or a closed terminal cancels in good order; a second signal ends the process at once."""
        numbers = [signal.SIGINT, signal.SIGTERM]
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup ignores it
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._interrupt) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        self._interrupted = True
        # The system's own handler ends the process even while a library computes, where no Python code runs.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _progress(self, stage: str, fraction: float) -> None:
        if self.quiet:
            return
        if stage != self._stage:
            self.close()
            self._stage = stage
            layout = "{desc:<28} {bar:30} {percentage:3.0f} % {elapsed}"
            self._bar = tqdm(total=100, desc=stage, file=sys.stderr, bar_format=layout, ascii=" ·█")
        if self._bar is not None:
            self._bar.update(round(100 * fraction) - self._bar.n)

    def close(self) -> None:
        """End the present bar."""
        if self._bar is not None:
            self._bar.update(100 - self._bar.n)
            self._bar.close()
            self._bar = None

    def log(self, message: str) -> None:
        if not self.quiet:
            tqdm.write(f"  {message}", file=sys.stderr)

    def result(self, result: RegisterResult) -> None:
        """Print what came out, and where it is."""
        self.close()
        if self.as_json:
            print(json.dumps(to_dict(result), indent=1, ensure_ascii=False))
            return
        print("\n".join(summary_lines(result)))


def summary_lines(result: RegisterResult) -> list[str]:
    """The closing summary."""
    assessment = result.assessment
    lines = ["", f"{assessment.verdict.value.upper()}", *(f"  - {reason}" for reason in assessment.reasons), ""]
    lines += [f"  {name:<22}{value}" for name, value in figure_lines(assessment.figures, result)]
    if result.files:
        lines += ["", "Results:", *(f"  {kind:<12}{path}" for kind, path in result.files.items())]
    return lines


def figure_lines(f: Figures, result: RegisterResult) -> list[tuple[str, str]]:
    """Names and values of the figures that matter most; a dash for what was not measured."""
    metres = f.rmse_check * Ruler.of(result.reference_grid).metres_per_pixel
    units = f" = {metres:.3g} m" if math.isfinite(metres) else ""
    compared = (("before", f.similarity_before), ("after", f.similarity_after))
    similarity = [_measured(value, ".3f", f" {when}") for when, value in compared if math.isfinite(value)] or ["–"]
    return [
        ("Transform", result.transform.model),
        ("GCPs / check points", f"{f.gcps} / {f.check_points} of {f.tried} places tried"),
        ("Check-point RMSE", _measured(f.rmse_check, ".2f", " px") + units),
        ("CE90", _measured(f.ce90, ".2f", " px")),
        ("Coverage", _measured(f.coverage, ".0%", " of the overlap")),
        ("Similarity", ", ".join(similarity)),
        ("Time until written" if result.files else "Time", f"{result.seconds:.1f} s"),
    ]


def _measured(value: float, form: str, unit: str) -> str:
    return f"{value:{form}}{unit}" if math.isfinite(value) else "–"
