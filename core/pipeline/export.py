"""GCPs as files of their own."""

from __future__ import annotations

from pathlib import Path

from ..contract import GcpTable, LayerSource, OutputError, RegisterJob
from ..raster import (
    Scene,
    input_files,
    source_positions,
    write_csv,
    write_geojson,
    write_gpkg,
    write_points,
)
from .realign import stored_table

WRITERS = {".points": write_points, ".csv": write_csv, ".geojson": write_geojson, ".gpkg": write_gpkg}
"""Suffix → what writes it."""


def export_gcps(table: GcpTable, job: RegisterJob, path: str | Path, overwrite: bool = False) -> Path:
    """Write the GCPs of a run as .points, .csv, .geojson or .gpkg, as the suffix says.

    Raises OutputError (another suffix, exists, an input layer, no space), InputError (the SAR layer is gone).
    """
    return _export(table, job.reference, job.moving, Path(path), overwrite)


def convert_gcps(
    gcps: str | Path, reference: LayerSource, moving: LayerSource, path: str | Path, overwrite: bool = False
) -> Path:
    """Write the GCPs of one file as a file of another kind; residuals and confidence are not carried over.

    Raises as `export_gcps`, and InputError for a file that holds no GCPs.
    """
    path = Path(path)
    if path.exists() and path.resolve() == Path(gcps).resolve():
        raise OutputError(f"'{path}' is the GCP file itself.", "Choose another name.")
    with Scene(reference, "optical") as still, Scene(moving, "SAR") as moved:
        table = stored_table(gcps, still, moved)
    return _export(table, reference, moving, path, overwrite)


def _export(table: GcpTable, reference: LayerSource, moving: LayerSource, path: Path, overwrite: bool) -> Path:
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise OutputError(f"'{path.name}' is no GCP file.", f"Use a name that ends with {', '.join(WRITERS)}.")
    if path.resolve() in input_files(reference.source) | input_files(moving.source):
        raise OutputError(f"'{path}' is an input layer.", "Choose another name.")
    with Scene(moving, "SAR") as scene:
        return write(table, source_positions(table, scene), path, overwrite)
