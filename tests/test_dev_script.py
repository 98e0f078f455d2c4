"""The `dev` script, as far as it can be tried without installing anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMANDS = ("setup", "demo", "sarto", "test", "lint", "bench", "help")


def run(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        cwd="/",
    )


@pytest.fixture
def checkout(tmp_path):
    """A checkout without an environment, in a folder whose name has a space."""
    folder = tmp_path / "my sarto"
    (folder / "requirements").mkdir(parents=True)
    for name in ("dev", "pyproject.toml", "requirements/constraints.txt"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def test_help_lists_all_commands():
    for arguments in ((), ("help",), ("--help",)):
        done = run(ROOT / "dev", *arguments)
        assert done.returncode == 0
        assert all(f"\n  {command} " in done.stdout for command in COMMANDS)


def test_unknown_command():
    done = run(ROOT / "dev", "frobnicate")
    assert done.returncode == 2
    assert "'frobnicate' is not known" in done.stderr
    assert done.stdout == ""


def test_chosen_python_without_gdal_is_refused(checkout):
    done = run(checkout / "dev", "setup", PYTHON="/bin/false")
    assert done.returncode == 1
    assert "PYTHON=/bin/false" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="bash")
def test_pip_is_tried_twice_and_leaves_no_stamp(checkout, tmp_path):
    """A network that fails: said plainly, and the next run starts over."""
    venv = checkout / ".venv/bin"
    venv.mkdir(parents=True)
    (venv / "python").write_text(
        f'#!/bin/sh\ncase "$*" in *"pip install"*) echo attempt >> "{tmp_path}/attempts"; exit 1;; esac\nexit 0\n'
    )
    (venv / "python").chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sleep").write_text("#!/bin/sh\n")
    (tmp_path / "bin/sleep").chmod(0o755)
    done = run(checkout / "dev", "test", PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "once more" in done.stderr
    assert "Is there a network" in done.stderr
    assert (tmp_path / "attempts").read_text().count("attempt") == 2
    assert not (checkout / ".venv/setup.stamp").exists()


@pytest.mark.skipif(
    not (ROOT / ".venv/setup.stamp").exists(), reason="the environment was not made by ./dev setup"
)
def test_setup_is_quick_when_nothing_is_missing():
    run(ROOT / "dev", "setup")
    start = time.monotonic()
    done = run(ROOT / "dev", "setup", PIP_NO_INDEX="1")
    assert done.returncode == 0
    assert "Nothing is missing" in done.stderr
    assert "Installing" not in done.stderr
    assert time.monotonic() - start < 3
