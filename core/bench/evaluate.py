"""One pair under one method: show the images, time the answer, measure it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ..contract import Cancelled, Floats, NoMatchError, Reporter, SearchRange, Verdict
from .manifest import Manifest, Pair
from .measures import consistency_rmse, correct_matches, peak_memory_mb, pose_rmse, tie_errors
from .methods import Answer, Method
from .protocols import Sample
from .records import FAILED, Row
from .samples import SampleStore


@dataclass(frozen=True)
class Task:
    """What is the same for all pairs of a bench.

    consistency: register each pair under the warp of the next seed as well.
    ties: keep every tie point, for the reliability of the confidence.
    """

    manifest: Manifest
    samples: Path
    protocol: str
    search: SearchRange
    seed: int = 0
    control: bool = False
    consistency: bool = True
    ties: bool = False

    @property
    def has_consistency(self) -> bool:
        """Whether the result under two warps can be compared: there are warps, and something to find."""
        return self.consistency and not self.control and self.protocol not in ("none", "shuffled")

    def store(self, offset: int = 0) -> SampleStore:
        """The images of this seed, or of a later one."""
        return SampleStore(self.samples, self.manifest, self.protocol, self.seed + offset, self.control)


@dataclass(frozen=True)
class Outcome:
    """A row of `pairs.csv`, and if asked for the answer with the errors (N,) of its tie points."""

    row: Row
    answer: Answer | None = None
    errors: Floats | None = None


class Evaluator:
    """Shows pairs to a method and measures its answers."""

    def __init__(self, task: Task, method: Method, reporter: Reporter) -> None:
        self._task, self._method = task, method
        self._quiet = Reporter(is_cancelled=reporter.is_cancelled)
        self._first, self._second = task.store(), task.store(1)

    def warm_up(self, pair: Pair) -> None:
        """Let the method load what it loads at its first pair; the answer does not count."""
        self._ask(self._first.get(pair))

    def evaluate(self, pair: Pair) -> Outcome:
        """Raises InputError where the pair's images cannot be read; the method's errors go into the row."""
        sample = self._first.get(pair)
        began = time.perf_counter()
        answer, message = self._ask(sample)
        seconds = time.perf_counter() - began
        correct = correct_matches(answer, sample)
        row = Row(
            pair.pair_id,
            answer.affine,
            pose_rmse(answer.affine, sample),
            len(answer.ties),
            correct.count,
            answer.verdict,
            seconds,
            peak_memory_mb(),
            answer.evidence,
            pair.set,
            pair.tight,
            self._consistency(pair, sample, answer.affine),
            correct.rmse,
            answer.check_rmse,
            message,
        )
        if not self._task.ties:
            return Outcome(row)
        ties = answer.candidates
        return Outcome(row, answer, tie_errors(ties.reference, ties.moving, sample.truth))

    def _consistency(self, pair: Pair, sample: Sample, found: Floats | None) -> float:
        if found is None or not self._task.has_consistency:
            return float("nan")
        other = self._second.get(pair)
        answer, _ = self._ask(other)
        return consistency_rmse(found, answer.affine, (sample, other))

    def _ask(self, sample: Sample) -> tuple[Answer, str]:
        """The method's answer and its message. A bench outlives what a method does on a single pair."""
        try:
            answer = self._method.register(sample, self._task.search, self._quiet)
            return answer, answer.message
        except Cancelled:
            raise
        except NoMatchError as refusal:
            return Answer(None, verdict=Verdict.NOT_TRUSTED.value), str(refusal)
        except Exception as error:  # any error of a method is a result of the bench
            return Answer(None, verdict=FAILED), f"{type(error).__name__}: {error}"
