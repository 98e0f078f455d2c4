"""The client of the worker: runs in QGIS's Python, imports neither torch nor OpenCV.

Everything that can go wrong on the other side of the boundary comes out as a `SartoError`.
All callbacks run in the thread that calls `match`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import TracebackType

import numpy as np

from ..contract import SILENT, Cancelled, EngineError, MatchResult, Pixels, Reporter, error_from_code, to_dict
from ..matching import MatchTask
from .arrays import IMAGES, Exchange, read_cover, read_painted, read_ties
from .messages import PROTOCOL, Message
from .process import End, Rubbish, WorkerProcess

PYTHON_VARIABLE = "SARTO_PYTHON"

SILENCE_SECONDS = 30.0
START_SECONDS = 120.0  # a cold start behind a virus scanner takes long
_POLL = 0.05
_CANCEL_GRACE = 0.4  # a worker that stops by itself within this time keeps its loaded weights
_CLOSE_SECONDS = 1.0
_RUBBISH_LIMIT = 20

_SET_PYTHON = f"Choose another Python for the engine in the settings, or in the variable {PYTHON_VARIABLE}."
_AGAIN = "Run it again; if it ends the same way, report it with these lines."
_MEMORY = "Was the memory full? Use a coarser analysis GSD or a smaller area of interest, and run it again."


class WorkerClient:
    """Matches in a process of its own, which lives until `close` or the end of the `with` block.

    python: interpreter of the engine environment; None = the variable SARTO_PYTHON, else this Python.
    env: environment variables to set for the worker.
    log: gets messages about the process itself, such as its versions.
    silence_timeout, start_timeout: seconds without a sign of life after which the worker counts as hung.

    Not for several threads at a time. After an error the next `match` starts a new process.
    """

    def __init__(
        self,
        python: str | None = None,
        *,
        env: Mapping[str, str] | None = None,
        log: Callable[[str], None] | None = None,
        silence_timeout: float = SILENCE_SECONDS,
        start_timeout: float = START_SECONDS,
    ) -> None:
        self.python = python or default_python()
        self.hello: Message = {}
        self._env = dict(env or {})
        self._log = log or (lambda _text: None)
        self._silence, self._start_silence = silence_timeout, start_timeout
        self._process: WorkerProcess | None = None
        self._number = 0

    def __enter__(self) -> WorkerClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Number of the worker process, None while there is none."""
        return self._process.pid if self._process else None

    def start(self, reporter: Reporter = SILENT) -> Message:
        """Start the worker if there is none, and return its `hello` (`versions`, `device`).

        Raises EngineError where it does not come up, Cancelled when asked to stop.
        """
        if self._process is not None and not self._process.is_running:
            self._log(f"The matching engine {self._process.death()}; it is started again.")
            self._kill()
        if self._process is None:
            reporter.progress("Starting the engine", 0.0)
            self._launch()
            try:
                self._greet(reporter)
            except BaseException:
                self._kill()
                raise
        return self.hello

    def match(
        self, task: MatchTask, reporter: Reporter = SILENT, workdir: str | Path | None = None
    ) -> MatchResult:
        """Match a pair in the worker.

        reporter: asked for cancellation at least every 100 ms; a cancelled match ends within a second.
        workdir: existing folder for temporary files (removed again); None = the system's. Images that are
            memory-mapped `.npy` files are handed over as they are, without a copy.

        Raises Cancelled, EngineError (killed, hung or broken worker), OutputError (no room for the images),
        and what the method raises (NoMatchError, InputError, OptionError).
        """
        reporter.check()
        with Exchange(workdir) as files:
            images = {name: files.path_of(image, name) for name, image in _images(task).items()}
            self.start(reporter)
            self._number += 1
            request = {
                **_parameters(task),
                **images,
                "type": "match",
                "id": self._number,
                "result": files.result_prefix,
            }
            reply = self._ask(request, reporter)
            return _result(reply, files)

    def close(self) -> None:
        """End the worker; the client can be used again."""
        if self._process is not None:
            self._process.close(_CLOSE_SECONDS)
            self._process = None

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _launch(self) -> None:
        self.hello = {}
        door = str(Path(__file__).with_name("__main__.py"))
        try:
            self._process = WorkerProcess([self.python, door], self._environment())
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            message = f"The matching engine cannot be started: Python '{self.python}': {reason}."
            raise EngineError(message, _SET_PYTHON) from error

    def _environment(self) -> dict[str, str]:
        # QGIS sets these for its own Python; another one would not start, or would load QGIS's packages.
        unfit = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE")
        inherited = {name: value for name, value in os.environ.items() if name not in unfit}
        # Torch's threads would spin while they wait and take the cores from QGIS: several times slower for both.
        return {"OMP_WAIT_POLICY": "PASSIVE", **inherited, "PYTHONUTF8": "1", **self._env}

    def _greet(self, reporter: Reporter) -> None:
        hello = self._next({"hello"}, None, self._start_silence, reporter)
        if hello.get("protocol") != PROTOCOL:
            raise EngineError("The matching engine belongs to another version of Sarto.", _SET_PYTHON)
        self.hello = hello
        versions = hello.get("versions")
        parts = [f"{name} {version}" for name, version in versions.items()] if isinstance(versions, dict) else []
        self._log(f"Matching engine: {', '.join(parts)}, {hello.get('device', 'cpu')}.")

    def _ask(self, request: Message, reporter: Reporter) -> Message:
        """Send a request and wait for its result; no worker goes on with an abandoned one."""
        try:
            process = self._process
            assert process is not None
            if not process.send(request):
                raise self._dead(process)
            reply = self._next({"result", "error"}, request["id"], self._silence, reporter)
        except Cancelled:
            self._cancel(request["id"])
            raise
        except BaseException:
            self._kill()
            raise
        if reply["type"] == "error":
            code, message, hint = (str(reply.get(key, "")) for key in ("code", "message", "hint"))
            raise error_from_code(code, message, hint)
        return reply

    def _cancel(self, number: int) -> None:
        """Let the worker stop by itself for a moment, else kill it."""
        process = self._process
        deadline = time.monotonic() + _CANCEL_GRACE
        if process is not None and process.send({"type": "cancel", "id": number}):
            while (left := deadline - time.monotonic()) > 0:
                reply = process.receive(left)
                if isinstance(reply, dict) and reply.get("id") == number and reply["type"] in ("result", "error"):
                    return
                if isinstance(reply, End):
                    break
        self._kill()

    def _next(self, kinds: set[str], number: int | None, patience: float, reporter: Reporter) -> Message:
        """The next message of one of the kinds that answers request `number`; passes on what comes before.

        Raises Cancelled; EngineError if the process ends, is silent for `patience` seconds or talks rubbish.
        """
        process = self._process
        assert process is not None
        silent, rubbish = 0.0, 0
        while True:
            reporter.check()
            before = time.monotonic()
            message = process.receive(_POLL)
            if message is None:
                # A computer that slept, or a client that was held up, must not count as the worker's silence.
                silent += min(time.monotonic() - before, 2 * _POLL)
                if silent > patience:
                    raise self._hung(process, patience)
            elif isinstance(message, End):
                raise self._dead(process)
            elif isinstance(message, Rubbish):
                rubbish += 1
                if rubbish > _RUBBISH_LIMIT:
                    raise self._garbled(process, message.text)
            else:
                silent = 0.0
                if message["type"] in kinds and message.get("id") in (number, None):
                    return message
                self._pass_on(message, number, reporter)

    def _pass_on(self, message: Message, number: int | None, reporter: Reporter) -> None:
        if message.get("id") != number:
            return  # a late word about a match that was cancelled
        if message["type"] == "progress":
            fraction = message.get("fraction")
            if isinstance(fraction, (int, float)):
                reporter.progress(str(message.get("stage", "")), float(fraction))
        elif message["type"] == "log":
            reporter.log(str(message.get("message", "")))

    def _dead(self, process: WorkerProcess) -> EngineError:
        death = process.death()
        hint = _MEMORY if "SIGKILL" in death else _AGAIN if self.hello else _SET_PYTHON
        return self._failure(process, f"The matching engine {death}", hint)

    def _hung(self, process: WorkerProcess, seconds: float) -> EngineError:
        text = f"The matching engine gave no sign of life for {seconds:g} s and was stopped"
        return self._failure(process, text, "Run it again, if need be with less else running on this computer.")

    def _garbled(self, process: WorkerProcess, sample: str) -> EngineError:
        text = f"The matching engine answers with something unreadable ('{sample}') and was stopped"
        return self._failure(process, text, _SET_PYTHON)

    def _failure(self, process: WorkerProcess, text: str, hint: str) -> EngineError:
        self._kill()
        tail = "\n".join(process.tail())
        said = f" Its last words:\n{tail}\n" if tail else " It left no message."
        return EngineError(f"{text} (Python '{self.python}').{said}", hint)


