"""GCPs as GeoPackage: the points, and the links from where things lie now to where they belong."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from osgeo import ogr

from ..contract import GcpTable, OutputError
from .atomic import replacing
from .crs import spatial_reference
from .gcp_table import COLUMNS, SourcePositions, rows
from .gdal_tools import gdal_errors

STYLES = Path(__file__).resolve().parents[2] / "resources" / "styles"
"""Folder of the QML files."""

_FIELD_TYPES = {"int": ogr.OFTInteger64, "float": ogr.OFTReal, "text": ogr.OFTString, "bool": ogr.OFTInteger}


def write_gpkg(table: GcpTable, source: SourcePositions, path: str | Path, overwrite: bool = False) -> Path:
    """Write layer `gcps` (points at the true positions, all columns) and layer `links`.

    Both are in the reference's CRS; without one, y runs upwards as in QGIS (minus the row). `links` are lines
    from the present to the true position, with the same id; left out where the moving layer has no present
    position on the map. Raises OutputError, leaving nothing behind.
    """
    hint = "Is there space on the disk?"
    with replacing(path, overwrite) as temporary, gdal_errors(OutputError, f"'{path}' could not be written", hint):
        package = ogr.GetDriverByName("GPKG").CreateDataSource(str(temporary))
        if package is None:
            raise RuntimeError("the file could not be created")
        package.StartTransaction()
        _write_points(package, table, source)
        if table.reference_grid.crs and table.moving_grid.crs:
            _write_links(package, table)
        package.CommitTransaction()
        _embed_styles(package)
        del package
    return Path(path)


def _write_points(package: Any, table: GcpTable, source: SourcePositions) -> None:
    layer = _create_layer(package, "gcps", table, ogr.wkbPoint)
    for name, kind in list(COLUMNS.items())[1:]:
        field = ogr.FieldDefn(name, _FIELD_TYPES[kind])
        if kind == "bool":
            field.SetSubType(ogr.OFSTBoolean)
        layer.CreateField(field)
    sign = _up(table)
    for row in rows(table, source):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetFID(row["id"])
        for name, kind in list(COLUMNS.items())[1:]:
            if row[name] is not None:
                feature.SetField(name, int(row[name]) if kind == "bool" else row[name])
        point = ogr.Geometry(ogr.wkbPoint)
        point.AddPoint_2D(row["map_x"], sign * row["map_y"])
        feature.SetGeometryDirectly(point)
        layer.CreateFeature(feature)


def _write_links(package: Any, table: GcpTable) -> None:
    layer = _create_layer(package, "links", table, ogr.wkbLineString)
    for number, (now, true) in enumerate(zip(table.source_xy.tolist(), table.map_xy.tolist()), 1):
        line = ogr.Geometry(ogr.wkbLineString)
        for x, y in (now, true):
            line.AddPoint_2D(x, y)
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetFID(number)
        feature.SetGeometryDirectly(line)
        layer.CreateFeature(feature)


def _embed_styles(package: Any) -> None:
    """Store the layers' styles where QGIS looks for them (table `layer_styles`), as their defaults."""
    fields = ("f_table_catalog", "f_table_schema", "f_table_name", "f_geometry_column", "styleName", "styleQML")
    more = ("styleSLD", "description", "owner", "ui")
    styles = package.CreateLayer("layer_styles", None, ogr.wkbNone, options=["FID=id"])
    for name in (*fields, *more):
        styles.CreateField(ogr.FieldDefn(name, ogr.OFTString))
    default = ogr.FieldDefn("useAsDefault", ogr.OFTInteger)
    default.SetSubType(ogr.OFSTBoolean)
    styles.CreateField(default)
    styles.CreateField(ogr.FieldDefn("update_time", ogr.OFTDateTime))
    for table in ("gcps", "links"):
        path = STYLES / f"{table}.qml"
        if package.GetLayerByName(table) is None or not path.is_file():
            continue
        feature = ogr.Feature(styles.GetLayerDefn())
        values = ("", "", table, "geom", f"Sarto {table}", path.read_text(encoding="utf-8"))
        for name, value in zip(fields, values):
            feature.SetField(name, value)
        for name in more:
            feature.SetField(name, "")
        feature.SetField("useAsDefault", 1)
        feature.SetField("update_time", datetime.now(timezone.utc).isoformat(timespec="seconds"))
        styles.CreateFeature(feature)


def _create_layer(package: Any, name: str, table: GcpTable, kind: int) -> Any:
    crs = table.reference_grid.crs
    return package.CreateLayer(name, spatial_reference(crs) if crs else None, kind, options=["FID=id"])


def _up(table: GcpTable) -> float:
    return 1.0 if table.reference_grid.crs else -1.0
