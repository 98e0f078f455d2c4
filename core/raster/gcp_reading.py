"""Reading GCPs back, from what we write and what QGIS writes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from ..contract import GCP, Flags, Grid, InputError, Points
from .crs import Transformation, crs_name, is_crs
from .gcp_table import grid_positions
from .gdal_tools import attempt
from .scene import Scene


@dataclass(frozen=True)
class StoredGcps:
    """GCPs as a file holds them; columns are parallel, length N.

    map_xy: (N, 2) true positions in `crs`; "" = GDAL pixels of a reference without CRS; None = the file does
        not say: the reference's own, whatever it is.
    source_xy: (N, 2) in the moving layer's own CRS, or its GDAL pixels (corner based, rows downwards).
    enabled: (N,) bool. role: (N,) "gcp" or "check".
    """

    map_xy: Points
    source_xy: Points
    enabled: Flags
    role: np.ndarray[Any, np.dtype[np.str_]]
    crs: str | None = None

    def __len__(self) -> int:
        return len(self.map_xy)

    def on_grids(self, moving: Scene, reference_grid: Grid, moving_grid: Grid) -> tuple[Points, Points]:
        """Pixel positions (N, 2) on the reference grid and on the moving grid.

        Points in another CRS than the reference's are transformed. Raises InputError where only one of the
        file and the reference has a CRS, or a point cannot be expressed in the reference's.
        """
        world = self.map_xy
        if self.crs is not None:
            self._check_crs(self.crs, reference_grid.crs)
            world = Transformation(self.crs, reference_grid.crs, reference_grid)(world)
        if not np.isfinite(world).all():
            raise InputError(
                f"GCPs in {crs_name(self.crs or '')} cannot be expressed in the reference's CRS, "
                f"{crs_name(reference_grid.crs)}.",
                "Choose the reference layer for which they were made.",
            )
        return reference_grid.to_pixel(world), grid_positions(self.source_xy, moving, moving_grid)

    @staticmethod
    def _check_crs(crs: str, reference_crs: str) -> None:
        if bool(crs) == bool(reference_crs):
            return
        own = f"are in {crs_name(crs)}" if crs else "are pixels of a reference without CRS"
        other = f"is in {crs_name(reference_crs)}" if reference_crs else "has no CRS"
        raise InputError(
            f"The GCPs {own}, but the reference layer {other}.",
            "Choose the reference layer for which they were made, or state their CRS in the file "
            "(.points: a first line '#CRS: EPSG:…'; .csv: a column 'crs').",
        )


def read_gcps(path: str | Path, moving_is_georeferenced: bool = True) -> StoredGcps:
    """Read .gpkg, .csv, .points or .geojson/.json.

    In a GeoPackage the geometry counts, so that points may be moved in QGIS; in the other files the columns.
    moving_is_georeferenced: tells what the source coordinates of a .points file are.
    Raises InputError naming the file if it is missing, of another kind, damaged or empty.
    """
    path = Path(path)
    readers: dict[str, Callable[[], StoredGcps]] = {
        ".gpkg": lambda: _read_gpkg(path),
        ".csv": lambda: _read_csv(path),
        ".points": lambda: _read_points(path, moving_is_georeferenced),
        ".geojson": lambda: _read_geojson(path),
        ".json": lambda: _read_geojson(path),
    }
    if path.suffix.lower() not in readers:
        raise InputError(f"'{path}' is no GCP file.", "Use .gpkg, .csv, .points or .geojson.")
    if not path.is_file():
        raise InputError(f"The GCP file '{path}' does not exist.", "Check the path.")
    try:
        stored = readers[path.suffix.lower()]()
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, OSError) as error:
        raise InputError(f"The GCP file '{path}' cannot be read: {error}.", "Was it edited or cut off?") from error
    if len(stored) == 0:
        raise InputError(f"The GCP file '{path}' holds no points.", "Choose another file.")
    if not (np.isfinite(stored.map_xy).all() and np.isfinite(stored.source_xy).all()):
        raise InputError(f"The GCP file '{path}' has a point without coordinates.", "Remove that point.")
    return stored


def _stored(records: list[dict[str, Any]], crs: str | None) -> StoredGcps:
    """Records with map_x, map_y, source_x, source_y and perhaps enabled, role."""

    def pair(first: str, second: str) -> Points:
        return np.array([[float(r[first]), float(r[second])] for r in records], dtype=np.float64).reshape(-1, 2)

    enabled = np.array([str(r.get("enabled", 1)).lower() in ("1", "true") for r in records], dtype=np.bool_)
    role = np.array([r.get("role") or GCP for r in records], dtype=np.str_)
    if crs and not is_crs(crs):
        raise ValueError(f"'{crs[:80]}' is not a known coordinate reference system")
    return StoredGcps(pair("map_x", "map_y"), pair("source_x", "source_y"), enabled, role, crs)


def _read_gpkg(path: Path) -> StoredGcps:
    package: Any = attempt(lambda: gdal.OpenEx(str(path), gdal.OF_VECTOR | gdal.OF_READONLY))
    layer: Any = attempt(lambda: package.GetLayerByName("gcps")) if package is not None else None
    if layer is None:
        raise ValueError("it has no layer 'gcps'")
    reference = layer.GetSpatialRef()
    crs = reference.ExportToWkt() if reference is not None else ""
    if "undefined" in crs.lower().split(",", 1)[0]:  # GeoPackage's names for no CRS
        crs = ""
    records = []
    for feature in layer:
        geometry, record = feature.GetGeometryRef(), dict(feature.items())
        record["map_x"], record["map_y"] = geometry.GetX(), geometry.GetY() * (1.0 if crs else -1.0)
        records.append(record)
    return _stored(records, crs)


def _read_csv(path: Path) -> StoredGcps:
    with path.open(encoding="utf-8-sig", newline="") as file:
        records = list(csv.DictReader(file))
    systems = {(record.get("crs") or "").strip() for record in records}
    if len(systems) > 1:
        raise ValueError(
            f"its points are in different CRSs: {', '.join(sorted(s[:40] or 'none' for s in systems))}"
        )
    says = bool(records) and "crs" in records[0]
    return _stored(records, systems.pop() if says else None)


def _read_geojson(path: Path) -> StoredGcps:
    data = json.loads(path.read_text("utf-8"))
    records = [feature["properties"] for feature in data["features"]]
    return _stored(records, data.get("reference_crs"))


def _read_points(path: Path, moving_is_georeferenced: bool) -> StoredGcps:
    lines = path.read_text("utf-8-sig").splitlines()
    crs = next((line[len("#CRS:") :].strip() for line in lines if line.startswith("#CRS:")), "")
    table = csv.DictReader(line for line in lines if line and not line.startswith("#"))
    map_sign, source_sign = (1.0 if crs else -1.0), (1.0 if moving_is_georeferenced else -1.0)
    records = [
        {
            "map_x": row["mapX"],
            "map_y": map_sign * float(row["mapY"]),
            # Before QGIS 3.26 the columns were called pixelX, pixelY.
            "source_x": row.get("sourceX", row.get("pixelX")),
            "source_y": source_sign * float(row["sourceY"] if "sourceY" in row else row["pixelY"]),
            "enabled": row.get("enable", "1"),
        }
        for row in table
    ]
    return _stored(records, crs)
