"""Where the GCPs of a run lie on a map canvas."""

from __future__ import annotations

from typing import Any

import numpy as np
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsLineString,
    QgsPointXY,
    QgsProject,
)

from ...core.contract import GcpTable, Points

_WKB_HEADER = 9  # byte order, type, number of points


class CanvasPositions:
    """True positions of a table's points, in the canvas's CRS and in its pixels (device independent).

    Asked for often: the way into the canvas's CRS is gone once per CRS, that into pixels is one product.
    """

    def __init__(self, canvas: Any) -> None:
        self._canvas = canvas
        self._map_xy: Points = np.zeros((0, 2))
        self._crs = QgsCoordinateReferenceSystem()
        self._in_canvas_crs: tuple[Any, Points] | None = None

    def set_table(self, table: GcpTable | None) -> None:
        """Take the positions of a table, or of none."""
        self._in_canvas_crs = None
        self._map_xy = np.zeros((0, 2)) if table is None else table.map_xy
        wkt = "" if table is None else table.reference_grid.crs
        self._crs = QgsCoordinateReferenceSystem.fromWkt(wkt) if wkt else QgsCoordinateReferenceSystem()
        if not wkt:
            self._map_xy = self._map_xy * np.array([1.0, -1.0])  # QGIS draws rows downwards as negative y

    def __len__(self) -> int:
        return len(self._map_xy)

    def on_map(self) -> Points:
        """(N, 2) in the canvas's CRS; NaN where a point cannot be shown there."""
        target = self._canvas.mapSettings().destinationCrs()
        if self._in_canvas_crs is None or self._in_canvas_crs[0] != target:
            self._in_canvas_crs = (target, self._transformed(target))
        return self._in_canvas_crs[1]

    def in_pixels(self) -> Points:
        """(N, 2) canvas pixels, x right, y down; NaN where a point cannot be shown."""
        to_pixel = self._canvas.getCoordinateTransform()
        centre = to_pixel.toMapCoordinates(0, 0)
        step = to_pixel.mapUnitsPerPixel()
        # The view is an affine map (it may be turned): three of its points say all about it.
        corners = [
            to_pixel.transform(QgsPointXY(centre.x() + dx, centre.y() + dy))
            for dx, dy in ((0.0, 0.0), (step, 0.0), (0.0, step))
        ]
        zero, right, up = (np.array([p.x(), p.y()]) for p in corners)
        matrix = np.stack([right - zero, up - zero], axis=1) / step
        pixels: Points = (self.on_map() - (centre.x(), centre.y())) @ matrix.T + zero
        return pixels

    def nearest(self, x: float, y: float, reach: float) -> int:
        """The point nearest to a canvas pixel, -1 where none is within `reach` pixels."""
        if not len(self):
            return -1
        distance = np.hypot(*(self.in_pixels() - (x, y)).T)
        if not (distance <= reach).any():
            return -1
        return int(np.nanargmin(distance))

    def point(self, row: int) -> Any | None:
        """A point's position in the canvas's CRS (QgsPointXY), or None where it has none."""
        x, y = self.on_map()[row].tolist()
        return QgsPointXY(x, y) if np.isfinite([x, y]).all() else None

    def _transformed(self, target: Any) -> Points:
        transform = QgsCoordinateTransform(self._crs, target, QgsProject.instance())
        if transform.isShortCircuited() or not len(self):
            return self._map_xy
        line = QgsLineString(self._map_xy[:, 0].tolist(), self._map_xy[:, 1].tolist())
        try:
            line.transform(transform)  # all points in one call
        except QgsCsException:
            return np.array([_transformed_point(transform, x, y) for x, y in self._map_xy.tolist()])
        numbers = np.frombuffer(bytes(line.asWkb()), dtype="<f8", offset=_WKB_HEADER)
        moved: Points = numbers.reshape(-1, 2).copy()
        moved[~np.isfinite(moved).all(axis=1)] = np.nan
        return moved


def _transformed_point(transform: Any, x: float, y: float) -> tuple[float, float]:
    try:
        point = transform.transform(QgsPointXY(x, y))
    except QgsCsException:
        return np.nan, np.nan
    return point.x(), point.y()
