"""From a layer back to the run that made it, also in a project that was saved and opened again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

RECORD_PROPERTY = "sarto/record"
ROLE_PROPERTY = "sarto/role"


def find_record(layer: Any) -> Path | None:
    """The record of the run that made a map layer, or None where there is none (any more).

    A folder of results that was moved as a whole is found beside the layer's own file.
    """
    if layer is None:
        return None
    stored = str(layer.customProperty(RECORD_PROPERTY, "") or "")
    if not stored:
        return None
    beside = Path(str(layer.source()).split("|")[0]).with_name(Path(stored).name)
    return next((path for path in (Path(stored), beside) if path.is_file()), None)


def same_source(first: str, second: str) -> bool:
    """Whether two layer sources mean the same: paths may be written in several ways, most of all on Windows."""
    return _normal(first) == _normal(second)


def _normal(source: str) -> tuple[str, str]:
    path, bar, options = source.partition("|")
    return os.path.normcase(os.path.abspath(path)) if os.path.exists(path) else path, bar + options


def role_of(layer: Any) -> str:
    """What a layer is in its run: "aligned", "gcps", "residuals", "links", "land_cover" or "painted".

    "" for others' layers.
    """
    return "" if layer is None else str(layer.customProperty(ROLE_PROPERTY, "") or "")
