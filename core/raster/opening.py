"""Opening what users and QGIS call a raster source."""

from __future__ import annotations

import os
import re
from typing import Any

from osgeo import gdal

from ..contract import InputError, LayerSource

_WEB_DRIVERS = ("WMS", "WMTS", "WCS")
_WEB_SOURCE = re.compile(r"(^|&)(type=(xyz|wmts|mbtiles)|contextualWMSLegend=|url=)", re.IGNORECASE)


def open_raster(source: LayerSource) -> Any:
    """Open a GDAL or QGIS raster source read-only and return the GDAL dataset.

    Understands QGIS's suffixes `|layername=…` and `|option:KEY=VALUE`; a container with a single
    subdataset is opened at that one.
    Raises InputError for what cannot be opened, web services, containers of several rasters, and rasters
    without pixels, naming the layer and the way out.
    """
    if not source.source.strip():
        raise InputError("No layer is chosen.", "Choose a raster layer or file.")
    if is_web_source(source.source):
        raise _web_error(source)
    name, options = split_source(source.source)
    dataset = _open(name, options, source)
    if dataset.GetDriver().ShortName in _WEB_DRIVERS:
        raise _web_error(source)
    if dataset.RasterCount == 0:
        dataset = _only_subdataset(dataset, options, source)
    if dataset.RasterXSize < 1 or dataset.RasterYSize < 1:
        raise InputError(f"Layer '{source.label}' is empty.", "Choose a raster with pixels.")
    return dataset


def is_web_source(text: str) -> bool:
    """Whether a QGIS source string means a web service."""
    return bool(_WEB_SOURCE.search(text))


def split_source(text: str) -> tuple[str, list[str]]:
    """QGIS's `path|key=value|…` → GDAL name and open options."""
    if os.path.exists(text):  # a file's own name may hold bars
        return text, []
    name, *parts = text.split("|")
    options = []
    for part in parts:
        key, _, value = part.partition("=")
        if key.lower() == "layername" and not name.upper().startswith("GPKG:"):
            name = f"GPKG:{name}:{value}"
        elif key.lower().startswith("option:"):
            options.append(f"{key[len('option:') :]}={value}")
    return name, options


def _open(name: str, options: list[str], source: LayerSource) -> Any:
    failures: list[str] = []
    gdal.PushErrorHandler(lambda _level, _number, text: failures.append(text))
    try:
        dataset = gdal.OpenEx(name, gdal.OF_RASTER | gdal.OF_READONLY, open_options=options)
    except RuntimeError as error:
        failures.append(str(error))
        dataset = None
    finally:
        gdal.PopErrorHandler()
    if dataset is None:
        reason = failures[0].strip().rstrip(".") if failures else _why_unknown(name)
        raise InputError(
            f"Layer '{source.label}' cannot be opened: {reason}.",
            f"Check that '{source.source}' exists and is a raster.",
        )
    return dataset


def _why_unknown(name: str) -> str:
    is_path = os.sep in name or "/" in name
    gone = is_path and not name.startswith("/vsi") and not os.path.exists(name)
    return "there is no such file" if gone else "GDAL does not know the format"


def _only_subdataset(dataset: Any, options: list[str], source: LayerSource) -> Any:
    names = [name for name, _ in dataset.GetSubDatasets()]
    if len(names) == 1:
        return _open(names[0], options, source)
    if names:
        shown = ", ".join(f"'{name}'" for name in names[:6]) + (" …" if len(names) > 6 else "")
        raise InputError(f"Layer '{source.label}' holds {len(names)} rasters.", f"Choose one of {shown}.")
    raise InputError(f"Layer '{source.label}' has no raster bands.", "Choose a raster layer.")


def _web_error(source: LayerSource) -> InputError:
    return InputError(
        f"Layer '{source.label}' is a web service, whose pixels are pictures for the screen.",
        "Save the part you need as GeoTIFF (Export ▸ Save As… ▸ Raw data) and use that.",
    )
