"""Coordinates between reference systems, x = east or longitude first, as GDAL rasters have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from osgeo import osr

from ..contract import InputError, Points
from .gdal_tools import attempt


def spatial_reference(crs: str) -> osr.SpatialReference:
    """An OSR object with traditional axis order. Raises InputError for a text that is no CRS."""
    reference = osr.SpatialReference()
    if attempt(lambda: reference.SetFromUserInput(crs)) != 0:
        raise InputError(f"'{crs[:80]}' is not a known coordinate reference system.", "Set the layer's CRS.")
    reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return reference


def crs_name(crs: str) -> str:
    """A short name for messages, for example 'WGS 84 / UTM zone 32N (EPSG:32632)'."""
    if not crs:
        return "no CRS"
    reference = spatial_reference(crs)
    code = reference.GetAuthorityCode(None)
    name = reference.GetName() or "unnamed CRS"
    return f"{name} ({reference.GetAuthorityName(None)}:{code})" if code else str(name)


def same_crs(first: str, second: str) -> bool:
    """Whether two WKT texts mean the same system ("" equals only "")."""
    if first == second or not first or not second:
        return first == second
    options = ["IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES", "CRITERION=EQUIVALENT_EXCEPT_AXIS_ORDER_GEOGCRS"]
    return bool(attempt(lambda: spatial_reference(first).IsSame(spatial_reference(second), options)))


class Transformation:
    """Turns (N, 2) coordinates of one CRS into those of another; where that is impossible, NaN."""

    def __init__(self, source: str, target: str) -> None:
        """Raises InputError if there is no way between the two systems."""
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
            return xy
        operation = self._operation
        moved = attempt(lambda: operation.TransformPoints(xy))
        if moved is None:
            return np.full_like(xy, np.nan)
        result = np.array(moved, dtype=np.float64)[:, :2]
        result[~np.isfinite(result).all(axis=1)] = np.nan
        return result
