"""The matching engine as others see it: a Python with torch and OpenCV, in a process of its own."""

from __future__ import annotations

import re

from ..contract import SILENT, EngineError, RegisterJob, RegisterResult, Reporter
from ..worker import WorkerClient
from .deliver import FILES
from .register import register

NEEDED = {"numpy": "numpy", "torch": "torch", "opencv": "opencv-python-headless"}
"""What the engine's Python must have: name in its versions → name for pip."""

OLDEST_TORCH = (2, 2)


def check_engine(python: str, reporter: Reporter = SILENT) -> str:
    """Start the engine with this Python once; returns its versions and device as one line.

    Takes a second or more. Raises EngineError naming what is missing and what to do, Cancelled.
    """
    with WorkerClient(python) as worker:
        return _checked(worker, reporter)


def register_in_worker(
    job: RegisterJob, python: str, reporter: Reporter = SILENT, kinds: tuple[str, ...] = tuple(FILES)
) -> RegisterResult:
    """`register` with the matching in a worker process of `python`, which ends with the job.

    The worker is started and checked first: what it lacks is said before anything is read.
    """
    with WorkerClient(python, log=reporter.log) as worker:
        _checked(worker, reporter)
        return register(job, worker, reporter, kinds)


def _checked(worker: WorkerClient, reporter: Reporter) -> str:
    hello = worker.start(reporter)
    versions = hello.get("versions")
    found = versions if isinstance(versions, dict) else {}
    missing = [package for name, package in NEEDED.items() if name not in found]
    if missing:
        raise EngineError(
            f"The engine's Python '{worker.python}' lacks {' and '.join(missing)}.",
            f"Install with '{worker.python} -m pip install {' '.join(missing)}', or choose another Python.",
        )
    torch = tuple(int(number) for number in re.findall(r"\d+", str(found["torch"]))[:2])
    if torch and torch < OLDEST_TORCH:
        raise EngineError(
            f"The engine's Python '{worker.python}' has torch {found['torch']}; at least 2.2 is needed.",
            f"Update it with '{worker.python} -m pip install --upgrade torch', or choose another Python.",
        )
    parts = [f"{name} {found[name]}" for name in ("python", *NEEDED) if name in found]
    return f"{', '.join(parts)}, {hello.get('device', 'cpu')}"
