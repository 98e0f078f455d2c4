"""Workers to test with: the real server with odd methods, and small scripts that break the protocol."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from sarto.core.contract import MatchOptions, SearchRange
from sarto.core.matching import MatchTask
from sarto.core.worker import WorkerClient

ODD_METHODS = Path(__file__).with_name("odd_methods.py")

PREAMBLE = """
import json, os, signal, sys, time
def say(**message):
    sys.stdout.write(json.dumps(message) + "\\n"); sys.stdout.flush()
def hello():
    say(type="hello", protocol=1, versions={}, device="cpu", pid=os.getpid())
def request():
    return next(json.loads(line) for line in sys.stdin if line.strip())
"""


@pytest.fixture
def python_for(tmp_path):
    """Write an executable that starts a script, whatever it is asked to run: a user may set anything as Python."""
    if sys.platform == "win32":
        pytest.skip("the stand-in is a shell script")

    def write(script: Path | str) -> str:
        if isinstance(script, str):
            path = tmp_path / "standin.py"
            path.write_text(PREAMBLE + textwrap.dedent(script))
            script = path
        launcher = tmp_path / f"python-{script.stem}"
        launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
        launcher.chmod(0o755)
        return str(launcher)

    return write


@pytest.fixture
def standin(python_for):
    """A client whose worker is a script; closed at the end."""
    clients = []

    def make(script: str, **options) -> WorkerClient:
        clients.append(WorkerClient(python_for(script), **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def odd_client(python_for):
    """A client of the real server with odd methods."""
    with WorkerClient(python_for(ODD_METHODS)) as client:
        yield client


@pytest.fixture
def task():
    """Make a task for a method; any match option may be given."""

    def make(method: str = "echo", tolerance_px: float = 3.0, model: str = "auto", **options) -> MatchTask:
        image = np.arange(1200, dtype=np.uint8).reshape(30, 40)
        search = SearchRange(shift_px=7.5)
        return MatchTask(image, image[::-1], search, MatchOptions(method=method, **options), tolerance_px, model)

    return make


@pytest.fixture
def gone():
    """Wait until a process has ended; False where it has not within the seconds given."""

    def wait(pid: int, seconds: float = 5.0) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                os.kill(pid, 0)
                with open(f"/proc/{pid}/stat") as file:
                    if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                        return True  # dead, only not yet buried by its parent
            except OSError:
                return True
            time.sleep(0.02)
        return False

    return wait
