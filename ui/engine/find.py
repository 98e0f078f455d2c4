"""Which Python the engine runs with."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from qgis.core import QgsSettings

from ...core.contract import EngineError
from ...core.pipeline import NEEDED, PACKAGES, default_python, pip_names

SETTING = "sarto/engine_python"
VARIABLE = "SARTO_PYTHON"
PLUGIN_FOLDER = Path(__file__).resolve().parents[2]

NEEDS = (
    f"Sarto's engine needs a Python with the packages {', '.join(pip_names().split())}. Make one, for example "
    f"with 'python3 -m venv sarto-engine' and 'sarto-engine/bin/pip install {pip_names()}', and choose it under "
    "Engine ▸ Settings in the dock, or in the environment variable SARTO_PYTHON."
)


@dataclass(frozen=True)
class EngineChoice:
    """python: path of the interpreter. origin: where it was found, in plain words."""

    python: str
    origin: str


def find_engine() -> EngineChoice:
    """The first of: the setting, the variable SARTO_PYTHON, the development environment, QGIS's own Python.

    Quick: nothing is started. A chosen path is taken even if others would work, so that its fault is seen.
    Raises EngineError where a chosen path does not exist, or nothing was chosen and nothing is found.
    """
    for path, origin in (
        (str(QgsSettings().value(SETTING, "") or ""), "chosen in the settings"),
        (os.environ.get(VARIABLE, ""), f"from the environment variable {VARIABLE}"),
    ):
        if path and not Path(path).is_file():
            raise EngineError(
                f"The engine's Python '{path}' ({origin}) does not exist.",
                "Choose another one under Engine ▸ Settings in the dock.",
            )
        if path:
            return EngineChoice(path, origin)
    developed = _python_of(PLUGIN_FOLDER / ".venv")
    if developed.is_file():
        return EngineChoice(str(developed), "the development environment")
    if all(find_spec(PACKAGES[name].module) for name in NEEDED):
        return EngineChoice(default_python(), "QGIS's own Python")
    raise EngineError("No Python for the matching engine was found.", NEEDS)


def remember_engine(path: str) -> None:
    """Store the user's choice for all projects; "" = look for one."""
    if path:
        QgsSettings().setValue(SETTING, path)
    else:
        QgsSettings().remove(SETTING)


def chosen_engine() -> str:
    """The user's stored choice, "" if there is none."""
    return str(QgsSettings().value(SETTING, "") or "")


def _python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
