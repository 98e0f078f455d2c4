"""Stand-ins for what Sarto takes from `qgis.gui`: thin subclasses of PyQt6's widgets, strict about its enums."""

# ruff: noqa: N802, N815 - Qt's and QGIS's names

from __future__ import annotations

import enum
from typing import Any

from PyQt6.QtCore import QObject, QPoint, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent
from PyQt6.QtWidgets import (
    QComboBox,
    QDockWidget,
    QGraphicsItem,
    QGraphicsScene,
    QGraphicsView,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QMainWindow,
    QToolButton,
    QWidget,
)

from core import (
    Anything,
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsMapLayer,
    QgsMapSettings,
    QgsPointXY,
    QgsProject,
)


class QgsMapMouseEvent(QMouseEvent):
    def __init__(self, canvas: QgsMapCanvas, event: QMouseEvent) -> None:
        places = event.position(), event.globalPosition()
        super().__init__(event.type(), *places, event.button(), event.buttons(), event.modifiers())
        self._canvas = canvas

    def pixelPoint(self) -> QPoint:
        return self.position().toPoint()

    def mapPoint(self) -> QgsPointXY:
        return self._canvas.mapSettings().toMapCoordinates(self.position().x(), self.position().y())


class QgsMapTool(QObject):
    activated = pyqtSignal()
    deactivated = pyqtSignal()

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__(canvas)
        self._canvas = canvas

    def canvas(self) -> QgsMapCanvas:
        return self._canvas

    def setCursor(self, cursor: Any) -> None:
        self._canvas.viewport().setCursor(cursor)

    def activate(self) -> None:
        self.activated.emit()

    def deactivate(self) -> None:
        self.deactivated.emit()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("canvas") or name.endswith("Event"):
            return lambda event: event.ignore()
        raise AttributeError(name)


class QgsMapCanvas(QGraphicsView):
    """Hands its events to the map tool, as QGIS does."""

    extentsChanged = pyqtSignal()
    rotationChanged = pyqtSignal(float)
    destinationCrsChanged = pyqtSignal()
    canvasColorChanged = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.setScene(QGraphicsScene(0, 0, 600, 400, self))
        self._tool: QgsMapTool | None = None

    def mapTool(self) -> QgsMapTool | None:
        return self._tool

    def setMapTool(self, tool: QgsMapTool | None) -> None:
        before, self._tool = self._tool, tool
        if before is not None:
            before.deactivate()
        if tool is not None:
            tool.activate()

    def unsetMapTool(self, tool: QgsMapTool) -> None:
        if tool is self._tool:
            self.setMapTool(None)

    def mapSettings(self) -> QgsMapSettings:
        return QgsMapSettings()

    getCoordinateTransform = mapSettings

    def canvasColor(self) -> QColor:
        return QColor("white")

    def setCenter(self, _point: QgsPointXY) -> None:
        self.extentsChanged.emit()

    def setExtent(self, _extent: Any) -> None:
        self.extentsChanged.emit()

    def refresh(self) -> None:
        self.viewport().update()

    def flashGeometries(self, *_args: Any) -> None:
        pass

    def _hand_on(self, name: str, event: Any) -> None:
        if self._tool is not None:
            getattr(self._tool, name)(event)

    def mousePressEvent(self, event: Any) -> None:
        self._hand_on("canvasPressEvent", QgsMapMouseEvent(self, event))

    def mouseMoveEvent(self, event: Any) -> None:
        self._hand_on("canvasMoveEvent", QgsMapMouseEvent(self, event))

    def mouseReleaseEvent(self, event: Any) -> None:
        self._hand_on("canvasReleaseEvent", QgsMapMouseEvent(self, event))

    def mouseDoubleClickEvent(self, event: Any) -> None:
        self._hand_on("canvasDoubleClickEvent", QgsMapMouseEvent(self, event))

    def wheelEvent(self, event: Any) -> None:
        self._hand_on("wheelEvent", event)

    def keyPressEvent(self, event: Any) -> None:
        self._hand_on("keyPressEvent", event)


class QgsMapCanvasItem(QGraphicsItem):
    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__()
        canvas.scene().addItem(self)


