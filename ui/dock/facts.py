"""What QGIS knows about a raster layer, and why a layer cannot be used."""

from __future__ import annotations

import math
from typing import Any

from qgis.core import (
    Qgis,
    QgsContrastEnhancement,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsMapLayer,
    QgsMapLayerProxyModel,
    QgsProject,
    QgsRasterLayer,
    QgsSingleBandGrayRenderer,
)

from ...core.contract import InputError, LayerSource, SartoError
from .guess import Extent, LayerFacts

ROLE_PROPERTY = "sarto/role"
"""Custom property of the layers that Sarto made."""

_WEB_PROVIDERS = frozenset({"wms", "wcs", "wmts", "xyz", "arcgismapserver", "arcgisimageserver", "vectortile"})
_WAY_OUT = "Save the part you need as GeoTIFF (Export ▸ Save As… ▸ Raw data) and use that."
_ROLES = {"reference": "optical", "moving": "SAR"}


def layer_problem(layer: QgsMapLayer | None, box: str = "") -> SartoError | None:
    """Why a layer cannot be used, as far as is known without opening its file; None if nothing is.

    box: "reference" or "moving", the box in which it is chosen; another may be empty.
    """
    if layer is None:
        role = _ROLES.get(box, "raster")
        return InputError(f"No {role} layer is chosen.", "Choose one, or add it to the project first.")
    return _unusable(layer) or _other_crs(layer)


def _unusable(layer: QgsMapLayer) -> SartoError | None:
    """Why a layer is nothing that the engine can open."""
    name = layer.name()
    provider = layer.providerType()
    if not isinstance(layer, QgsRasterLayer):
        return InputError(f"Layer '{name}' is no raster.", "Choose a raster layer.")
    if provider in _WEB_PROVIDERS:
        return InputError(f"Layer '{name}' is a web service, whose pixels are pictures for the screen.", _WAY_OUT)
    if not layer.isValid():
        return InputError(f"Layer '{name}' cannot be read.", "Repair its data source, or add its file again.")
    if provider != "gdal":
        return InputError(f"Layer '{name}' is no file (it comes from '{provider}').", _WAY_OUT)
    return None


def _other_crs(layer: QgsRasterLayer) -> SartoError | None:
    """The engine reads files, which know nothing of a CRS that was set for their layer in QGIS."""
    provider = layer.dataProvider()
    shown, own = layer.crs(), QgsCoordinateReferenceSystem() if provider is None else provider.crs()
    if _is_same_crs(shown, own):
        return None
    way_out = "Export it with that CRS (Export ▸ Save As… ▸ Raw data) and use that"
    if own.isValid():
        way_out += ", or set the layer's CRS back to the file's (Layer CRS ▸ Set Layer CRS…)"
    elif is_pixel_world(layer):
        return None  # a plain image to QGIS and to the engine, whatever CRS QGIS gave it when it was added
    return InputError(
        f"Layer '{layer.name()}' has {_name_of(shown)} in QGIS, but its file states {_name_of(own)}.",
        f"{way_out}.",
    )


def _is_same_crs(first: QgsCoordinateReferenceSystem, second: QgsCoordinateReferenceSystem) -> bool:
    if first == second or first.toWkt() == second.toWkt():
        return True
    # Two entries of a register may have the same PROJ text and yet other datums; without a number it decides.
    is_own = not (first.authid() and second.authid())
    return bool(is_own and first.toProj() and first.toProj() == second.toProj())


def _name_of(crs: QgsCoordinateReferenceSystem) -> str:
    if not crs.isValid():
        return "no CRS"
    return str(crs.authid() or crs.description() or crs.toProj() or "a CRS without a name")


def layer_source(layer: QgsMapLayer, bands: str, nodata: float | None) -> LayerSource:
    """The layer as the engine takes it."""
    return LayerSource(source=layer.source(), name=layer.name(), bands=bands, nodata=nodata)


def facts_of(layer: QgsRasterLayer) -> LayerFacts:
    """What the guess is made from. Reads no pixels."""
    usable = _unusable(layer) is None  # another CRS can be set back: the box says so
    low, high = _stretch(layer)
    count = layer.bandCount()
    provider = layer.dataProvider()
    return LayerFacts(
        key=layer.id(),
        name=layer.name(),
        file=layer.source().split("|")[0].replace("\\", "/").rsplit("/", 1)[-1] if usable else "",
        band_count=count,
        band_names=band_names(layer),
        dtype=_type_name(provider, count),
        low=low,
        high=high,
        extent=_world_extent(layer),
        has_colours=usable and any(_is_colour(provider, n) for n in range(1, count + 1)),
        is_usable=usable,
        is_own=bool(layer.customProperty(ROLE_PROPERTY)),
    )


def band_names(layer: QgsRasterLayer) -> tuple[str, ...]:
    """The bands' own names, "" where a band has none: QGIS shows 'Band 2: VV' for a band named VV."""
    shown = [layer.bandName(number) for number in range(1, layer.bandCount() + 1)]
    return tuple(text.partition(":")[2].strip() for text in shown)


def is_pixel_world(layer: QgsRasterLayer) -> bool:
    """Whether QGIS shows a layer by its pixels (x = column, y = −row) for want of a georeference."""
    if not layer.crs().isValid():
        return True
    e = layer.extent()
    corner = (e.xMinimum(), e.yMaximum()) == (0.0, 0.0)
    return corner and (e.width(), e.height()) == (float(layer.width()), float(layer.height()))


def _type_name(provider: Any, count: int) -> str:
    """GDAL's name of the first band's data type."""
    if provider is None or count < 1:
        return ""
    # QGIS numbers its data types as GDAL does; names differ between its versions, numbers do not.
    names = ("", "Byte", "UInt16", "Int16", "UInt32", "Int32", "Float32", "Float64", "CInt16", "CInt32")
    kind = provider.sourceDataType(1)
    number = getattr(kind, "value", kind)
    return names[number] if number < len(names) else {10: "CFloat32", 11: "CFloat64"}.get(number, "")


def _is_colour(provider: Any, band: int) -> bool:
    name = provider.colorInterpretationName(band).lower()
    return name in ("red", "green", "blue", "palette")


def _stretch(layer: QgsRasterLayer) -> tuple[float, float]:
    """Limits of the grey stretch with which the layer is shown; NaN where it is shown otherwise."""
    renderer = layer.renderer() if layer.isValid() else None
    if isinstance(renderer, QgsSingleBandGrayRenderer):
        stretch: QgsContrastEnhancement | None = renderer.contrastEnhancement()
        if stretch is not None:
            return stretch.minimumValue(), stretch.maximumValue()
    return math.nan, math.nan


def _world_extent(layer: QgsRasterLayer) -> Extent | None:
    """The layer's extent in longitude and latitude, degrees; None if it is not georeferenced."""
    if not layer.isValid() or is_pixel_world(layer):
        return None
    world = QgsCoordinateReferenceSystem("EPSG:4326")
    transform = QgsCoordinateTransform(layer.crs(), world, QgsProject.instance())
    try:
        box = transform.transformBoundingBox(layer.extent())
    except QgsCsException:
        return None
    limits = (box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum())
    return limits if all(math.isfinite(value) for value in limits) else None


def raster_filter() -> Any:
    """The filter for raster layers, which moved to `Qgis` in QGIS 3.34."""
    kind = getattr(Qgis, "LayerFilter", None)
    return QgsMapLayerProxyModel.Filter.RasterLayer if kind is None else kind.RasterLayer
