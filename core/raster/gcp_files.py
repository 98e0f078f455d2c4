"""Writing GCPs: QGIS Georeferencer points, CSV, GeoJSON. (GeoPackage: `geopackage`; reading: `gcp_reading`.)"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..contract import GcpTable, OutputError
from .atomic import replacing
from .crs import Transformation, crs_code
from .gcp_table import COLUMNS, SourcePositions, rows, takes_part

POINTS_HEADER = "mapX,mapY,sourceX,sourceY,enable,dX,dY,residual"


def write_csv(table: GcpTable, source: SourcePositions, path: str | Path, overwrite: bool = False) -> Path:
    """Write all columns, and `crs`, that of map_x and map_y, as UTF-8 CSV with a header.

    No value where there is none; crs is an authority's code, or WKT. Raises OutputError.
    """
    crs = crs_code(table.reference_grid.crs)
    with replacing(path, overwrite) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, "crs"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "enabled": int(row["enabled"]), "crs": crs} for row in rows(table, source))
    return Path(path)


def write_points(table: GcpTable, source: SourcePositions, path: str | Path, overwrite: bool = False) -> Path:
    """Write QGIS's Georeferencer file, which opens with the moving layer's own raster.

    Source coordinates are map coordinates in the raster's own CRS where it has one, else pixel and -row, as
    are map coordinates of a reference without CRS. Points that the fit did not use (switched off, or check
    points) are written disabled, so that QGIS repeats our fit. dX, dY and residual are analysis pixels.
    Raises OutputError.
    """
    map_sign = 1.0 if table.reference_grid.crs else -1.0
    source_sign = 1.0 if source.crs else -1.0
    with replacing(path, overwrite) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        if table.reference_grid.crs:
            file.write(f"#CRS: {' '.join(table.reference_grid.crs.split())}\n")
        file.write(POINTS_HEADER + "\n")
        for row in rows(table, source):
            values = [row["map_x"], map_sign * row["map_y"], row["source_x"], source_sign * row["source_y"]]
            residual = [row["residual_dx_px"], row["residual_dy_px"], row["residual_px"]]
            texts = [repr(v) for v in values] + [str(int(takes_part(row)))] + [repr(v or 0.0) for v in residual]
            file.write(",".join(texts) + "\n")
    return Path(path)


def write_geojson(table: GcpTable, source: SourcePositions, path: str | Path, overwrite: bool = False) -> Path:
    """Write RFC 7946 GeoJSON: points in WGS 84 longitude and latitude, all columns as properties.

    The reference's CRS, in which map_x and map_y are, is kept in the member "reference_crs".
    Raises OutputError; also for a reference without CRS, which has no longitudes.
    """
    crs = table.reference_grid.crs
    if not crs:
        raise OutputError(
            "GeoJSON needs longitudes, but the reference has no CRS.", "Write a GeoPackage or CSV instead."
        )
    places = Transformation(crs, "EPSG:4326")(table.map_xy)
    features = [_feature(row, place) for row, place in zip(rows(table, source), places.tolist())]
    collection = {"type": "FeatureCollection", "reference_crs": crs, "features": features}
    with replacing(path, overwrite) as temporary:
        temporary.write_text(json.dumps(collection, ensure_ascii=False, allow_nan=False, indent=1), "utf-8")
    return Path(path)


def _feature(row: dict[str, Any], place: list[float]) -> dict[str, Any]:
    geometry = {"type": "Point", "coordinates": place} if np.isfinite(place).all() else None
    return {"type": "Feature", "id": row["id"], "geometry": geometry, "properties": row}
