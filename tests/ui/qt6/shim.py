"""PyQt6 behind `qgis.PyQt`, stand-ins behind `qgis.core` and `qgis.gui`.

Strict where Qt is concerned: widgets, events and enums are PyQt6's own. Lenient where QGIS is: what `core.py` and
`gui.py` do not have is a class that can be everything, for the tests inside QGIS judge that.
"""

from __future__ import annotations

import sys
import types
from typing import Any

import gui
from PyQt6 import QtCore, QtGui, QtTest, QtWidgets, QtXml, sip

import core


class _Module(types.ModuleType):
    """A module of QGIS with stand-ins; what is not there is made when it is asked for."""

    def __init__(self, name: str, stand_ins: types.ModuleType) -> None:
        super().__init__(name)
        own = {key: value for key, value in vars(stand_ins).items() if key.startswith("Qg")}
        vars(self).update({key: value for key, value in own.items() if value.__module__ == stand_ins.__name__})

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("Qgs"):
            raise AttributeError(name)
        made = type(name, (core.Anything,), {})
        setattr(self, name, made)
        return made


def install() -> None:
    """From here on `import qgis` finds all this."""
    for name in ("QAction", "QActionGroup", "QShortcut"):  # QGIS's own shim has them in both places, too
        setattr(QtWidgets, name, getattr(QtGui, name))
    package, pyqt = types.ModuleType("qgis"), types.ModuleType("qgis.PyQt")
    package.PyQt, package.core, package.gui = pyqt, _Module("qgis.core", core), _Module("qgis.gui", gui)
    for module in (QtCore, QtGui, QtTest, QtWidgets, QtXml, sip):
        name = module.__name__.rpartition(".")[2]
        setattr(pyqt, name, module)
        sys.modules[f"qgis.PyQt.{name}"] = module
    names = {"qgis": package, "qgis.PyQt": pyqt, "qgis.core": package.core, "qgis.gui": package.gui}
    sys.modules.update(names)
