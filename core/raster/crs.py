"""Coordinates between reference systems, x = east or longitude first, as GDAL rasters have them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from osgeo import osr

from ..contract import Grid, InputError, Points
from .gdal_tools import attempt


def spatial_reference(crs: str) -> osr.SpatialReference:
    """An OSR object with traditional axis order. Raises InputError for a text that is no CRS."""
    reference = osr.SpatialReference()
    if attempt(lambda: reference.SetFromUserInput(crs)) != 0:
        raise InputError(f"'{crs[:80]}' is not a known coordinate reference system.", "Set the layer's CRS.")
    reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return reference


def is_crs(crs: str) -> bool:
    """Whether a text means a coordinate reference system."""
    return attempt(lambda: osr.SpatialReference().SetFromUserInput(crs)) == 0


def crs_name(crs: str) -> str:
    """A short name for messages, for example 'WGS 84 / UTM zone 32N (EPSG:32632)'."""
    if not crs:
        return "no CRS"
    reference = spatial_reference(crs)
    code = reference.GetAuthorityCode(None)
    name = reference.GetName() or "unnamed CRS"
    return f"{name} ({reference.GetAuthorityName(None)}:{code})" if code else str(name)


def unit_name(crs: str) -> str:
    """The unit of a CRS's coordinates: "m", "°", "US survey foot" …; "pixels" for ""."""
    if not crs:
        return "pixels"
    reference = spatial_reference(crs)
    if reference.IsGeographic():
        return "°"
    name = str(reference.GetLinearUnitsName())
    return "m" if name.lower() in ("metre", "meter", "m") else name


def crs_code(crs: str) -> str:
    """A short text that means the CRS: 'EPSG:32632' where it has such a code, else WKT on one line; '' of ''."""
    if not crs:
        return ""
    reference = spatial_reference(crs)
    code = f"{reference.GetAuthorityName(None)}:{reference.GetAuthorityCode(None)}"
    return (
        code
        if reference.GetAuthorityCode(None) and is_crs(code) and same_crs(code, crs)
        else " ".join(crs.split())
    )


def same_crs(first: str, second: str) -> bool:
    """Whether two WKT texts mean the same system ("" equals only "")."""
    if first == second or not first or not second:
        return first == second
    options = ["IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES", "CRITERION=EQUIVALENT_EXCEPT_AXIS_ORDER_GEOGCRS"]
    return bool(attempt(lambda: spatial_reference(first).IsSame(spatial_reference(second), options)))


def georeference(dataset: Any, grid: Grid) -> None:
    """Give a GDAL dataset that is written the place of a grid.

    QGIS shows a raster without georeference at y = -row: there what is placed on its pixels must lie over it.
    """
    x0, a, b, y0, d, e = grid.geotransform
    if grid.crs:
        dataset.SetGeoTransform(grid.geotransform)
        dataset.SetSpatialRef(spatial_reference(grid.crs))
    elif grid.geotransform != Grid.of_pixels(1, 1).geotransform:
        dataset.SetGeoTransform((x0, a, b, -y0, -d, -e))


def georeferenced_grid(dataset: Any) -> Grid:
    """The grid that `georeference` gave a dataset."""
    crs, width, height = dataset.GetProjection(), dataset.RasterXSize, dataset.RasterYSize
    x0, a, b, y0, d, e = dataset.GetGeoTransform()
    if crs or dataset.GetGeoTransform(can_return_null=True) is None:
        return Grid(width, height, (x0, a, b, y0, d, e), crs)
    return Grid(width, height, (x0, a, b, -y0, -d, -e))


