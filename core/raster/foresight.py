"""What a job will work on, found without reading a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from osgeo import osr

from ..contract import Grid, RegisterJob, check_options
from .analysis_grid import plan_grids
from .crs import Transformation, spatial_reference, unit_name
from .footprint import polygon, to_pixel_shape
from .prepare import land_use_layer
from .scene import Scene


@dataclass(frozen=True)
class Outlook:
    """reference_grid, moving_grid: the analysis grids. overlap_pixels: analysis pixels in the overlap (and area).

    overlap_km2: its area on the ground, NaN without CRS. output_pixels: of the reference layer's own grid.
    """

    reference_grid: Grid
    moving_grid: Grid
    overlap_pixels: int
    overlap_km2: float
    output_pixels: int
    notes: tuple[str, ...]


def outlook(job: RegisterJob, with_land_use: bool = False) -> Outlook:
    """Plan a job. Opens the files; raises what `prepare` would: InputError, OptionError.

    with_land_use: whether the land-cover layer will be read. Its codes are not looked at.
    """
    check_options(job)
    with (
        Scene(job.reference, "optical") as reference,
        Scene(job.moving, "SAR") as moving,
        land_use_layer(job, with_land_use) as land_cover,
    ):
        plan = plan_grids(job, reference, moving)
        grid = plan.reference_grid
        if land_cover is not None:
            land_cover.check_place(grid)
        pixels, ground = grid.width * grid.height, float("nan")
        if plan.overlap is not None:
            pixels = round(to_pixel_shape(plan.overlap, grid).GetArea())
            ground = _square_kilometres(plan.overlap, grid.crs)
        notes = (*reference.notes, *moving.notes, *plan.notes)
        own = reference.grid.width * reference.grid.height
        return Outlook(grid, plan.moving_grid, pixels, ground, own, notes)


def gsd_text(grid: Grid) -> str:
    """The size of a pixel with its unit: "10 m", "8.98e-05°", "1 px" without CRS."""
    if not grid.crs:
        return f"{grid.gsd:.3g} px"
    unit = unit_name(grid.crs)
    return f"{grid.gsd:.3g}°" if unit == "°" else f"{grid.gsd:.4g} {unit}"


def _square_kilometres(shape: Any, crs: str) -> float:
    """Area on the ground of the outer border of an OGR polygon, by an equal-area projection around its centre."""
    globe = spatial_reference(crs).CloneGeogCS()
    if not isinstance(globe, osr.SpatialReference):
        return float("nan")
    degrees = Transformation(crs, globe.ExportToWkt())
    total = 0.0
    for ring in _rings(shape):
        lon, lat = degrees(ring).mean(axis=0)
        local = f"+proj=laea +lat_0={lat:.6f} +lon_0={lon:.6f} +ellps=WGS84 +units=m"
        total += polygon(Transformation(crs, local)(ring)).GetArea() / 1e6
    return total


def _rings(shape: Any) -> list[list[tuple[float, float]]]:
    """The outer borders of a polygon or multipolygon."""
    parts = [shape]
    if shape.GetGeometryName() in ("MULTIPOLYGON", "GEOMETRYCOLLECTION"):
        parts = [shape.GetGeometryRef(i) for i in range(shape.GetGeometryCount())]
    borders = [part.GetGeometryRef(0) for part in parts if part.GetGeometryName() == "POLYGON"]
    return [[(b.GetX(i), b.GetY(i)) for i in range(b.GetPointCount())] for b in borders]