class QgsRubberBand(QgsMapCanvasItem):
    def setStrokeColor(self, colour: QColor) -> None:
        assert isinstance(colour, QColor)

    setSecondaryStrokeColor = setFillColor = setStrokeColor

    def setWidth(self, _width: int) -> None:
        pass

    def setToGeometry(self, geometry: QgsGeometry, _crs: QgsCoordinateReferenceSystem) -> None:
        assert isinstance(geometry, QgsGeometry)

    def boundingRect(self) -> QRectF:
        return QRectF(0, 0, 600, 400)

    def paint(self, _painter: Any, _option: Any, _widget: Any = None) -> None:
        pass


class QgsDockWidget(QDockWidget):
    closedStateChanged = pyqtSignal(bool)

    def setUserVisible(self, is_visible: bool) -> None:
        self.setVisible(is_visible)


class QgsCollapsibleGroupBox(QGroupBox):
    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(title, parent)
        self._is_collapsed = False
        self._button = QToolButton(self)

    def setSaveCollapsedState(self, _is_saved: bool) -> None:
        pass

    def setCollapsed(self, is_collapsed: bool) -> None:
        self._is_collapsed = is_collapsed

    def isCollapsed(self) -> bool:
        return self._is_collapsed


class QgsFileWidget(QWidget):
    StorageMode = enum.IntEnum("StorageMode", "GetFile GetDirectory")
    fileChanged = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._edit = QLineEdit(self)
        row = QHBoxLayout(self)
        row.addWidget(self._edit)
        row.addWidget(QToolButton(self))
        self._edit.textChanged.connect(self.fileChanged)
        self.setFilePath, self.filePath = self._edit.setText, self._edit.text

    def lineEdit(self) -> QLineEdit:
        return self._edit

    def setStorageMode(self, mode: QgsFileWidget.StorageMode) -> None:
        assert isinstance(mode, QgsFileWidget.StorageMode)

    def setDialogTitle(self, _title: str) -> None:
        pass

    def setFilter(self, filter: str) -> None:
        assert isinstance(filter, str)


class QgsMapLayerComboBox(QComboBox):
    layerChanged = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.currentIndexChanged.connect(lambda _index: self.layerChanged.emit(self.currentLayer()))

    def setFilters(self, filters: Any) -> None:
        assert isinstance(filters, Qgis.LayerFilter)

    def setAllowEmptyLayer(self, _is_allowed: bool, text: str) -> None:
        self.addItem(text, None)
        for layer in QgsProject.instance().layers.values():
            self.addItem(layer.name(), layer)

    def setLayer(self, layer: QgsMapLayer | None) -> None:
        self.setCurrentIndex(max(0, self.findData(layer)))

    def currentLayer(self) -> QgsMapLayer | None:
        return self.currentData()


class QgsRasterBandComboBox(Anything):
    @staticmethod
    def displayBandName(_provider: Any, number: int) -> str:
        return f"Band {number}"


class Bar(QWidget):
    """The message bar; `shown` holds the texts."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    def pushMessage(self, _title: str, text: str, level: Qgis.MessageLevel, _seconds: int = 0) -> None:
        assert isinstance(level, Qgis.MessageLevel)
        self.shown.append(text)


class Interface(Anything):
    def __init__(self) -> None:
        self.window, self.canvas, self.bar = QMainWindow(), QgsMapCanvas(), Bar()
        self.window.setCentralWidget(self.canvas)
        self._signals = _Signals()
        self.currentLayerChanged = self._signals.currentLayerChanged

    def mainWindow(self) -> QMainWindow:
        return self.window

    def mapCanvas(self) -> QgsMapCanvas:
        return self.canvas

    def messageBar(self) -> Bar:
        return self.bar

    def activeLayer(self) -> None:
        return None

    def addDockWidget(self, area: Qt.DockWidgetArea, dock: QDockWidget) -> None:
        self.window.addDockWidget(area, dock)

    def removeDockWidget(self, dock: QDockWidget) -> None:
        self.window.removeDockWidget(dock)


class _Signals(QObject):
    currentLayerChanged = pyqtSignal(object)
