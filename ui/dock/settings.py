"""The dock's settings in the project file: one entry of JSON, with what differs from the defaults."""

from __future__ import annotations

import json
from typing import Any

from qgis.core import QgsProject

SCOPE, KEY = "sarto", "register"


def load_settings(project: QgsProject) -> dict[str, Any]:
    """What the project remembers; {} where there is nothing, or nothing that can be understood."""
    text, _ = project.readEntry(SCOPE, KEY, "")
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def save_settings(project: QgsProject, settings: dict[str, Any]) -> None:
    """Remember settings. A project that remembers the same already is not touched, so it stays clean."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False) if settings else ""
    before, _ = project.readEntry(SCOPE, KEY, "")
    if text == before:
        return
    if text:
        project.writeEntry(SCOPE, KEY, text)
    else:
        project.removeEntry(SCOPE, KEY)
