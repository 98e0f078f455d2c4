"""Map tools that have the canvas for a while and give it back."""

from __future__ import annotations

from typing import Any

from qgis.gui import QgsMapTool
from qgis.PyQt import sip


class BorrowingTool(QgsMapTool):
    """A map tool of Sarto. When it is done the canvas goes back to the tool that had it before.

    waits: whether it wants the canvas back after another tool of Sarto had it; else it is done as soon as any
    other tool is chosen.
    """

    waits = False

    def __init__(self, canvas: Any) -> None:
        super().__init__(canvas)
        self._map_canvas = canvas
        self._is_wanted = False
        self._earlier: Any | None = None
        self._base: Any | None = None  # the last tool that was not Sarto's

    @property
    def has_canvas(self) -> bool:
        """Whether it is the canvas's tool now."""
        return self._map_canvas.mapTool() is self

    def take_canvas(self) -> None:
        """Become the canvas's tool."""
        self._is_wanted = True
        if self.has_canvas:
            return
        before = self._map_canvas.mapTool()
        self._earlier = before
        self._base = before._base if isinstance(before, BorrowingTool) else before
        self._map_canvas.setMapTool(self)

    def give_canvas_back(self) -> None:
        """Hand the canvas back; nothing happens where another tool was chosen meanwhile."""
        self._is_wanted = False
        if not self.has_canvas:
            return
        for tool in (self._earlier, self._base):
            if _is_usable(tool):
                self._map_canvas.setMapTool(tool)
                return
        self._map_canvas.unsetMapTool(self)

    def deactivate(self) -> None:
        """QGIS gives the canvas to another tool; until that is done it still names this one as its own."""
        if not self.waits:
            self._is_wanted = False
        super().deactivate()

    def end(self) -> None:
        """Give the canvas back and go. May be called twice."""
        if not sip.isdeleted(self):
            self.give_canvas_back()
            self._earlier = self._base = None
            self.deleteLater()


def _is_usable(tool: Any | None) -> bool:
    """Whether a tool is still there and, if it is one of Sarto's, not done."""
    if tool is None or sip.isdeleted(tool):
        return False
    return not isinstance(tool, BorrowingTool) or tool._is_wanted
