"""Writing results (which then appear together, see `staging`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ..contract import OutputError, OutputOptions, PreparedPair, RegisterResult, Reporter, to_dict
from ..geometry import Transform
from ..raster import (
    Scene,
    has_longitudes,
    input_files,
    source_positions,
    target_grid,
    write_aligned,
    write_csv,
    write_geojson,
    write_gpkg,
    write_land_cover,
    write_synthetic,
)
from ..raster import write_points as write_qgis_points
from ..raster.land_cover import SIDECAR
from ..report import write_report
from .extras import ON_REQUEST, Extras
from .views import painted_view, pair_views

FILES: dict[str, str] = {
    "aligned": "aligned.tif",
    "gpkg": "gcps.gpkg",
    "points": "gcps.points",
    "csv": "gcps.csv",
    "geojson": "gcps.geojson",
    "land_cover": "land_cover.tif",
    "painted": "synthetic_optical.tif",
    "record": "record.json",
    "report": "report.html",
}
"""Kinds of result and their file names, in the order in which they are written."""

NO_EXTRAS = Extras()


def planned_files(directory: str | Path, kinds: tuple[str, ...] = tuple(FILES)) -> dict[str, str]:
    """Where the results will be."""
    return {kind: str(Path(directory) / FILES[kind]) for kind in kinds}


def wanted_kinds(kinds: tuple[str, ...], output: OutputOptions) -> tuple[str, ...]:
    """The kinds without those that are written on request only, and were not asked for."""
    return tuple(kind for kind in kinds if kind not in ON_REQUEST or getattr(output, kind))


def possible_kinds(kinds: tuple[str, ...], pair: PreparedPair, extras: Extras) -> tuple[str, ...]:
    """The kinds that can be written: GeoJSON needs longitudes and latitudes; not all methods have all extras."""
    crs = pair.reference_grid.crs
    impossible = {*extras.lacking(kinds), *(() if crs and has_longitudes(crs) else ("geojson",))}
    return tuple(kind for kind in kinds if kind not in impossible)


def check_output(directory: str | Path, overwrite: bool, inputs: list[str], kinds: tuple[str, ...]) -> None:
    """Fail before any work where the results could not be written. Raises OutputError."""
    if not str(directory):
        raise OutputError("No output folder is given.", "Choose one (--out).")
    used = {file.resolve() for source in inputs for file in input_files(source)}
    planned = planned_files(directory, kinds)
    beside = [planned["land_cover"] + SIDECAR] if "land_cover" in planned else []
    for path in (*planned.values(), *beside):
        target = Path(path)
        try:
            is_there, is_folder = target.exists(), target.is_dir()
        except OSError as error:  # a name that is too long
            raise OutputError(
                f"'{target}' cannot be written: {error.strerror}.", "Choose another output folder."
            ) from error
        if target.resolve() in used:
            raise OutputError(f"'{target}' is an input layer.", "Choose another output folder.")
        if is_folder:
            raise OutputError(f"'{target}' is a folder.", "Choose another output folder, or rename that one.")
        if is_there and not overwrite:
            raise OutputError(f"'{target}' exists already.", "Choose another folder, or allow overwriting.")


def write_results(
    result: RegisterResult,
    pair: PreparedPair,
    transform: Transform,
    folder: Path,
    kinds: tuple[str, ...],
    reporter: Reporter,
    timed: Callable[[RegisterResult], RegisterResult] = lambda result: result,
    extras: Extras = NO_EXTRAS,
) -> RegisterResult:
    """Write the wanted kinds of result into `folder`; `result.files` names where they will end up.

    extras: those of the kinds on request.
    timed: gives a result the time that the job took so far; what the record holds is returned.
    """
    with Scene(result.job.moving, "SAR") as moving, Scene(result.job.reference, "optical") as reference:
        source = source_positions(result.gcps, moving)
        _write_rasters(result, transform, (reference, moving), folder, kinds, reporter, extras)
    tables: dict[str, Callable[..., Path]] = {
        "gpkg": write_gpkg,
        "points": write_qgis_points,
        "csv": write_csv,
        "geojson": write_geojson,
    }
    for kind, write in tables.items():
        if kind in kinds:
            reporter.progress("Writing the GCPs", 0.5)
            write(result.gcps, source, folder / FILES[kind])
    if extras.land_cover is not None and "land_cover" in kinds:
        write_land_cover(extras.land_cover, folder / FILES["land_cover"])
    if "report" in kinds:
        reporter.progress("Writing the report", 0.0)
        views = pair_views(pair, transform, reporter)
        result = timed(result)
        painted = None if extras.painted is None else painted_view(pair, transform, extras.painted, reporter)
        reporter.check()
        shown = views.reference, views.before, views.after
        write_report(folder / FILES["report"], result, *shown, cover=extras.land_cover, painted=painted)
    result = timed(result)
    if "record" in kinds:
        text = json.dumps(to_dict(result), indent=1, ensure_ascii=False, allow_nan=False)
        (folder / FILES["record"]).write_text(text, encoding="utf-8")
    reporter.progress("Done", 1.0)
    return result


def _write_rasters(
    result: RegisterResult,
    transform: Transform,
    scenes: tuple[Scene, Scene],
    folder: Path,
    kinds: tuple[str, ...],
    reporter: Reporter,
    extras: Extras,
) -> None:
    """The aligned raster, and on its place the synthetic picture. scenes: reference and moving."""
    if "aligned" not in kinds and "painted" not in kinds:
        return
    (reference, moving), output = scenes, result.job.output
    grids = result.reference_grid, result.moving_grid
    grid = target_grid(output.grid, reference.grid, moving, transform.apply, *grids)
    if "aligned" in kinds:
        aligned = folder / FILES["aligned"]
        write_aligned(result.job.moving, transform.apply, *grids, grid, aligned, output.resampling, reporter)
    if extras.painted is not None and "painted" in kinds:
        told = {"METHOD": result.job.match.method, "WEIGHTS": str(result.steps.get("painted by", "not told"))}
        picture = folder / FILES["painted"]
        write_synthetic(extras.painted, transform.apply, grids[0], grid, picture, told, reporter)
