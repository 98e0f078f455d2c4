"""Drawing a polygon on the map."""

from __future__ import annotations

from qgis.core import QgsGeometry, QgsPointXY
from qgis.gui import QgsMapCanvas, QgsMapMouseEvent, QgsRubberBand
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor, QKeyEvent

from ..map_tool import BorrowingTool

# Orange with a light casing can be told from vegetation, water, and from SAR's greys.
_LINE, _FILL, _CASING = QColor(230, 120, 0), QColor(230, 120, 0, 40), QColor(255, 255, 255, 200)


def make_band(canvas: QgsMapCanvas) -> QgsRubberBand:
    """An empty rubber band in the looks of an area of interest."""
    band = QgsRubberBand(canvas)
    band.setStrokeColor(_LINE)
    band.setSecondaryStrokeColor(_CASING)
    band.setFillColor(_FILL)
    band.setWidth(2)
    return band


class AreaTool(BorrowingTool):
    """Left click adds a corner; right click, double click or Enter closes; Backspace undoes, Esc cancels.

    drawn(QgsGeometry): a polygon of three or more corners, in the canvas's CRS.
    cancelled(): given up. told(str): what to do next.
    """

    drawn = pyqtSignal(object)
    cancelled = pyqtSignal()
    told = pyqtSignal(str)

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__(canvas)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self._corners: list[QgsPointXY] = []
        self._band: QgsRubberBand | None = None
        self._is_double = False

    @property
    def corners(self) -> list[QgsPointXY]:
        """What was clicked so far, canvas CRS."""
        return list(self._corners)

    def activate(self) -> None:
        """QGIS hands the canvas over."""
        super().activate()
        self._restart()
        self.canvas().setFocus()
        self.told.emit("Click the corners on the map. Right click or Enter closes, Backspace undoes, Esc cancels.")

    def deactivate(self) -> None:
        """Another tool takes over: what was not closed is dropped."""
        self._restart()
        self.told.emit("")
        super().deactivate()

    def canvasReleaseEvent(self, event: QgsMapMouseEvent) -> None:  # noqa: N802 - Qt's name
        """A click is over: a corner, or the end."""
        if self._is_double:  # the second release of a double click
            self._is_double = False
        elif event.button() == Qt.MouseButton.LeftButton:
            self._corners.append(event.mapPoint())
            self._draw(event.mapPoint())
        elif event.button() == Qt.MouseButton.RightButton:
            self.finish()

    def canvasDoubleClickEvent(self, event: QgsMapMouseEvent) -> None:  # noqa: N802 - Qt's name
        """The corner was set by the first click of the two."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._is_double = True
            self.finish()

    def canvasMoveEvent(self, event: QgsMapMouseEvent) -> None:  # noqa: N802 - Qt's name
        """The next side follows the mouse."""
        if self._corners:
            self._draw(event.mapPoint())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Enter, Backspace and Esc; all other keys are the canvas's."""
        key = event.key()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.finish()
        elif key in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete):
            self._corners = self._corners[:-1]
            self._draw(self._corners[-1] if self._corners else None)
        elif key == Qt.Key.Key_Escape:
            self._restart()
            self.cancelled.emit()
        else:
            return
        event.ignore()  # QGIS's word for 'taken': the canvas does nothing more with an ignored key

    def finish(self) -> None:
        """Close the polygon if it has three corners."""
        corners = [p for i, p in enumerate(self._corners) if i == 0 or p != self._corners[i - 1]]
        if len(corners) < 3:
            self.told.emit("An area needs at least three corners.")
            return
        geometry = QgsGeometry.fromPolygonXY([[*corners, corners[0]]])
        self._restart()
        self.drawn.emit(geometry)

    def _restart(self) -> None:
        self._corners = []
        self._is_double = False
        if self._band is not None:
            self.canvas().scene().removeItem(self._band)
            self._band = None

    def _draw(self, cursor: QgsPointXY | None) -> None:
        points = self._corners if cursor is None else [*self._corners, cursor]
        if self._band is None:
            self._band = make_band(self.canvas())
        if len(points) < 3:
            shape = QgsGeometry.fromPolylineXY(points) if len(points) == 2 else QgsGeometry()
        else:
            shape = QgsGeometry.fromPolygonXY([[*points, points[0]]])
        self._band.setToGeometry(shape, self.canvas().mapSettings().destinationCrs())
