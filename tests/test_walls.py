"""The walls of the house: what a room must not import, proved in a process where that cannot be imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import importlib, pkgutil, sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} lies behind the wall")

sys.meta_path.insert(0, Wall())
for room in ROOMS:
    module = importlib.import_module(room)
    found = [room]
    if hasattr(module, "__path__"):
        found += [m.name for m in pkgutil.walk_packages(module.__path__, room + ".", onerror=lambda name: None)]
    for name in found:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    assert len(found) > 1 or not hasattr(module, "__path__"), f"nothing found in {room}"
strangers = sorted(BLOCKED & {name.split(".")[0] for name in sys.modules})
assert not strangers, strangers
"""

MATH = ("scipy", "skimage", "pandas", "matplotlib")
NETWORKS = ("torch", "cv2", "kornia")
QGIS = ("qgis", "PyQt5", "PyQt6")
GDAL = ("osgeo", "rasterio")

WALLS = {
    "core without QGIS": (("core",), QGIS),
    "matching without GDAL and QGIS": (("core.matching",), QGIS + GDAL),
    "worker without GDAL and QGIS": (("core.worker",), QGIS + GDAL + NETWORKS),
    "contract on numpy alone": (("core.contract",), QGIS + GDAL + NETWORKS + MATH),
    "geometry on numpy alone": (("core.geometry",), QGIS + GDAL + NETWORKS + MATH),
    "the plugin without torch and OpenCV": (("plugin", "ui"), NETWORKS + MATH),
    "what QGIS's Python imports": (
        ("core.raster", "core.report", "core.worker.client", "core.worker.server"),
        QGIS + NETWORKS + MATH,
    ),
}


@pytest.mark.parametrize("wall", WALLS)
def test_wall(wall):
    rooms, blocked = WALLS[wall]
    names = [f"sarto.{room}" for room in rooms]
    head = f"BLOCKED, ROOMS = set({blocked!r}), {names!r}\n"
    done = subprocess.run([sys.executable, "-c", head + PROGRAM], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_test_can_fail():
    """A wall that nothing can break proves nothing."""
    head = "BLOCKED, ROOMS = {'numpy'}, ['sarto.core.contract']\n"
    done = subprocess.run([sys.executable, "-c", head + PROGRAM], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "numpy lies behind the wall" in done.stderr


@pytest.mark.parametrize("module", ["sarto.core.matching", "sarto.core.worker.client", "sarto.core.worker.server"])
def test_methods_are_imported_late(module):
    """Also where torch and OpenCV could be imported, they are not."""
    program = f"import sys, {module}; print(sorted({{'torch', 'cv2'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