class Transformation:
    """Turns (N, 2) coordinates of one CRS into those of another; where that is impossible, NaN."""

    def __init__(self, source: str, target: str, near: Grid | None = None) -> None:
        """near: a grid in `target`; longitudes are those nearest to its centre, across 180° where it lies there.

        Raises InputError if there is no way between the two systems.
        """
        self._turn, self._near = (0.0, 0.0) if near is None or not target else _turn_and_centre(target, near)
        self._operation: Any = None
        if same_crs(source, target):
            return
        if not source or not target:
            raise InputError("Coordinates without a CRS cannot be transformed.", "Set the layer's CRS.")
        self._operation = attempt(
            lambda: osr.CoordinateTransformation(spatial_reference(source), spatial_reference(target))
        )
        if self._operation is None or not getattr(self._operation, "this", True):
            raise InputError(
                f"There is no transformation between {crs_name(source)} and {crs_name(target)}.",
                "Reproject one of the layers.",
            )

    def __call__(self, points: npt.ArrayLike) -> Points:
        xy = np.array(points, dtype=np.float64).reshape(-1, 2)
        if self._operation is None or len(xy) == 0:
            return self._turned(xy)
        operation = self._operation
        moved = attempt(lambda: operation.TransformPoints(xy))
        if moved is None:
            return np.full_like(xy, np.nan)
        result = np.array(moved, dtype=np.float64)[:, :2]
        result[~np.isfinite(result).all(axis=1)] = np.nan
        return self._turned(result)

    def _turned(self, xy: Points) -> Points:
        if self._turn:
            xy[:, 0] -= self._turn * np.round((xy[:, 0] - self._near) / self._turn)
        return xy


def _turn_and_centre(crs: str, grid: Grid) -> tuple[float, float]:
    """A whole turn in units of a geographic CRS, and the longitude of a grid's centre; 0 and 0 of other CRS."""
    reference = spatial_reference(crs)
    if not reference.IsGeographic():
        return 0.0, 0.0
    return 2 * math.pi / reference.GetAngularUnits(), float(grid.corners()[:, 0].mean())


def has_longitudes(crs: str) -> bool:
    """Whether there is a way from a CRS to WGS 84: there is none from a site's own grid, or from the Moon."""
    try:
        Transformation(crs, "EPSG:4326")
    except InputError:
        return False
    return True


_WORTH_TELLING = 0.01  # a scale this close to 1, as of UTM, is what users expect of the map's own metres


def map_stretch(grid: Grid) -> float:
    """Metres on the ground per metre of the map, at the centre of a grid in a projected CRS.

    About cos(latitude) for Web Mercator; 1 where it differs from 1 by less than 1 %, or cannot be told.
    """
    projection = spatial_reference(grid.crs)
    globe = attempt(projection.CloneGeogCS)
    if not isinstance(globe, osr.SpatialReference):
        return 1.0
    x, y = (grid.width - 1) / 2, (grid.height - 1) / 2
    around = grid.to_world([[x - 1, y], [x + 1, y], [x, y - 1], [x, y + 1]])
    degrees = Transformation(grid.crs, globe.ExportToWkt())(around)
    (ax, ay), (bx, by) = (_metres_between(degrees[i], degrees[i + 1], globe) for i in (0, 2))
    ground = math.sqrt(abs(ax * by - ay * bx)) / 2
    stretch = ground / (grid.gsd * projection.GetLinearUnits())
    return stretch if math.isfinite(stretch) and abs(stretch - 1) > _WORTH_TELLING else 1.0


def _metres_between(first: Points, second: Points, globe: osr.SpatialReference) -> tuple[float, float]:
    """East and north from one (longitude, latitude) to another nearby, by the ellipsoid's radii of curvature."""
    major, minor = globe.GetSemiMajor(), globe.GetSemiMinor()
    to_radians = globe.GetAngularUnits()
    latitude = float(first[1] + second[1]) / 2 * to_radians
    squared = 1 - (minor / major) ** 2
    w = math.sqrt(1 - squared * math.sin(latitude) ** 2) if math.isfinite(latitude) else math.nan
    turn = 2 * math.pi / to_radians
    east = float(second[0] - first[0])
    east -= turn * round(east / turn) if math.isfinite(east) else 0.0  # across the antimeridian
    north = float(second[1] - first[1]) * to_radians
    return east * to_radians * major / w * math.cos(latitude), north * major * (1 - squared) / w**3
