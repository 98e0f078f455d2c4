"""Runs one method under one protocol over the pairs of a manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from ..contract import RANGES, SILENT, Cancelled, OptionError, Reporter, SearchRange, to_dict
from .evaluate import Evaluator, Outcome, Task
from .manifest import Manifest, Pair, check_files
from .measures import restart_peak_memory
from .methods import Method, MethodOptions, open_method
from .protocols import PROTOCOLS
from .records import PairLog, write_ties
from .results import BenchResult, conclude

MakeMethod = Callable[[str, MethodOptions], Method]


@dataclass(frozen=True)
class BenchOptions:
    """A run of the bench.

    range: preset or pixels of shift; None = the protocol's own (`shuffled`, `none`: georef).
    limit, only_tight, sets: see `Manifest.select`. samples: folder of the images, None = `OUT/samples`.
    consistency: register each pair under a second warp as well. jobs: processes; more than one disturb `seconds`.
    resume: keep the rows that are there. control: speckle in place of SAR. ties: write `ties.csv.gz`.
    """

    method: str
    protocol: str
    out: Path
    range: str | None = None
    seed: int = 0
    limit: int | None = None
    only_tight: bool = False
    sets: tuple[str, ...] = ()
    jobs: int = 1
    consistency: bool = True
    resume: bool = False
    samples: Path | None = None
    control: bool = False
    ties: bool = False
    engine: MethodOptions = field(default_factory=MethodOptions)

    @property
    def search(self) -> SearchRange:
        """Raises OptionError for an unknown range."""
        if self.range is not None:
            return SearchRange.parse(self.range)
        return RANGES.get(self.protocol, RANGES["georef"])


def run_bench(
    manifest: Manifest, options: BenchOptions, reporter: Reporter = SILENT, make_method: MakeMethod = open_method
) -> BenchResult:
    """Register every pair and write `pairs.csv`, `summary.json` and `summary.md` to `options.out`.

    A pair on which the method breaks down is recorded and the run goes on. An interrupt (or a cancel through the
    reporter) ends it with the summary of what is there; `resume` continues. With `jobs` above 1 `make_method`
    must be picklable.
    Raises OptionError for bad options and methods that are not installed, InputError for unreadable pairs.
    """
    _check(options)
    pairs = manifest.select(options.limit, options.only_tight, options.sets)
    check_files(pairs)
    samples = options.samples or options.out / "samples"
    task = Task(
        manifest, samples, options.protocol, options.search, options.seed, options.control,
        options.consistency, options.ties,
    )  # fmt: skip
    options.out.mkdir(parents=True, exist_ok=True)
    _claim(options, manifest, task)
    interrupted = False
    with closing(PairLog(options.out / "pairs.csv", options.resume)) as log:
        done = {row.pair_id for row in log.rows}
        try:
            _run([p for p in pairs if p.pair_id not in done], task, options, log, reporter, make_method)
        except (KeyboardInterrupt, Cancelled):
            interrupted = True
    finished = {row.pair_id for row in log.rows}
    run_pairs = [p for p in pairs if p.pair_id in finished]
    return conclude(task, _described(options, manifest, task), log.rows, run_pairs, options.out, interrupted)


def _run(
    pairs: list[Pair], task: Task, options: BenchOptions, log: PairLog, reporter: Reporter, make_method: MakeMethod
) -> None:
    stage = f"{options.method} on {options.protocol}"
    total, before = len(log.rows) + len(pairs), len(log.rows)
    if not pairs:
        return
    with _outcomes(pairs, task, options, reporter, make_method) as outcomes:
        for count, outcome in enumerate(outcomes, start=before + 1):
            log.add(outcome.row)
            if outcome.answer is not None and outcome.errors is not None:
                write_ties(options.out / "ties.csv.gz", outcome.row.pair_id, outcome.answer, outcome.errors)
            reporter.progress(stage, count / total)


@contextmanager
def _outcomes(
    pairs: list[Pair], task: Task, options: BenchOptions, reporter: Reporter, make_method: MakeMethod
) -> Iterator[Iterable[Outcome]]:
    """The outcomes in the order of the pairs, from this process or from several."""
    if options.jobs == 1:
        restart_peak_memory()
        evaluator = Evaluator(task, make_method(options.method, options.engine), reporter)
        evaluator.warm_up(pairs[0])
        yield map(evaluator.evaluate, pairs)
        return
    make_method(options.method, options.engine)  # an unknown or missing method fails here, with its message
    pool = ProcessPoolExecutor(
        options.jobs,
        get_context("spawn"),
        initializer=_start_worker,
        initargs=(task, options.method, options.engine, options.jobs, make_method, pairs[0]),
    )
    try:
        yield pool.map(_evaluate, pairs)
    finally:
        pool.shutdown(cancel_futures=True)


_worker: list[Evaluator] = []  # the evaluator of this process, if it is one of several


def _start_worker(
    task: Task, method: str, engine: MethodOptions, jobs: int, make_method: MakeMethod, first: Pair
) -> None:
    import cv2

    threads = max(1, (os.cpu_count() or 1) // jobs)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # before torch is imported
    cv2.setNumThreads(threads)
    evaluator = Evaluator(task, make_method(method, engine), SILENT)
    evaluator.warm_up(first)
    _worker.append(evaluator)


def _evaluate(pair: Pair) -> Outcome:
    return _worker[0].evaluate(pair)


def _check(options: BenchOptions) -> None:
    if options.protocol not in PROTOCOLS:
        raise OptionError(f"Protocol '{options.protocol}' is not known.", f"Use one of {', '.join(PROTOCOLS)}.")
    for name, value in (("limit", options.limit), ("jobs", options.jobs)):
        if value is not None and value < 1:
            raise OptionError(f"The bench cannot run with --{name} {value}.", "Use 1 or more.")


_WITHOUT_EFFECT = ("out", "samples", "resume", "jobs", "limit", "only_tight", "sets")  # on the result of a pair


def _described(options: BenchOptions, manifest: Manifest, task: Task) -> dict[str, Any]:
    """The options that a row depends on, ready for JSON."""
    chosen = {f.name: getattr(options, f.name) for f in fields(options) if f.name not in _WITHOUT_EFFECT}
    return {**to_dict(chosen), "search": to_dict(task.search), "manifest": manifest.digest}


def _claim(options: BenchOptions, manifest: Manifest, task: Task) -> None:
    """Note in `bench.json` what the rows of this folder are; refuse to resume rows of something else."""
    path = options.out / "bench.json"
    now = _described(options, manifest, task)
    if options.resume and path.exists() and (options.out / "pairs.csv").exists():
        then = json.loads(path.read_text(encoding="utf-8"))
        changed = sorted(k for k in now if then.get(k) != now[k])
        if changed:
            raise OptionError(
                f"The bench in {options.out} cannot be resumed: its {changed[0]} was {then.get(changed[0])}, "
                f"now it is {now[changed[0]]}.",
                "Take another folder, or leave --resume away to start anew.",
            )
        return
    (options.out / "ties.csv.gz").unlink(missing_ok=True)
    noted = {**now, "manifest_file": "/".join(manifest.path.resolve().parts[-2:])}  # to be read, not compared
    path.write_text(json.dumps(noted, indent=1) + "\n", encoding="utf-8")
