"""Delivering a run again with GCPs that the user has edited."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Optional

import numpy as np

from ..assess import judge
from ..contract import (
    CHECK,
    GCP,
    SILENT,
    Assessment,
    InputError,
    PreparedPair,
    RegisterJob,
    RegisterResult,
    Reporter,
    Verdict,
    unaided,
)
from ..geometry import leave_one_out, summary
from ..raster import LandCover, prepare, read_land_cover
from .deliver import FILES, check_output, planned_files, possible_kinds, wanted_kinds, write_results
from .extras import Extras
from .register import scratch_folder, sources, versions, with_fills
from .review import ROWS_OFF, EditedRun
from .solve import Found, measure
from .staging import staging

BY_HAND = "by hand."
_NOT_PAINTED = ("The synthetic picture was not written again: it is painted while the images are matched.",)


def apply_edits(edited: EditedRun, directory: str, reporter: Reporter = SILENT) -> RegisterResult:
    """Write all results of a run anew with its edited GCPs, into a folder of their own.

    The layers are read again, so that coverage and similarity are measured for the transform as it is now;
    the verdict is given anew, and never 'trusted' where check points were switched off by hand. The land cover is
    handed on, where it is still there; the synthetic picture is not, which the record says.
    Raises InputError (the layers are not what they were), OutputError, Cancelled; nothing is then left.
    """
    started = time.monotonic()
    old = edited.result
    job = replace(
        old.job,
        model=replace(old.job.model, model=edited.model),
        output=replace(old.job.output, directory=str(Path(directory).absolute()), overwrite=False),
    )
    extras = Extras(land_cover=_stored_cover(old))
    kinds = wanted_kinds(tuple(FILES), job.output)
    check_output(job.output.directory, False, sources(job), kinds)

    def timed(result: RegisterResult) -> RegisterResult:
        return replace(result, seconds=round(time.monotonic() - started, 2))

    with scratch_folder() as scratch:
        pair = prepare(job, reporter, Path(scratch), with_bands=False)
        job = with_fills(job, pair)
        _check_unchanged(pair, old, job)
        reporter.progress("Assessing", 0.0)
        kinds = possible_kinds(kinds, pair, extras)
        result = _describe(edited, job, pair, kinds)
        with staging(job.output.directory, False) as folder:
            result = write_results(result, pair, edited.transform, folder, kinds, reporter, timed, extras)
        del pair  # closes the memory-mapped images, so that Windows can remove them
    return result


def _stored_cover(old: RegisterResult) -> Optional[LandCover]:
    """The land cover in the folder of a run; None where it wrote none, or where that is gone."""
    try:
        return read_land_cover(old.files["land_cover"]) if "land_cover" in old.files else None
    except InputError:
        return None


def _check_unchanged(pair: PreparedPair, old: RegisterResult, job: RegisterJob) -> None:
    if pair.reference_grid == old.reference_grid and pair.moving_grid == old.moving_grid:
        return
    raise InputError(
        f"'{job.reference.label}' or '{job.moving.label}' is not the file that it was when the GCPs were found.",
        "Register the layers again.",
    )


def _describe(edited: EditedRun, job: RegisterJob, pair: PreparedPair, kinds: tuple[str, ...]) -> RegisterResult:
    old, table, before = edited.result, edited.table, edited.result.assessment.figures
    used = table.used(GCP)
    left = leave_one_out(
        edited.model, table.reference_px[used], table.moving_px[used], smoothing=job.model.smoothing
    )
    loo = summary(left).rmse if np.isfinite(left).all() else float("nan")
    agreeing = int((table.enabled & unaided(table.round_trip)).sum())
    found = Found(before.tie_points, agreeing, before.tried, before.evidence)
    assessment = judge(measure(pair, found, table, edited.transform, loo), edited.model)
    return replace(
        old,
        job=job,
        steps={**old.steps, ROWS_OFF: edited.rows_off},
        gcps=table,
        transform=edited.transform.to_record(),
        assessment=cap_for_edits(assessment, edited.switched_off[CHECK]),
        files=planned_files(job.output.directory, kinds),
        notes=(
            *(note for note in old.notes if not _is_outdated(note)),
            *_notes(edited),
            *(_NOT_PAINTED if "painted" in old.files else ()),
        ),
        versions={**old.versions, **versions()},
    )


def _is_outdated(note: str) -> bool:
    """Whether a note of the run holds no longer for its edited GCPs."""
    return (" switched " in note and note.endswith(BY_HAND)) or note.startswith(FILES["painted"])


def cap_for_edits(assessment: Assessment, checks_off: int) -> Assessment:
    """Check points chosen by hand no longer measure an independent error: no more than 'usable with care'."""
    if not checks_off:
        return assessment
    reason = (
        f"{_count(checks_off, 'check point')} switched off by hand: the error at the others flatters the result."
    )
    doubted = assessment.verdict is not Verdict.TRUSTED
    return replace(
        assessment,
        verdict=assessment.verdict if doubted else Verdict.CARE,
        reasons=(*(assessment.reasons if doubted else ()), reason),
    )


def _notes(edited: EditedRun) -> list[str]:
    notes = [
        f"{_count(count, what)} switched {how} {BY_HAND}"
        for count, what, how in (
            (edited.switched_off[GCP], "GCP", "off"),
            (edited.switched_off[CHECK], "check point", "off"),
            (edited.switched_on, "point", "on"),
        )
        if count
    ]
    if edited.model != edited.result.transform.model:
        notes.append(f"Transform {edited.model} instead of {edited.result.transform.model} chosen {BY_HAND}")
    return notes


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'} {'was' if number == 1 else 'were'}"
