"""One layer as a picture of what a canvas shows, made in the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qgis.core import QgsMapRendererParallelJob, QgsMapSettings
from qgis.PyQt.QtCore import QObject, QPointF, QRectF, QTimer, pyqtSignal
from qgis.PyQt.QtGui import QColor, QImage, QPainter

DELAY_MS = 60  # a drag of the map asks for pictures faster than they can be made
PREVIEW_MS = 250  # a slow layer is shown as it comes


@dataclass(frozen=True)
class _Shot:
    """An image with the view that it shows."""

    image: QImage
    settings: QgsMapSettings


class LayerPicture(QObject):
    """Renders a layer alone, over the canvas's background, whenever the canvas shows something else.

    changed(): there is a newer image. Until then the last one is drawn where it belongs now.
    """

    changed = pyqtSignal()

    def __init__(self, canvas: Any, layer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._canvas, self._layer = canvas, layer
        self._shot: _Shot | None = None
        self._job: Any | None = None
        self._ending: list[Any] = []  # cancelled jobs that still have to let go
        self.is_current = False
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(DELAY_MS)
        self._delay.timeout.connect(self._start)
        self._preview = QTimer(self)
        self._preview.setInterval(PREVIEW_MS)
        self._preview.timeout.connect(self._show_preview)
        self._sources = (
            canvas.extentsChanged,
            canvas.rotationChanged,
            canvas.destinationCrsChanged,
            canvas.canvasColorChanged,
            layer.repaintRequested,
        )
        for signal in self._sources:
            signal.connect(self._ask)
        self._start()

    @property
    def layer(self) -> Any:
        return self._layer

    def draw(self, painter: QPainter, area: QRectF) -> None:
        """Fill `area` (canvas pixels) with the background, and the image over it at its place."""
        if self._shot is None:
            return
        painter.fillRect(area, self._background())
        now, then = self._canvas.mapSettings(), self._shot.settings
        if then.rotation() != now.rotation() or then.destinationCrs() != now.destinationCrs():
            return
        corner = now.mapToPixel().transform(then.mapToPixel().toMapCoordinates(0, 0))
        scale = then.mapUnitsPerPixel() / now.mapUnitsPerPixel()
        size = then.outputSize()
        # Rounded to a thousandth, so that an image in its own place is not resampled.
        left, top, width, height = (
            round(value, 3) for value in (corner.x(), corner.y(), size.width() * scale, size.height() * scale)
        )
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, scale != 1)
        painter.drawImage(QRectF(QPointF(left, top), QPointF(left + width, top + height)), self._shot.image)

    def shut_down(self, is_final: bool = False) -> None:
        """Make no more pictures. is_final: also wait until the threads have let go."""
        for signal in self._sources:
            try:
                signal.disconnect(self._ask)
            except (TypeError, RuntimeError):  # the layer is gone, and its connections with it
                continue
        self._delay.stop()
        self._drop_job()
        if is_final:
            for job in list(self._ending):
                job.cancel()
            self._ending.clear()

    def _background(self) -> QColor:
        return QColor(self._canvas.canvasColor())

    def _ask(self, *_values: Any) -> None:
        self.is_current = False
        self._delay.start()

    def _start(self) -> None:
        self._drop_job()
        settings = QgsMapSettings(self._canvas.mapSettings())
        if settings.outputSize().isEmpty() or settings.extent().isEmpty():
            return
        settings.setLayers([self._layer])
        settings.setBackgroundColor(self._background())
        self._job = QgsMapRendererParallelJob(settings)
        self._job.finished.connect(self._on_finished)
        self._job.start()
        self._preview.start()

    def _drop_job(self) -> None:
        self._preview.stop()
        job, self._job = self._job, None
        if job is None:
            return
        job.finished.disconnect(self._on_finished)
        if job.isActive():
            self._ending.append(job)
            job.finished.connect(lambda: self._ending.remove(job) if job in self._ending else None)
            job.cancelWithoutBlocking()

    def _show_preview(self) -> None:
        if self._job is not None:
            self._take(self._job)

    def _on_finished(self) -> None:
        self._preview.stop()
        job, self._job = self._job, None
        if job is not None:
            self.is_current = not self._delay.isActive()
            self._take(job)

    def _take(self, job: Any) -> None:
        image = job.renderedImage()
        if not image.isNull():
            self._shot = _Shot(image, job.mapSettings())
            self.changed.emit()
