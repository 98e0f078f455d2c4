"""The matching engine as others see it: a Python with torch and OpenCV, in a process of its own."""

from __future__ import annotations

import re

from ..contract import SILENT, EngineError, RegisterJob, RegisterResult, Reporter
from ..matching import METHODS, traits_of
from ..worker import NEEDED, PACKAGES, WorkerClient, pip_names
from .deliver import FILES
from .register import register

OLDEST_TORCH = (2, 2)


def check_engine(python: str, reporter: Reporter = SILENT) -> str:
    """Start the engine with this Python once; returns its versions and device, and what it is not fit for.

    Takes a second or more. Raises EngineError naming what it lacks and what to do, Cancelled.
    """
    with WorkerClient(python) as worker:
        found = _start(worker, reporter)
        parts = [f"{name} {found[name]}" for name in ("python", *PACKAGES) if name in found]
        text = f"{', '.join(parts)}, {worker.hello.get('device', 'cpu')}"
    for method in METHODS:
        lacking = [name for name in traits_of(method).packages if name not in found]
        if lacking:
            text += (
                f". Without {pip_names(lacking)} the method '{method}' cannot be used: {_install(python, lacking)}"
            )
    return text


def register_in_worker(
    job: RegisterJob, python: str, reporter: Reporter = SILENT, kinds: tuple[str, ...] = tuple(FILES)
) -> RegisterResult:
    """`register` with the matching in a worker process of `python`, which ends with the job.

    The worker is started and checked first: what it lacks is said before anything is read.
    """
    with WorkerClient(python, log=reporter.log) as worker:
        found = _start(worker, reporter)
        _check_method(job.match.method, python, found)
        return register(job, worker, reporter, kinds)


def _start(worker: WorkerClient, reporter: Reporter) -> dict[str, object]:
    """The versions in a worker that has what every method needs. Raises EngineError."""
    versions = worker.start(reporter).get("versions")
    found = versions if isinstance(versions, dict) else {}
    missing = [name for name in NEEDED if name not in found]
    if missing:
        lacking = " and ".join(PACKAGES[name].pip for name in missing)
        raise EngineError(
            f"The engine's Python '{worker.python}' lacks {lacking}.",
            f"Install with {_install(worker.python, missing)}, or choose another Python.",
        )
    torch = tuple(int(number) for number in re.findall(r"\d+", str(found["torch"]))[:2])
    if torch and torch < OLDEST_TORCH:
        raise EngineError(
            f"The engine's Python '{worker.python}' has torch {found['torch']}; at least 2.2 is needed.",
            f"Update it with '{worker.python} -m pip install --upgrade torch', or choose another Python.",
        )
    return found


def _check_method(method: str, python: str, found: dict[str, object]) -> None:
    """Raises EngineError where a method needs a package that the engine lacks; other methods may do without."""
    missing = [name for name in traits_of(method).packages if name not in found]
    if not missing:
        return
    fit = [name for name in METHODS if not set(traits_of(name).packages) - set(found)]
    instead = f", or use the method {' or '.join(fit)}" if fit else ""
    raise EngineError(
        f"The method '{method}' needs {pip_names(missing)}, which the engine's Python '{python}' lacks.",
        f"Install with {_install(python, missing)}, choose another Python{instead}.",
    )


def _install(python: str, names: list[str]) -> str:
    return f"'{python} -m pip install {pip_names(names)}'"
