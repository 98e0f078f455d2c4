"""The layers of a run, made but not yet in the project."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsContrastEnhancement,
    QgsCoordinateReferenceSystem,
    QgsExpressionContextUtils,
    QgsProject,
    QgsRasterLayer,
    QgsSingleBandGrayRenderer,
    QgsVectorLayer,
)
from qgis.PyQt.QtXml import QDomDocument

from ...core.contract import GcpTable, InputError, RegisterResult
from ...core.pipeline import is_edited
from ..steps import Steps
from .arrows import VARIABLES, arrow_scale, map_vectors
from .cover_layer import open_cover
from .describe import layer_metadata
from .find import RECORD_PROPERTY, ROLE_PROPERTY

STYLES = Path(__file__).resolve().parents[2] / "resources" / "styles"
MISSING_HINT = "Run the registration again."
STYLE_HINT = "Install the plugin again."

EXPLANATIONS = {
    "gcps": "Where the GCPs and check points truly lie, coloured by what the transform leaves over.",
    "residuals": "From the true position of each GCP to where the aligned layer shows it, exaggerated as the "
    "layer's name says.",
    "links": "From where the SAR layer showed each GCP to where it belongs.",
    "land_cover": "The land cover to which the method paid most attention, place by place. It shows what guided "
    "the registration, and is no land-cover product.",
    "aligned": "The SAR layer, moved onto the optical layer.",
    "painted": "Synthetic: what the SAR layer might look like to an optical sensor, as the method imagines it. "
    "Nothing in it was measured by an optical sensor; it is for the eye only.",
}


@dataclass(frozen=True)
class ResultLayers:
    """The layers from top to bottom.

    links is None where the SAR layer had no place on the map before, land_cover and painted (the synthetic
    picture) where none was written.
    """

    gcps: Any
    residuals: Any
    links: Any | None
    land_cover: Any | None
    aligned: Any
    painted: Any | None

    @property
    def all(self) -> tuple[Any, ...]:
        layers = (self.gcps, self.residuals, self.links, self.land_cover, self.aligned, self.painted)
        return tuple(layer for layer in layers if layer is not None)


def open_aligned(
    result: RegisterResult, limits: list[tuple[float, float]], project: QgsProject | None = None
) -> QgsRasterLayer:
    """The layer of the aligned raster, not in the project yet. Raises InputError where it cannot be opened.

    QGIS itself looks for the range of the values while it opens a raster, which takes 0.1 s and more: call it
    in a thread, and move the layer to the main one (`QObject.moveToThread`).
    """
    how = "aligned, edited" if is_edited(result) else "aligned"
    path, name = _existing(result, "aligned"), f"{result.job.moving.label} ({how})"
    return _raster(path, name, limits, QgsProject.instance() if project is None else project)


def open_painted(result: RegisterResult, project: QgsProject) -> QgsRasterLayer:
    """The layer of the synthetic picture, not in the project yet. Raises InputError where it cannot be opened."""
    path, name = _existing(result, "painted"), f"{result.job.moving.label} as if optical (synthetic)"
    return _raster(path, name, [(1.0, 255.0)], project)


def make_layers(
    result: RegisterResult,
    aligned: QgsRasterLayer,
    project: QgsProject,
    fallback_crs: QgsCoordinateReferenceSystem,
) -> Steps[ResultLayers]:
    """Open the files of a run with their styles, in steps. Raises InputError where one is missing or broken.

    aligned: from `open_aligned`. fallback_crs: taken where the reference's file has no CRS.
    """
    package = _existing(result, "gpkg")
    scale = arrow_scale(result.gcps)
    gcps = _vector(package, "gcps", "GCPs", project)
    yield
    residuals = _vector(package, "gcps", f"Residuals × {scale:g}", project)
    yield
    links = _vector(package, "links", "Links from present to true position", project, is_needed=False)
    yield
    cover = open_cover(_existing(result, "land_cover"), project) if "land_cover" in result.files else None
    yield
    painted = open_painted(result, project) if "painted" in result.files else None
    layers = ResultLayers(gcps, residuals, links, cover, aligned, painted)
    _set_arrows(residuals, result.gcps, scale)
    for role in ("gcps", "residuals", "links", "land_cover", "aligned", "painted"):
        layer = getattr(layers, role)
        if layer is None:
            continue
        yield
        _set_crs(layer, result.reference_grid.crs, fallback_crs)
        if isinstance(layer, QgsVectorLayer):
            set_style(layer, role)
        layer.setMetadata(layer_metadata(result, layer.name(), layer.crs(), EXPLANATIONS[role]))
        layer.setCustomProperty(ROLE_PROPERTY, role)
        layer.setCustomProperty(RECORD_PROPERTY, result.files.get("record", ""))
    return layers


def set_style(layer: QgsVectorLayer, name: str) -> None:
    """Give a layer `resources/styles/<name>.qml`. Raises InputError where that cannot be read."""
    path = STYLES / f"{name}.qml"
    document = QDomDocument()
    try:
        # Not `loadNamedStyle`: that prefers the default style in the GeoPackage, which is another layer's.
        document.setContent(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The style '{path}' could not be read: {error}.", STYLE_HINT) from error
    is_read, message = layer.importNamedStyle(document)
    if document.documentElement().isNull() or not is_read:
        raise InputError(f"The style '{path}' could not be read: {message}.", STYLE_HINT)


def _existing(result: RegisterResult, kind: str) -> Path:
    path = Path(result.files.get(kind, ""))
    if kind not in result.files:
        raise InputError(f"The run of '{result.job.moving.label}' wrote no '{kind}' file.", MISSING_HINT)
    if not path.is_file():
        raise InputError(f"'{path}' is missing.", MISSING_HINT)
    return path


def _raster(path: Path, name: str, limits: list[tuple[float, float]], project: QgsProject) -> QgsRasterLayer:
    # The default style would compute statistics, which takes long on a large raster.
    options = QgsRasterLayer.LayerOptions(False, project.transformContext())
    options.skipCrsValidation = True
    layer = QgsRasterLayer(str(path), name, "gdal", options)
    if not layer.isValid():
        raise InputError(f"'{path}' could not be opened: {layer.error().summary()}", MISSING_HINT)
    _stretch(layer, limits)
    return layer


def _stretch(layer: QgsRasterLayer, limits: list[tuple[float, float]]) -> None:
    """Grey of the first band between its limits: SAR bands are no red, green and blue."""
    provider = layer.dataProvider()
    renderer = QgsSingleBandGrayRenderer(provider, 1)
    low, high = limits[0] if limits else (math.nan, math.nan)
    if math.isfinite(low) and math.isfinite(high) and low < high:
        stretch = QgsContrastEnhancement(provider.dataType(1))
        stretch.setMinimumValue(low)
        stretch.setMaximumValue(high)
        stretch.setContrastEnhancementAlgorithm(
            QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum
        )
        renderer.setContrastEnhancement(stretch)
    layer.setRenderer(renderer)


def _vector(
    path: Path, table: str, name: str, project: QgsProject, is_needed: bool = True
) -> QgsVectorLayer | None:
    options = QgsVectorLayer.LayerOptions(project.transformContext(), False)
    options.skipCrsValidation = True
    layer = QgsVectorLayer(f"{path}|layername={table}", name, "ogr", options)
    if layer.isValid():
        return layer
    if is_needed:
        raise InputError(f"'{path}' has no layer '{table}' that could be opened.", MISSING_HINT)
    return None


def _set_crs(layer: Any, crs: str, fallback: QgsCoordinateReferenceSystem) -> None:
    """The reference's: what the file says, or where that has none what the reference layer is taken to be in."""
    if not crs:
        layer.setCrs(fallback)
    elif not layer.crs().isValid():
        layer.setCrs(QgsCoordinateReferenceSystem.fromWkt(crs))


def _set_arrows(layer: QgsVectorLayer, table: GcpTable, scale: float) -> None:
    numbers = map_vectors(table).reshape(-1).tolist()
    for name, value in (*zip(VARIABLES, numbers), ("sarto_residual_scale", scale)):
        QgsExpressionContextUtils.setLayerVariable(layer, name, value)
