"""The whole job: two layers in, GCPs, aligned raster, record and report out."""

from __future__ import annotations

import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from .deliver import FILES, check_output, planned_files, possible_kinds, wanted_kinds, write_results
from .extras import Extras, about_extras
from .solve import MatchesPairs, Solution, solve
from .staging import staging
from .text_options import check_hints, land_use_reader, unheeded


def register(
    job: RegisterJob,
    matcher: MatchesPairs,
    reporter: Reporter = SILENT,
    kinds: tuple[str, ...] = tuple(FILES),
) -> RegisterResult:
    """Run a job and write its results into `job.output.directory`.

    kinds: which results are written (see `deliver.FILES`); by default all that the job asks for, none for a mere
        assessment.
    Raises OptionError, InputError, NoMatchError, OutputError, EngineError or Cancelled; nothing is then left.
    """
    started = time.monotonic()
    check_options(job)
    check_hints(job.match)
    job = with_absolute_paths(job)
    kinds = wanted_kinds(kinds, job.output)
    if kinds:
        check_output(job.output.directory, job.output.overwrite, sources(job), kinds)

    def timed(result: RegisterResult) -> RegisterResult:
        return replace(result, seconds=round(time.monotonic() - started, 2))

    with scratch_folder() as scratch:
        pair = prepare(job, reporter, Path(scratch), classify=land_use_reader(job))
        job = with_fills(job, pair)
        search, wanted = SearchRange.parse(job.match.range), ("land_cover" in kinds, "painted" in kinds)
        solution = solve(pair, matcher, search, job.match, job.model, reporter, *wanted)
        extras = Extras.of(pair, solution.match, kinds)
        notes = unheeded(job, extras.lacking(kinds))
        for note in notes:
            reporter.log(note)
        asked, kinds = kinds, possible_kinds(kinds, pair, extras)
        if "geojson" in asked and "geojson" not in kinds:
            notes += (f"No GeoJSON: '{job.reference.label}' has no longitudes and latitudes.",)
        notes += about_extras(job, extras)
        result = timed(describe(job, pair, solution, kinds, notes))
        if kinds:
            with staging(job.output.directory, job.output.overwrite) as folder:
                result = write_results(result, pair, solution.transform, folder, kinds, reporter, timed, extras)
        del pair  # closes the memory-mapped images, so that Windows can remove them
    return result


@contextmanager
def scratch_folder() -> Iterator[str]:
    """A folder for the prepared images, removed at the end. Raises OutputError."""
    try:
        folder = tempfile.mkdtemp(prefix="sarto-")
    except OSError as error:
        raise OutputError(f"No temporary folder could be made: {error}.", "Free some disk space.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def describe(
    job: RegisterJob, pair: PreparedPair, solution: Solution, kinds: tuple[str, ...], notes: tuple[str, ...]
) -> RegisterResult:
    """All that is known about a run before its results are written. notes: further ones for the record."""
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
        notes=(*pair.notes, f"Transform: {solution.transform.model}.", *solution.notes, *notes),
        versions=versions(),
        steps=steps,
    )


def with_fills(job: RegisterJob, pair: PreparedPair) -> RegisterJob:
    """The job with the NoData values that were found: what was not matched shall not be part of the result."""

    def told(layer: LayerSource, fill: float | None) -> LayerSource:
        return layer if fill is None else replace(layer, nodata=fill)

    reference, moving = pair.fills
    return replace(job, reference=told(job.reference, reference), moving=told(job.moving, moving))


def sources(job: RegisterJob) -> list[str]:
    """All that a job reads, and must not write over."""
    layers = (job.reference, job.moving, job.land_use_layer)
    return [layer.source for layer in layers if layer is not None]


def with_absolute_paths(job: RegisterJob) -> RegisterJob:
    """The job with file paths that mean the same from any folder, so that its record can be repeated."""

    def absolute(layer: LayerSource) -> LayerSource:
        return replace(layer, source=_absolute_source(layer.source))

    directory = str(Path(job.output.directory).absolute()) if job.output.directory else ""
    return replace(
        job,
        reference=absolute(job.reference),
        moving=absolute(job.moving),
        output=replace(job.output, directory=directory),
        land_use_layer=None if job.land_use_layer is None else absolute(job.land_use_layer),
    )


def _absolute_source(source: str) -> str:
    """A GDAL or QGIS source whose file part, if it is a relative path, is made absolute.

    The file part is all of it, what stands before QGIS's `|layername=…` and `|option:…`, or the file in
    `PREFIX:file:more`, with or without quotes. What names no existing file is left alone.
    """
    if _exists(source):
        return str(Path(source).absolute())
    name, bar, suffix = source.partition("|")
    if bar and _exists(name):
        return str(Path(name).absolute()) + bar + suffix
    prefix, colon, rest = name.partition(":")
    if prefix == "GTIFF_DIR":  # has a number before the file
        number, colon, rest = rest.partition(":")
        prefix = f"{prefix}:{number}"
    if not colon:
        return source
    quote = '"' if rest.startswith('"') else ""
    rest = rest[len(quote) :]
    ends = [i for i, character in enumerate(rest) if character == (quote or ":")] + [len(rest)]
    for end in reversed(ends):  # the longest first: a file's own name may hold colons
        if _exists(rest[:end]):
            path = str(Path(rest[:end]).absolute())
            return f"{prefix}:{quote}{path}{rest[end:]}{bar}{suffix}"
    return source


def _exists(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def versions() -> dict[str, str]:
    """Versions of what had a part in the result. Packages of another process are not looked for."""
    found = {"python": platform.python_version()}
    for package in ("sarto", "numpy", "torch", "opencv-python-headless", "GDAL"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
