"""Sarto registers SAR images to optical images: a QGIS plugin with an engine of its own."""

from __future__ import annotations

from typing import Any


def classFactory(iface: Any) -> Any:  # noqa: N802 - QGIS looks for this name
    """The plugin, for QGIS. iface: QgisInterface, or None in `qgis_process`."""
    from .plugin import SartoPlugin

    return SartoPlugin(iface)
