"""The map tool that finds a GCP's row by a click on the map."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtCore import Qt, pyqtSignal

from ..map_tool import BorrowingTool
from .positions import CanvasPositions

REACH = 12.0  # pixels between click and point


class PickTool(BorrowingTool):
    """picked(int row): the point next to the click, if there is one within REACH pixels."""

    picked = pyqtSignal(int)

    def __init__(self, canvas: Any, positions: CanvasPositions) -> None:
        super().__init__(canvas)
        self._positions = positions
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def canvasReleaseEvent(self, event: Any) -> None:  # noqa: N802
        if event.button() != Qt.MouseButton.LeftButton:
            return
        place = event.pixelPoint()
        row = self._positions.nearest(place.x(), place.y(), REACH)
        if row >= 0:
            self.picked.emit(row)
