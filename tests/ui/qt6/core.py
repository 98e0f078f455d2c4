"""Stand-ins for what Sarto takes from `qgis.core`: as much of each as its widgets ask for."""

# ruff: noqa: N802, N815 - Qt's and QGIS's names

from __future__ import annotations

import enum
import types
from typing import Any

from PyQt6.QtCore import QObject, QRectF, QSize, QTimer, pyqtSignal
from PyQt6.QtGui import QColor, QImage


class _Lenient(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()


class Anything(metaclass=_Lenient):
    """Has every attribute, can be called, subclassed and combined; empty wherever it is looked into."""

    def __init__(self, *_args: Any, **_named: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __call__(self, *_args: Any, **_named: Any) -> Any:
        return Anything()

    def __or__(self, _other: Any) -> Anything:
        return self

    def __iter__(self) -> Any:
        return iter(())

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return ""


class Qgis(Anything):
    MessageLevel = enum.IntEnum("MessageLevel", "Info Warning Critical Success", start=0)
    LayerFilter = enum.IntFlag("LayerFilter", "RasterLayer VectorLayer")


class QgsCsException(Exception): ...


class QgsProcessingException(Exception): ...


class QgsSettings:
    _values: dict[str, Any] = {}  # noqa: RUF012 - all settings are one, as in QGIS

    def value(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    def setValue(self, key: str, value: Any) -> None:
        self._values[key] = value

    def remove(self, key: str) -> None:
        self._values.pop(key, None)


class QgsTask(QObject):
    Flag = enum.IntFlag("Flag", "CanCancel CancelWithoutPrompt Silent")
    TaskStatus = enum.IntEnum("TaskStatus", "Queued Running", start=0)

    def __init__(self, description: str, flags: QgsTask.Flag) -> None:
        super().__init__()
        assert isinstance(flags, QgsTask.Flag)
        self._is_cancelled = False

    def isCanceled(self) -> bool:
        return self._is_cancelled

    def status(self) -> QgsTask.TaskStatus:
        return QgsTask.TaskStatus.Running

    def isActive(self) -> bool:
        return False

    def cancel(self) -> None:
        self._is_cancelled = True

    def setProgress(self, _percent: float) -> None:
        pass

    def waitForFinished(self, _milliseconds: int) -> bool:
        return True


class _Tasks:
    def addTask(self, task: QgsTask) -> None:
        QTimer.singleShot(0, lambda: task.finished(task.run()))


class QgsApplication(Anything):
    @staticmethod
    def taskManager() -> _Tasks:
        return _Tasks()


class QgsPointXY:
    def __init__(self, x: float, y: float) -> None:
        self._xy = float(x), float(y)

    def x(self) -> float:
        return self._xy[0]

    def y(self) -> float:
        return self._xy[1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QgsPointXY) and self._xy == other._xy

    __hash__ = None  # type: ignore[assignment]


class QgsCoordinateReferenceSystem:
    def __init__(self, name: str = "") -> None:
        self._name = name

    @staticmethod
    def fromWkt(_wkt: str) -> QgsCoordinateReferenceSystem:
        return QgsCoordinateReferenceSystem("EPSG:32632")

    def authid(self) -> str:
        return self._name

    def isValid(self) -> bool:
        return bool(self._name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QgsCoordinateReferenceSystem) and self._name == other._name

    __hash__ = None  # type: ignore[assignment]


class QgsCoordinateTransform:
    """All layers are in one CRS."""

    def __init__(self, *_args: Any) -> None:
        pass

    def isShortCircuited(self) -> bool:
        return True


class QgsGeometry:
    def __init__(self, corners: int = 0) -> None:
        self._corners = corners

    @staticmethod
    def fromWkt(wkt: str) -> QgsGeometry:
        return QgsGeometry(4 if wkt else 0)

    @staticmethod
    def fromPolygonXY(rings: list[list[QgsPointXY]]) -> QgsGeometry:
        return QgsGeometry(len(rings[0]))

    @staticmethod
    def fromPolylineXY(points: list[QgsPointXY]) -> QgsGeometry:
        return QgsGeometry(len(points))

    @staticmethod
    def fromPointXY(_point: QgsPointXY) -> QgsGeometry:
        return QgsGeometry(1)

    def isEmpty(self) -> bool:
        return not self._corners

    def area(self) -> float:
        return float(self._corners)

    def asWkt(self, _precision: int = 0) -> str:
        return "POLYGON"


class QgsMapSettings:
    """A square of 10 km on 600 × 400 pixels, north up."""

    def __init__(self, *_others: Any) -> None:
        pass

    def outputSize(self) -> QSize:
        return QSize(600, 400)

    def extent(self) -> QRectF:
        return QRectF(0, 0, 10_000, 10_000)

    def rotation(self) -> float:
        return 0.0

    def destinationCrs(self) -> QgsCoordinateReferenceSystem:
        return QgsCoordinateReferenceSystem("EPSG:32632")

    def mapUnitsPerPixel(self) -> float:
        return 25.0

    def mapToPixel(self) -> QgsMapSettings:
        return self

    def toMapCoordinates(self, x: float, y: float) -> QgsPointXY:
        return QgsPointXY(500_000 + 25 * x, 5_500_000 - 25 * y)

    def transform(self, point: QgsPointXY) -> QgsPointXY:
        return QgsPointXY((point.x() - 500_000) / 25, (5_500_000 - point.y()) / 25)

    def setLayers(self, _layers: list[Any]) -> None:
        pass

    def setBackgroundColor(self, colour: QColor) -> None:
        assert isinstance(colour, QColor)


class QgsMapRendererParallelJob(QObject):
    finished = pyqtSignal()

    def __init__(self, settings: QgsMapSettings) -> None:
        super().__init__()
        self._settings = settings

    def start(self) -> None:
        QTimer.singleShot(0, self.finished.emit)

    def isActive(self) -> bool:
        return False

    def mapSettings(self) -> QgsMapSettings:
        return self._settings

    def renderedImage(self) -> QImage:
        image = QImage(self._settings.outputSize(), QImage.Format.Format_RGB32)
        image.fill(0x336699)
        return image


class QgsMapLayer(QObject):
    nameChanged = pyqtSignal()
    crsChanged = pyqtSignal()
    dataSourceChanged = pyqtSignal()
    willBeDeleted = pyqtSignal()
    repaintRequested = pyqtSignal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def name(self) -> str:
        return self._name

    id = source = name

    def customProperty(self, _key: str, default: Any = None) -> Any:
        return default

    def isValid(self) -> bool:
        return False  # nothing looks for its file

    def providerType(self) -> str:
        return "gdal"

    def crs(self) -> QgsCoordinateReferenceSystem:
        return QgsCoordinateReferenceSystem("EPSG:32632")


class QgsRasterLayer(QgsMapLayer):
    def bandCount(self) -> int:
        return 2

    def bandName(self, number: int) -> str:
        return f"Band {number}"

    def dataProvider(self) -> None:
        return None


class QgsProject(QObject):
    layersAdded = pyqtSignal(object)
    layersRemoved = pyqtSignal(object)
    cleared = pyqtSignal()
    readProject = pyqtSignal()
    _only: QgsProject | None = None

    def __init__(self) -> None:
        super().__init__()
        self.layers: dict[str, QgsMapLayer] = {}
        self._entries: dict[tuple[str, str], str] = {}

    @classmethod
    def instance(cls) -> QgsProject:
        cls._only = cls._only or QgsProject()
        return cls._only

    def mapLayers(self) -> dict[str, QgsMapLayer]:
        return dict(self.layers)

    def mapLayer(self, key: str) -> QgsMapLayer | None:
        return self.layers.get(key)

    def layerTreeRoot(self) -> Any:
        return types.SimpleNamespace(layerOrder=lambda: list(self.layers.values()))

    def readEntry(self, scope: str, key: str, default: str) -> tuple[str, bool]:
        return self._entries.get((scope, key), default), True

    def writeEntry(self, scope: str, key: str, value: str) -> None:
        self._entries[scope, key] = value

    def removeEntry(self, scope: str, key: str) -> None:
        self._entries.pop((scope, key), None)
