"""What the GCP table adds to the map: crosses on switched-off points, a ring around the selected ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from qgis.core import QgsGeometry
from qgis.PyQt.QtCore import QLineF, QPointF, Qt
from qgis.PyQt.QtGui import QColor, QPainter, QPen, QPixmap

from ...core.contract import Flags, GcpTable, Points
from ..canvas_item import CanvasOverlay
from .positions import CanvasPositions

CROSS = 6.0  # half a cross's side, pixels
CROSS_BOX = 18  # side of the picture of a cross, pixels
RING = 9.0  # radius, pixels
MOST_RINGS = 500  # more would hide the map
DARK, OFF_COLOUR, RING_COLOUR = "#1a1a1a", "#ff5c8a", "#ffe94a"


class GcpOverlay(CanvasOverlay):
    """Draws over a map canvas; knows nothing of the table's view."""

    def __init__(self, canvas: Any, positions: CanvasPositions) -> None:
        super().__init__(canvas)
        self._positions = positions
        self._off: Flags = np.zeros(0, dtype=np.bool_)
        self._selected = np.zeros(0, dtype=np.intp)
        self.setZValue(20)  # above the compare overlay

    def set_table(self, table: GcpTable | None) -> None:
        """The points that are on and off now; `positions` was given the same table."""
        self._off = np.zeros(0, dtype=np.bool_) if table is None else ~table.enabled
        self._selected = self._selected[self._selected < len(self._off)]
        self.update()

    def select(self, rows: Any) -> None:
        """Ring these rows (N,)."""
        self._selected = np.asarray(rows, dtype=np.intp)[:MOST_RINGS]
        self.update()

    def flash(self, row: int) -> bool:
        """Let a point blink; False where it has no place on this map."""
        point = self._positions.point(row)
        if point is None:
            return False
        self._canvas.flashGeometries([QgsGeometry.fromPointXY(point)], self._canvas.mapSettings().destinationCrs())
        return True

    def paint(self, painter: QPainter, _option: Any = None, _widget: Any = None) -> None:
        if len(self._positions) != len(self._off) or not len(self._off):
            return
        pixels = self._positions.in_pixels()
        margin = 2 * RING
        low, high = -margin, np.array([self._canvas.width() + margin, self._canvas.height() + margin])
        visible = ((pixels > low) & (pixels < high)).all(axis=1)  # NaN is not
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        _draw_crosses(painter, pixels[visible & self._off])
        _draw_rings(painter, pixels[self._selected[visible[self._selected]]])


def _draw_crosses(painter: QPainter, centres: Points) -> None:
    """Stamp one picture of a cross: drawing 10,000 of them line by line would be felt."""
    if not len(centres):
        return
    cross = _cross(painter.device().devicePixelRatioF())
    for x, y in np.unique(np.rint(centres), axis=0).tolist():
        painter.drawPixmap(QPointF(x - CROSS_BOX / 2, y - CROSS_BOX / 2), cross)


def _cross(pixel_ratio: float) -> QPixmap:
    side = round(CROSS_BOX * pixel_ratio)
    pixmap = QPixmap(side, side)
    pixmap.setDevicePixelRatio(pixel_ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    near, far = CROSS_BOX / 2 - CROSS, CROSS_BOX / 2 + CROSS
    for colour, width in ((DARK, 3.6), (OFF_COLOUR, 1.8)):
        painter.setPen(_pen(colour, width))
        painter.drawLine(QLineF(near, near, far, far))
        painter.drawLine(QLineF(near, far, far, near))
    painter.end()
    return pixmap


def _draw_rings(painter: QPainter, centres: Points) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in ((DARK, 5.0), (RING_COLOUR, 2.5)):
        painter.setPen(_pen(colour, width))
        for x, y in centres.tolist():
            painter.drawEllipse(QPointF(x, y), RING, RING)


def _pen(colour: str, width: float) -> QPen:
    pen = QPen(QColor(colour), width)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    return pen
