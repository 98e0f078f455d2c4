"""The package list and the folders agree: a wheel holds what an editable install shows."""

from __future__ import annotations

import subprocess
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
