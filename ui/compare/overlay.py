"""Paints two layers over the canvas: left and right of a line, or in the squares of a checkerboard."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtCore import QLineF, QPointF, QRect, QRectF, Qt
from qgis.PyQt.QtGui import QColor, QPainter, QPen, QPolygonF, QRegion

from ..canvas_item import CanvasOverlay
from .picture import LayerPicture

SWIPE, CHECKERBOARD, OFF = "swipe", "checkerboard", "off"
SQUARE, SMALLEST, LARGEST = 96, 16, 1024  # side of a square, device independent pixels
HANDLE = 14.0  # radius of the handle on the line
LINE, CASING = "#ffffff", "#1a1a1a"


class CompareOverlay(CanvasOverlay):
    """The reference fills the left (upper) part or the first square, the aligned layer the rest.

    All lengths are device independent canvas pixels.
    """

    def __init__(self, canvas: Any, reference: LayerPicture, aligned: LayerPicture) -> None:
        super().__init__(canvas)
        self._reference, self._aligned = reference, aligned
        self.mode = SWIPE
        self.is_horizontal = False
        self.square = SQUARE
        self._share = 0.5  # where the line is, of the canvas's width or height
        self._board_x, self._board_y = 0, 0
        self.setZValue(10)
        for picture in (reference, aligned):
            picture.changed.connect(self.update)

    @property
    def is_ready(self) -> bool:
        """Whether both layers are shown as they are in the present extent."""
        return self._reference.is_current and self._aligned.is_current

    @property
    def line(self) -> float:
        """Position of the line: x, or y where it is horizontal."""
        return self._share * float(self._canvas.height() if self.is_horizontal else self._canvas.width())

    def move_line(self, x: float, y: float) -> None:
        """Put the line through a point of the canvas."""
        length, place = (self._canvas.height(), y) if self.is_horizontal else (self._canvas.width(), x)
        self._share = min(1.0, max(0.0, place / max(length, 1)))
        self.update()

    def move_board(self, dx: int, dy: int) -> None:
        """Shift the squares."""
        self._board_x += dx
        self._board_y += dy
        self.update()

    def set_mode(self, mode: str) -> None:
        """SWIPE, CHECKERBOARD or OFF."""
        self.mode = mode
        self.setVisible(mode != OFF)
        self.update()

    def set_horizontal(self, is_horizontal: bool) -> None:
        """Turn the line; it comes to the middle."""
        if is_horizontal != self.is_horizontal:
            self.is_horizontal, self._share = is_horizontal, 0.5
            self.update()

    def set_square(self, side: int) -> None:
        """Side of the checkerboard's squares."""
        self.square = min(LARGEST, max(SMALLEST, side))
        self.update()

    def paint(self, painter: QPainter, _option: Any = None, _widget: Any = None) -> None:
        if self.mode == OFF:
            return
        whole = self._canvas.rect()
        region = self.aligned_region(whole)
        for picture, part in ((self._reference, QRegion(whole) - region), (self._aligned, region)):
            painter.save()
            painter.setClipRegion(part, Qt.ClipOperation.IntersectClip)
            picture.draw(painter, QRectF(whole))
            painter.restore()
        if self.mode == SWIPE:
            self._draw_line(painter)

    def aligned_region(self, whole: QRect) -> QRegion:
        """Where the aligned layer is shown."""
        if self.mode == SWIPE:
            place = round(self.line)
            if self.is_horizontal:
                return QRegion(whole.adjusted(0, place, 0, 0))
            return QRegion(whole.adjusted(place, 0, 0, 0))
        region = QRegion()
        side = self.square
        first_x, first_y = self._board_x % (2 * side) - 2 * side, self._board_y % (2 * side) - 2 * side
        for i, left in enumerate(range(first_x, whole.width(), side)):
            for j, top in enumerate(range(first_y, whole.height(), side)):
                if (i + j) % 2:
                    region += QRect(left, top, side, side)
        return region & QRegion(whole)

    def _draw_line(self, painter: QPainter) -> None:
        width, height = self._canvas.width(), self._canvas.height()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.is_horizontal:  # drawn as if upright, then turned
            painter.translate(width / 2, self.line)
            painter.rotate(90)
        else:
            painter.translate(self.line, height / 2)
        reach = max(width, height)
        for colour, thickness in ((CASING, 4.0), (LINE, 2.0)):
            painter.setPen(QPen(QColor(colour), thickness))
            painter.drawLine(QLineF(0, -reach, 0, reach))
        painter.setPen(QPen(QColor(CASING), 1.5))
        painter.setBrush(QColor(LINE))
        painter.drawEllipse(QPointF(0, 0), HANDLE, HANDLE)
        painter.setBrush(QColor(CASING))
        painter.setPen(Qt.PenStyle.NoPen)
        for side in (-1, 1):
            arrow = [QPointF(side * 10, 0), QPointF(side * 4, -5), QPointF(side * 4, 5)]
            painter.drawPolygon(QPolygonF(arrow))
        painter.restore()
