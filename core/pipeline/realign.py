"""Aligning a layer with GCPs from a file, without matching."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..contract import (
    CHECK,
    GCP,
    SILENT,
    GcpTable,
    LayerSource,
    ModelOptions,
    OutputError,
    OutputOptions,
    Reporter,
    check_options,
)
from ..geometry import Summary, choose_model, refit, summary
from ..matching import REACH
from ..raster import Scene, gsd_in, input_files, read_gcps, target_grid, told_of_fill, write_aligned


@dataclass(frozen=True)
class Realigned:
    """path: the aligned raster. model: the transform that was fitted. fit, check: residuals, analysis pixels."""

    path: Path
    model: str
    fit: Summary
    check: Summary


def realign(
    reference: LayerSource,
    moving: LayerSource,
    gcps: str | Path,
    path: str | Path,
    model: ModelOptions | None = None,
    output: OutputOptions | None = None,
    reporter: Reporter = SILENT,
) -> Realigned:
    """Fit a transform to the GCPs of a file (.gpkg, .csv, .geojson, .points) and warp the moving layer.

    model: 'auto' chooses as `register` does. output: grid, resampling and overwrite count.
    Raises OptionError, InputError, OutputError, Cancelled; nothing is then left behind.
    """
    model, output = model or ModelOptions(), output or OutputOptions()
    check_options(model)
    check_options(output)
    if Path(path).suffix.lower() not in (".tif", ".tiff"):
        raise OutputError(
            f"'{path}' is no name of a GeoTIFF.", "Let it end with .tif; other formats are made from that."
        )
    _refuse_inputs(reference, moving, Path(gcps), Path(path))
    with Scene(reference, "optical") as still, Scene(moving, "SAR") as moved:
        table = stored_table(gcps, still, moved)
        name = model.model if model.model != "auto" else _chosen(table, model)
        transform, table = refit(table, name, model.smoothing)
        grid = target_grid(
            output.grid, still.grid, moved, transform.apply, table.reference_grid, table.moving_grid
        )
        source, notes = told_of_fill(moved, reporter)
        for note in notes:
            reporter.log(note)
        written = write_aligned(
            source,
            transform.apply,
            table.reference_grid,
            table.moving_grid,
            grid,
            Path(path),
            output.resampling,
            reporter,
            output.overwrite,
        )
    return Realigned(
        written,
        name,
        summary(table.residual_px, table.used(GCP)),
        summary(table.residual_px, table.used(CHECK)),
    )


def _chosen(table: GcpTable, options: ModelOptions) -> str:
    used = table.enabled
    return choose_model(
        table.reference_px[used],
        table.moving_px[used],
        table.role[used] == CHECK,
        options.tolerance_px,
        smoothing=options.smoothing,
        reach=REACH,
    ).model


def stored_table(gcps: str | Path, reference: Scene, moving: Scene) -> GcpTable:
    """The GCPs of a file, in the pixels in which `register` measures: of the coarser layer, or each its own."""
    stored = read_gcps(gcps, moving.is_georeferenced)
    grid, moving_grid = reference.grid, moving.grid
    if reference.is_georeferenced and moving.is_georeferenced:
        grid = moving_grid = grid.resampled(max(grid.gsd, gsd_in(moving, grid.crs)))
    reference_px, moving_px = stored.on_grids(moving, grid, moving_grid)
    count = len(stored)
    return GcpTable(
        reference_grid=grid,
        moving_grid=moving_grid,
        reference_px=reference_px,
        moving_px=moving_px,
        confidence=np.ones(count),
        round_trip=np.full(count, np.nan),
        residual_px=np.full((count, 2), np.nan),
        enabled=stored.enabled,
        role=stored.role,
    )


def _refuse_inputs(reference: LayerSource, moving: LayerSource, gcps: Path, out: Path) -> None:
    """Raises OutputError where the raster would be written over a file that is read."""
    if not out.exists():
        return
    for what, files in (
        ("the GCP file", {gcps}),
        ("an input layer", input_files(reference.source) | input_files(moving.source)),
    ):
        if any(file.exists() and out.samefile(file) for file in files):
            raise OutputError(f"'{out}' is {what}.", "Choose another name.")
