"""A GCP table as rows of a file: the columns that all formats share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..contract import GCP, GcpTable, Grid, Points
from .crs import Transformation
from .scene import Scene

# name → type ("int", "float", "bool", "text"), in the order of all files. NaN is written as no value.
COLUMNS: dict[str, str] = {
    "id": "int",
    "map_x": "float",  # true position, reference CRS (GDAL pixels if it has none)
    "map_y": "float",
    "source_x": "float",  # the same thing in the moving layer: its own CRS (GDAL pixels if it has none)
    "source_y": "float",
    "source_col": "float",  # … and its own pixels, centres at integers
    "source_row": "float",
    "dx": "float",  # true minus present position, reference CRS
    "dy": "float",
    "residual_px": "float",  # analysis pixels
    "residual": "float",  # units of the reference CRS
    "residual_dx_px": "float",
    "residual_dy_px": "float",
    "confidence": "float",
    "round_trip": "float",
    "enabled": "bool",
    "role": "text",
}


@dataclass(frozen=True)
class SourcePositions:
    """Where the GCPs lie in the moving layer's own terms.

    xy: (N, 2) coordinates in its own CRS, or GDAL pixels (corner based) where `crs` is "".
    pixels: (N, 2) its own pixels, centres at integers.
    """

    xy: Points
    pixels: Points
    crs: str


def moving_source_pixels(moving: Scene, world: Points, crs: str) -> SourcePositions:
    """Positions in the moving image's nominal world → the moving layer's own coordinates and pixels.

    world: (N, 2) coordinates in `crs` (the reference's), or GDAL source pixels where `crs` is "": what
        `GcpTable.source_xy` and `GcpTable.moving_grid.crs` hold.
    """
    pixels = moving.own_pixels(world, crs)
    return SourcePositions(moving.grid.to_world(pixels), pixels, moving.grid.crs)


def source_positions(table: GcpTable, moving: Scene) -> SourcePositions:
    """`moving_source_pixels` for all points of a table."""
    return moving_source_pixels(moving, table.source_xy, table.moving_grid.crs)


def grid_positions(source_xy: Points, moving: Scene, moving_grid: Grid) -> Points:
    """The way back: the moving layer's own coordinates (N, 2) → pixel positions on `moving_grid`."""
    if moving_grid.crs:
        return moving_grid.to_pixel(Transformation(moving.grid.crs, moving_grid.crs, moving_grid)(source_xy))
    pixels = moving.grid.to_pixel(source_xy)
    return moving_grid.to_pixel(Grid.of_pixels(moving.grid.width, moving.grid.height).to_world(pixels))


def rows(table: GcpTable, source: SourcePositions) -> list[dict[str, Any]]:
    """One dict per GCP with the keys of `COLUMNS` and plain Python values; NaN becomes None."""
    displacement = table.displacement if table.reference_grid.crs else np.full((len(table), 2), np.nan)
    columns = [
        np.arange(1, len(table) + 1),
        *table.map_xy.T,
        *source.xy.T,
        *source.pixels.T,
        *displacement.T,
        table.residual_length_px,
        table.residual_length,
        *table.residual_px.T,
        table.confidence,
        table.round_trip,
        table.enabled,
        table.role,
    ]
    return [
        {name: _plain(value) for name, value in zip(COLUMNS, values)}
        for values in zip(*(column.tolist() for column in columns))
    ]


def takes_part(row: dict[str, Any]) -> bool:
    """Whether a row was used by the fit."""
    return bool(row["enabled"] and row["role"] == GCP)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
