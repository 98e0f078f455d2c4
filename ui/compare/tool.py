"""The map tool that moves the line or the squares."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtCore import QPoint, Qt, pyqtSignal

from ..map_tool import BorrowingTool
from .overlay import CHECKERBOARD, CompareOverlay

WHEEL_STEP = 1.15  # factor of the squares' side per notch of the wheel


class CompareTool(BorrowingTool):
    """Drag moves the line or the squares, Shift and a click turns the line, Ctrl and the wheel sizes squares.

    turn_requested(): the line shall be turned. size_requested(int): side of the squares. closed(): Escape.
    """

    turn_requested = pyqtSignal()
    size_requested = pyqtSignal(int)
    closed = pyqtSignal()
    waits = True  # the comparison stays while an area is drawn or a GCP is picked

    def __init__(self, canvas: Any) -> None:
        super().__init__(canvas)
        self._overlay: CompareOverlay | None = None
        self._last: QPoint | None = None

    def set_overlay(self, overlay: CompareOverlay | None) -> None:
        """What the tool moves."""
        self._overlay, self._last = overlay, None
        self.show_cursor()

    def show_cursor(self) -> None:
        """A cursor that says what a drag does."""
        if self._overlay is None or self._overlay.mode == CHECKERBOARD:
            self.setCursor(Qt.CursorShape.SizeAllCursor)
        elif self._overlay.is_horizontal:
            self.setCursor(Qt.CursorShape.SplitVCursor)
        else:
            self.setCursor(Qt.CursorShape.SplitHCursor)

    def canvasPressEvent(self, event: Any) -> None:  # noqa: N802
        if event.button() != Qt.MouseButton.LeftButton or self._overlay is None:
            return
        self._last = event.pixelPoint()
        if self._overlay.mode == CHECKERBOARD:
            return
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.turn_requested.emit()
        self._follow(event.pixelPoint())

    def canvasMoveEvent(self, event: Any) -> None:  # noqa: N802
        if self._last is not None:
            self._follow(event.pixelPoint())

    def canvasReleaseEvent(self, event: Any) -> None:  # noqa: N802
        if event.button() == Qt.MouseButton.LeftButton:
            self._last = None

    def wheelEvent(self, event: Any) -> None:  # noqa: N802
        is_sizing = self._overlay is not None and self._overlay.mode == CHECKERBOARD
        notches = event.angleDelta().y() / 120
        if not (is_sizing and notches and event.modifiers() & Qt.KeyboardModifier.ControlModifier):
            event.ignore()  # the canvas zooms
            return
        event.accept()
        if self._overlay is not None:
            self.size_requested.emit(round(self._overlay.square * WHEEL_STEP**notches))

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Escape:
            event.accept()
            self.closed.emit()
        else:
            event.ignore()

    def _follow(self, place: QPoint) -> None:
        if self._overlay is None or self._last is None:
            return
        if self._overlay.mode == CHECKERBOARD:
            self._overlay.move_board(place.x() - self._last.x(), place.y() - self._last.y())
        else:
            self._overlay.move_line(place.x(), place.y())
        self._last = place
