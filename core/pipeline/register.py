"""The whole job: two layers in, GCPs, aligned raster, record and report out."""

from __future__ import annotations

import platform
import tempfile
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from ..contract import (
    SILENT,
    LayerSource,
    OutputError,
    PreparedPair,
    RegisterJob,
    RegisterResult,
    Reporter,
    SearchRange,
    check_options,
)
from ..raster import prepare
from .deliver import FILES, check_output, planned_files, possible_kinds, staging, write_results
from .solve import MatchesPairs, Solution, solve


def register(
    job: RegisterJob,
    matcher: MatchesPairs,
    reporter: Reporter = SILENT,
    kinds: tuple[str, ...] = tuple(FILES),
) -> RegisterResult:
    """Run a job and write its results into `job.output.directory`.

    kinds: which results are written (see `deliver.FILES`); all by default, none for a mere assessment.
    Raises OptionError, InputError, NoMatchError, OutputError, EngineError or Cancelled; nothing is then left.
    """
    started = time.monotonic()
    check_options(job)
    job = with_absolute_paths(job)
    if kinds:
        check_output(job.output.directory, job.output.overwrite, [job.reference.source, job.moving.source], kinds)
    with _scratch() as scratch:
        pair = prepare(job, reporter, Path(scratch))
        solution = solve(pair, matcher, SearchRange.parse(job.match.range), job.match, job.model, reporter)
        kinds = possible_kinds(kinds, pair)
        result = describe(job, pair, solution, kinds, time.monotonic() - started)
        if kinds:
            with staging(job.output.directory, job.output.overwrite) as folder:
                write_results(result, pair, solution.transform, folder, kinds, reporter)
        del pair  # closes the memory-mapped images, so that Windows can remove them
    return result


def _scratch() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="sarto-", ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputError(f"No temporary folder could be made: {error}.", "Free some disk space.") from error


def describe(
    job: RegisterJob, pair: PreparedPair, solution: Solution, kinds: tuple[str, ...], seconds: float
) -> RegisterResult:
    """All that is known about a finished run."""
    steps = dict(solution.match.steps)
    if solution.model_scores:
        steps["models compared"] = list(solution.model_scores)
    return RegisterResult(
        job=job,
        reference_grid=pair.reference_grid,
        moving_grid=pair.moving_grid,
        gcps=solution.gcps,
        transform=solution.transform.to_record(),
        assessment=solution.assessment,
        files=planned_files(job.output.directory, kinds),
        notes=(*pair.notes, f"Transform: {solution.transform.model}."),
        versions=versions(),
        steps=steps,
        seconds=round(seconds, 2),
    )


def with_absolute_paths(job: RegisterJob) -> RegisterJob:
    """The job with file paths that mean the same from any folder, so that its record can be repeated."""

    def absolute(layer: LayerSource) -> LayerSource:
        path = Path(layer.source)
        return replace(layer, source=str(path.absolute())) if path.exists() else layer

    directory = str(Path(job.output.directory).absolute()) if job.output.directory else ""
    return replace(
        job,
        reference=absolute(job.reference),
        moving=absolute(job.moving),
        output=replace(job.output, directory=directory),
    )


def versions() -> dict[str, str]:
    """Versions of what had a part in the result. Packages of another process are not looked for."""
    found = {"python": platform.python_version()}
    for package in ("sarto", "numpy", "torch", "opencv-python-headless", "GDAL"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
