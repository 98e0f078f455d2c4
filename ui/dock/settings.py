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
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def section(settings: dict[str, Any], name: str, *kinds: type) -> dict[str, Any]:
    """A part of the settings, {} where it is none or holds a value of another kind than these.

    A project file may come from anywhere: who reads a section can rely on the kinds of its values.
    """
    found = settings.get(name)
    if not isinstance(found, dict):
        return {}
    return found if all(isinstance(value, (str, *kinds)) for value in found.values()) else {}


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
