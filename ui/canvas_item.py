"""What Sarto draws over the map has in common."""

from __future__ import annotations

from typing import Any

from qgis.gui import QgsMapCanvasItem
from qgis.PyQt.QtCore import QRectF


class CanvasOverlay(QgsMapCanvasItem):
    """A drawing as large as the canvas, in its pixels, painted anew when the map shows something else."""

    def __init__(self, canvas: Any) -> None:
        super().__init__(canvas)
        self._canvas = canvas

    def boundingRect(self) -> QRectF:  # noqa: N802
        return QRectF(self._canvas.rect())

    def updatePosition(self) -> None:  # noqa: N802
        """The canvas shows another extent."""
        self.prepareGeometryChange()
        self.setPos(0, 0)
        self.update()
