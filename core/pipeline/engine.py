"""The matching engine as others see it: a Python with torch and OpenCV, in a process of its own."""

from __future__ import annotations

from ..contract import SILENT, EngineError, RegisterJob, RegisterResult, Reporter
from ..worker import WorkerClient
from .deliver import FILES
from .register import register


def check_engine(python: str, reporter: Reporter = SILENT) -> str:
    """Start the engine with this Python once; returns its versions and device as one line.

    Takes seconds. Raises EngineError naming what is missing and what to do, Cancelled.
    """
    with WorkerClient(python) as worker:
        hello = worker.start(reporter)
    versions = hello.get("versions")
    if not isinstance(versions, dict):
        raise EngineError(f"Python '{python}' does not say what it has.", "Choose another one in the settings.")
    parts = [f"{name} {version}" for name, version in versions.items() if name in ("python", "torch")]
    return f"{', '.join(parts)}, {hello.get('device', 'cpu')}"


def register_in_worker(
    job: RegisterJob, python: str, reporter: Reporter = SILENT, kinds: tuple[str, ...] = tuple(FILES)
) -> RegisterResult:
    """`register` with the matching in a worker process of `python`, which ends with the job."""
    with WorkerClient(python, log=reporter.log) as worker:
        return register(job, worker, reporter, kinds)
