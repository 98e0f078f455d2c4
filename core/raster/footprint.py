"""Footprints: where a scene lies, in which another's pixels, and how far two are apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from osgeo import gdal, ogr

from ..contract import Grid, InputError, OptionError, Pixels, Points
from .crs import Transformation
from .gdal_tools import attempt

_PER_SIDE = 32  # enough points per side for the curvature of any projection over one scene


def outline(grid: Grid, per_side: int = _PER_SIDE) -> Points:
    """The border of a grid as a closed ring (N, 2) in its own world, densified."""
    steps = np.linspace(0.0, 1.0, per_side, endpoint=False)[:, None]
    corners = grid.corners()
    sides = [corners[i] + steps * (corners[(i + 1) % 4] - corners[i]) for i in range(4)]
    return np.concatenate([*sides, corners[:1]])


def outline_in(grid: Grid, other: Grid) -> Points:
    """The border of a georeferenced grid in another's CRS, (N, 2); points without an image are left out."""
    ring = Transformation(grid.crs, other.crs, other)(outline(grid))
    finite: Points = ring[np.isfinite(ring).all(axis=1)]
    return finite


def polygon(ring: Points) -> Any:
    """A ring (N, 2) as OGR polygon; empty where fewer than three points are left."""
    line = ogr.Geometry(ogr.wkbLinearRing)
    for x, y in ring:
        line.AddPoint_2D(float(x), float(y))
    line.CloseRings()
    shape = ogr.Geometry(ogr.wkbPolygon)
    if len(ring) >= 3:
        shape.AddGeometry(line)
    return shape if shape.IsEmpty() or _is_valid(shape) else shape.Buffer(0)


def intersection(first: Any, second: Any) -> Any:
    """What two OGR geometries share, perhaps empty. Raises InputError where that cannot be computed."""
    shared = attempt(lambda: first.Intersection(second))
    if shared is None:
        raise InputError(
            f"The areas {describe(first)} and {describe(second)} cannot be intersected.",
            "Draw the area again, with sides that do not cross.",
        )
    return shared


def _is_valid(shape: Any) -> bool:
    """Whether OGR takes a geometry for valid; GEOS's words about it are kept off the screen."""
    return bool(attempt(shape.IsValid))


def parse_area(wkt: str) -> Any:
    """An area of interest as OGR geometry.

    Raises OptionError if it is no polygon, InputError if its sides cross.
    """
    shape = attempt(lambda: ogr.CreateGeometryFromWkt(wkt))
    if not isinstance(shape, ogr.Geometry) or shape.IsEmpty() or shape.GetDimension() != 2:
        raise OptionError(f"The area '{wkt[:60]}' is not a polygon in WKT.", "Draw the area again.")
    if not _is_valid(shape):
        raise InputError(
            f"The area ({describe(shape)}) crosses or touches itself, so that its inside is not clear.",
            "Draw it again, going round it once with sides that do not cross.",
        )
    return shape


def to_pixel_shape(shape: Any, grid: Grid) -> Any:
    """An OGR geometry in the grid's world → the same in GDAL pixel coordinates of the grid."""
    moved = shape.Clone()
    _move_points(moved, grid)
    return moved


def _move_points(shape: Any, grid: Grid) -> None:
    for i in range(shape.GetGeometryCount()):
        _move_points(shape.GetGeometryRef(i), grid)
    if shape.GetGeometryCount() == 0:
        for i in range(shape.GetPointCount()):
            x, y = grid.to_pixel([shape.GetX(i), shape.GetY(i)]) + 0.5
            shape.SetPoint_2D(i, float(x), float(y))


def rasterise(shape: Any, grid: Grid) -> Pixels:
    """1 where pixel centres of the grid lie in the geometry (in the grid's world), else 0; (rows, columns)."""
    image = gdal.GetDriverByName("MEM").Create("", grid.width, grid.height, 1, gdal.GDT_Byte)
    vector = ogr.GetDriverByName("Memory") or ogr.GetDriverByName("MEM")
    source = vector.CreateDataSource("")
    layer = source.CreateLayer("area", None, ogr.wkbUnknown)
    feature = ogr.Feature(layer.GetLayerDefn())
    feature.SetGeometry(to_pixel_shape(shape, grid))
    layer.CreateFeature(feature)
    gdal.RasterizeLayer(image, [1], layer, burn_values=[1])
    mask: Pixels = image.ReadAsArray()
    return mask


def describe(shape: Any) -> str:
    """The bounding box of an OGR geometry, for messages."""
    xmin, xmax, ymin, ymax = shape.GetEnvelope()
    return f"x {xmin:,.7g} … {xmax:,.7g}, y {ymin:,.7g} … {ymax:,.7g}"
