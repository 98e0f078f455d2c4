"""The package list and the folders agree: a wheel holds what an editable install shows."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import zipfile
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_every_package_is_listed() -> None:
    listed = {
        line.strip().strip('",').removeprefix("sarto").replace(".", "/").strip("/")
        for line in (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
        if line.strip().startswith('"sarto')
    }
    tracked = subprocess.run(["git", "ls-files", "*__init__.py"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    folders = {str(Path(p).parent).removeprefix(".") for p in tracked.stdout.splitlines()}
    assert listed == {f for f in folders if not f.startswith("tests")}


@pytest.mark.slow
def test_the_zip_is_built_checked_and_loads(tmp_path: Path) -> None:
    """As plugins.qgis.org would get it, in a folder where nothing else of this checkout is seen."""
    if subprocess.run(["git", "status"], cwd=ROOT, capture_output=True).returncode:
        pytest.skip("not a git checkout")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "package.py"), str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("*.zip")
    with zipfile.ZipFile(archive) as content:
        names = content.namelist()
        content.extractall(tmp_path / "plugins")
    assert all(name.startswith("sarto/") for name in names)
    assert not [name for name in names if "/tests/" in name or "__pycache__" in name]
    if find_spec("qgis") is None:
        pytest.skip("QGIS is not installed: the plugin was not loaded from the zip")
    program = (
        "import sys; sys.path.insert(0, 'plugins')\n"
        "from qgis.core import QgsApplication\n"
        "app = QgsApplication([], False); app.initQgis()\n"
        "import sarto\n"
        "plugin = sarto.classFactory(None); plugin.initProcessing()\n"
        "assert sarto.__file__.startswith(sys.argv[1]), sarto.__file__\n"
        "found = [a.id() for a in QgsApplication.processingRegistry().providerById('sarto').algorithms()]\n"
        "import sarto.ui.controller\n"
        "assert not {'torch', 'cv2'} & set(sys.modules)\n"
        "print(sorted(found)); app.exitQgis()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert done.returncode == 0, done.stderr
    assert "'sarto:assess', 'sarto:exportgcps', 'sarto:register', 'sarto:warp'" in done.stdout


def test_a_stray_file_is_noticed(tmp_path: Path) -> None:
    spec = spec_from_file_location("package_tool", ROOT / "tools" / "package.py")
    assert spec is not None
    assert spec.loader is not None
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    complaints = tool.check_files([*tool.FILES, "core/worker/helper.so"], 26_000_000)
    assert any("helper.so" in c for c in complaints)
    assert any("26.0 MB" in c for c in complaints)
    assert tool.check_files(list(tool.FILES), 1000) == []


def test_no_union_is_made_at_run_time() -> None:
    """`A | B` outside annotations is an error in Python 3.9, which older QGIS on Windows has."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    ours = [p for p in listed.stdout.splitlines() if p.startswith(("core/", "ui/", "plugin.py", "__init__.py"))]
    found = []
    for path in ours:
        for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
            value = getattr(node, "value", None) if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
            for part in ast.walk(value) if value is not None else ():
                is_union = isinstance(part, ast.BinOp) and isinstance(part.op, ast.BitOr)
                if is_union and not isinstance(part.right, ast.Attribute):  # flags are attributes of their enum
                    found.append(f"{path}:{part.lineno}")
    assert found == []
