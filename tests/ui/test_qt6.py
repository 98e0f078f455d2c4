"""Ready for QGIS on Qt 6: the sources name only what both have, and the windows work with PyQt6."""

from __future__ import annotations

import ast
import enum
import importlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WALK = Path(__file__).parent / "qt6" / "walk.py"
SOURCES = sorted([ROOT / "plugin.py", *(ROOT / "ui").rglob("*.py")])
GONE = {"exec_", "QVariant", "QRegExp", "QDesktopWidget", "globalPos", "localPos"}
"""What PyQt6 has no more, or, as null, has as something else."""


# ── what the sources say ────────────────────────────────────────────────────────────────────────────────────


def chain_of(node: ast.Attribute) -> list[str]:
    """Qt.AlignmentFlag.AlignTop → its three names; [] where it does not begin with a name."""
    names: list[str] = []
    part: ast.expr = node
    while isinstance(part, ast.Attribute):
        names.insert(0, part.attr)
        part = part.value
    return [part.id, *names] if isinstance(part, ast.Name) else []


def complaints(source: str) -> list[str]:
    """What in a source does not work with Qt 6, as far as can be seen without running it."""
    tree = ast.parse(source)
    found, known = [], {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            modules = [str(getattr(node, "module", ""))] + [alias.name for alias in node.names]
            found += [f"{node.lineno}: imports {name}" for name in modules if name.startswith(("PyQt", "PySide"))]
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("qgis."):
            module = importlib.import_module(str(node.module))
            known |= {alias.asname or alias.name: getattr(module, alias.name) for alias in node.names}
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in GONE:
            found.append(f"{node.lineno}: uses {name}")
        if isinstance(node, ast.Attribute) and is_unscoped(chain_of(node), known):
            found.append(f"{node.lineno}: {'.'.join(chain_of(node))} is written without its enum")
    return found


def is_unscoped(chain: list[str], known: dict[str, Any]) -> bool:
    """Whether it ends in a value of an enum that was not reached through the enum."""
    if not chain or chain[0] not in known:
        return False
    owner = value = known[chain[0]]
    for name in chain[1:]:
        owner, value = value, getattr(value, name, None)
    is_value = isinstance(value, enum.Enum) or (isinstance(value, int) and type(value) not in (int, bool))
    return is_value and owner is not type(value) and not isinstance(owner, ModuleType)


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(ROOT)) for path in SOURCES])
def test_a_source_is_written_for_both(path):
    assert complaints(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("from PyQt5.QtCore import Qt", "imports PyQt5.QtCore"),
        ("import PyQt5", "imports PyQt5"),
        ("def f(menu): menu.exec_()", "exec_"),
        ("from qgis.PyQt.QtCore import QVariant\nQVariant.Int", "QVariant"),
        ("from qgis.PyQt.QtCore import Qt\nQt.AlignLeft", "Qt.AlignLeft is written"),
        ("from qgis.PyQt.QtWidgets import QMessageBox\nQMessageBox.Yes", "QMessageBox.Yes is written"),
        ("from qgis.PyQt.QtWidgets import QFrame\nQFrame.NoFrame", "QFrame.NoFrame is written"),
        ("from qgis.core import QgsTask\nQgsTask.CanCancel", "QgsTask.CanCancel is written"),
    ],
)
def test_what_is_not_is_found(line, words):
    found = complaints(line)
    assert any(words in text for text in found), found


def test_what_is_allowed_is_not_found():
    allowed = (
        "from qgis.core import Qgis, QgsTask, QgsMapLayerType\nfrom qgis.PyQt.QtCore import Qt\n"
        "Qt.AlignmentFlag.AlignLeft, Qgis.MessageLevel.Info, QgsTask.Flag.CanCancel, QgsMapLayerType.RasterLayer\n"
        "Qgis.QGIS_VERSION_INT, QgsTask.Flag\n"
    )
    assert complaints(allowed) == []


# ── the windows, in a process that has PyQt6 alone ──────────────────────────────────────────────────────────


def run(code: list[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A Python without screen; folder: looked into for `sarto` before anything else."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("QT_PLUGIN_PATH", None)  # those of QGIS's own Qt
    if folder is not None:
        environment["PYTHONPATH"] = str(folder)
    return subprocess.run(
        [sys.executable, *code], env=environment, capture_output=True, text=True, timeout=180, cwd=ROOT.parent
    )


@cache
def why_not() -> str:
    """Why PyQt6 cannot be used, "" where it can."""
    done = run(["-c", "from PyQt6 import QtTest, QtXml"])
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


@pytest.fixture
def pyqt6():
    if why_not():
        pytest.skip(f"PyQt6 cannot be used: {why_not()}")


@pytest.mark.slow
def test_the_windows_work_with_pyqt6(pyqt6):
    done = run([str(WALK)])
    assert done.returncode == 0, done.stdout + done.stderr
    version, *steps = done.stdout.split()
    assert version.startswith("6.")
    assert steps[-1] == "unload"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "good", "bad", "words"),
    [
        ("gcps/pick_tool.py", "Qt.CursorShape.Pointing", "Qt.Pointing", "no Qt.PointingHandCursor"),
        ("gcps/view.py", ".exec(", ".exec_(", "no attribute 'exec_'"),
        ("gcps/view.py", "metrics.horizontalAdvance(text)", "metrics.width(text)", "no attribute 'width'"),
        ("gcps/model.py", "Qt.CheckState(value) ==", "value ==", "a click on a tick does nothing"),
        (
            "gcps/model.py",
            "return Qt.AlignmentFlag.AlignRight",
            "return Qt.AlignmentFlag.AlignLeft",
            "not aligned",
        ),
        ("compare/tool.py", "event.modifiers() & Qt.K", "int(event.modifiers()) & Qt.K", "int() argument"),
        ("compare/overlay.py", "painter.translate(self.line,", "painter.translate(str(self.line),", "translate("),
        ("theme.py", "QPalette.ColorRole.Window", "QPalette.Background", "no QPalette.Background"),
    ],
)
def test_the_walk_finds_what_does_not_work(pyqt6, tmp_path, name, good, bad, words):
    """In a copy with one fault, of a kind that is easily made."""
    copy = tmp_path / "sarto"
    for part in ("core", "resources", "ui"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("__init__.py", "plugin.py"):
        shutil.copy(ROOT / part, copy / part)
    source = (copy / "ui" / name).read_text(encoding="utf-8")
    assert good in source
    (copy / "ui" / name).write_text(source.replace(good, bad), encoding="utf-8")
    done = run([str(WALK)], tmp_path)
    assert done.returncode != 0, done.stdout
    assert words in done.stdout, done.stdout