def default_python() -> str:
    """The variable SARTO_PYTHON, else the running interpreter."""
    chosen = os.environ.get(PYTHON_VARIABLE)
    if chosen:
        return chosen
    if Path(sys.executable or "").stem.lower().startswith("python"):
        return sys.executable
    # Inside QGIS on Windows and macOS `sys.executable` is QGIS itself.
    windows = sys.platform == "win32"
    return str(Path(sys.prefix, "python.exe") if windows else Path(sys.prefix, "bin", "python3"))


def _parameters(task: MatchTask) -> Message:
    """All fields of a task but the images, so that a field that a later version adds is not forgotten."""
    return {f.name: to_dict(getattr(task, f.name)) for f in fields(task) if f.name not in IMAGES}


def _images(task: MatchTask) -> dict[str, Pixels]:
    """The images of a task by the names of their fields."""
    present = ((name, getattr(task, name)) for name in IMAGES)
    return {name: image for name, image in present if image is not None}


def _result(reply: Message, files: Exchange) -> MatchResult:
    """The match result in a reply and its files. Raises EngineError where it is not complete."""
    ties, inliers = read_ties(files.ties_path)
    cover = read_cover(files.cover_path, reply["cover"]) if reply.get("cover") else None
    painted = read_painted(files.painted_path, reply["painted"]) if reply.get("painted") else None
    try:
        pose = np.array(reply["pose"], dtype=np.float64)
        if pose.shape != (2, 3):
            raise ValueError(f"pose has shape {pose.shape}")
        evidence, tried = reply["evidence"], int(reply["tried"])
        steps = dict(reply.get("steps") or {})
        known = float("nan") if evidence is None else float(evidence)
        reach = float(reply.get("reach") or 0.0)
        return MatchResult(ties, inliers, pose, known, tried, reach, steps, cover, painted)
    except (KeyError, TypeError, ValueError) as error:
        raise EngineError(f"The matching engine's result is not complete: {error}.", "Run it again.") from error
