"""The worker: reads requests as JSON lines on stdin, matches, answers as JSON lines on stdout.

Three threads. The main thread matches. One reads stdin all the while, so that a cancel or the parent's end is
noticed during a computation. One gives a sign of life every second.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

from ..contract import EngineError, InputError, Reporter, SartoError, from_dict, to_dict
from ..matching import Matcher, MatchTask, create
from .arrays import (
    IMAGES,
    cover_path,
    painted_path,
    read_image,
    ties_path,
    write_cover,
    write_painted,
    write_ties,
)
from .environment import device, pip_names, versions
from .messages import HEARTBEAT_SECONDS, MAX_LINE, PROTOCOL, Message, decode, encode

PROGRESS_SECONDS = 0.05
GRACE_SECONDS = 0.4  # a finished computation may still deliver when stdin closes; then the process ends


def main() -> NoReturn:
    """Serve until stdin closes or `quit` arrives."""
    faulthandler.enable(
        all_threads=False
    )  # a crash in a library leaves its trace on stderr, which the client keeps
    server = Server(*_private_streams())
    server.run()
    leave(0)


def leave(status: int) -> NoReturn:
    """End at once: a thread that waits for stdin would block an orderly shutdown, and there is nothing to save."""
    sys.stderr.flush()
    os._exit(status)


def _private_streams() -> tuple[int, int]:
    """Keep stdin and stdout for the protocol alone: what libraries print goes to stderr, also from C."""
    reading, writing = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdout = sys.stderr
    return reading, writing


class Server:
    """Answers requests from the descriptor `reading` on the descriptor `writing`."""

    def __init__(self, reading: int, writing: int) -> None:
        self._input = os.fdopen(reading, "rb")
        self._output = writing
        self._writing = threading.Lock()
        self._parent = os.getppid()
        self._requests: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._matchers: dict[str, Matcher] = {}
        self._cancelled: set[Any] = set()

    def run(self) -> None:
        threading.Thread(target=self._pulse, daemon=True).start()
        threading.Thread(target=self._read, daemon=True).start()
        self.send(
            {"type": "hello", "protocol": PROTOCOL, "versions": versions(), "device": device(), "pid": os.getpid()}
        )
        while (request := self._requests.get()) is not None:
            self._answer(request)

    def send(self, message: Message) -> None:
        """Write one line; where nobody can read it any more, the process ends."""
        data = memoryview(encode(message))
        try:
            with self._writing:
                while data:
                    data = data[os.write(self._output, data) :]
        except OSError:
            leave(1)

    def _pulse(self) -> None:
        """A sign of life every second; ends the process when the parent is gone."""
        beat = time.monotonic()
        while True:
            time.sleep(HEARTBEAT_SECONDS / 4)
            # An orphan gets another parent. Windows keeps the old number: there the end of stdin tells.
            if os.getppid() != self._parent:
                leave(1)
            if time.monotonic() - beat >= HEARTBEAT_SECONDS:
                beat = time.monotonic()
                self.send({"type": "alive"})

    def _read(self) -> None:
        while line := self._input.readline(MAX_LINE):
            if not line.endswith(b"\n") and len(line) == MAX_LINE:
                self._skip_line()
                self._refuse(None, f"A line is longer than {MAX_LINE} bytes.")
            elif line.strip():
                self._accept(decode(line))
        self._requests.put(None)
        time.sleep(GRACE_SECONDS)
        leave(0)

    def _skip_line(self) -> None:
        while (line := self._input.readline(MAX_LINE)) and not line.endswith(b"\n"):
            pass

    def _accept(self, message: Message | None) -> None:
        """Sort a request: what is quick is done here, even during a match."""
        kind, number = (message["type"], message.get("id")) if message else (None, None)
        if message is None:
            self._refuse(None, "A line is not a JSON object with a 'type'.")
        elif not (number is None or isinstance(number, (int, str))):
            self._refuse(None, "A request's 'id' is neither a number nor a text.")
        elif kind == "ping":
            self.send({"type": "pong", "id": number})
        elif kind == "cancel":
            self._cancelled.add(number)
        elif kind == "match":
            self._requests.put(message)
        elif kind == "quit":
            self._requests.put(None)
        else:
            self._refuse(number, f"Request '{str(kind)[:80]}' is not known.")

    def _refuse(self, number: Any, message: str) -> None:
        self.send({"type": "error", "id": number, "code": "protocol", "message": message, "hint": ""})

    def _answer(self, request: Message) -> None:
        """Run a match; every failure becomes an `error` message."""
        number = request.get("id")
        try:
            self.send({"type": "result", "id": number, **self._match(request)})
        except SartoError as error:
            self._fail(number, error)
        except ImportError as error:
            hint = f"Set the engine up again: '{sys.executable} -m pip install {pip_names()}'."
            self._fail(number, EngineError(f"The matching engine lacks a package: {error}.", hint))
        except MemoryError:
            hint = "Use a coarser analysis GSD or a smaller area of interest."
            self._fail(number, EngineError("The matching engine ran out of memory.", hint))
        except Exception as error:
            traceback.print_exc()
            text = f"{type(error).__name__}: {error}"
            self._fail(number, EngineError(f"The matching engine failed: {text}.", "Please report this."))
        finally:
            self._cancelled.discard(number)

    def _fail(self, number: Any, error: SartoError) -> None:
        fields = {"code": error.code, "message": error.message, "hint": error.hint}
        self.send({"type": "error", "id": number, **fields})

    def _match(self, request: Message) -> Message:
        number = request.get("id")
        task, prefix = _task(request)
        progress = Progress(self, number)
        reporter = Reporter(progress, self._logger(number), lambda: number in self._cancelled)
        reporter.check()
        found = self._matcher(task.options.method).match(task, reporter)
        reporter.check()
        path = ties_path(prefix)
        write_ties(path, found.ties, found.inliers)
        progress.flush()
        rest = {"pose": found.pose, "evidence": found.evidence, "tried": found.tried}
        rest |= {"reach": found.reach, "steps": found.steps}
        if found.cover is not None and task.land_cover:
            rest["cover"] = write_cover(cover_path(prefix), found.cover)
        if found.painted is not None and task.painting:
            rest["painted"] = write_painted(painted_path(prefix), found.painted)
        return {"ties": path, **to_dict(rest)}

    def _logger(self, number: Any) -> Callable[[str], None]:
        return lambda text: self.send({"type": "log", "id": number, "message": str(text)})

    def _matcher(self, method: str) -> Matcher:
        """The matcher of that name, made once: its weights stay loaded."""
        if method not in self._matchers:
            self._matchers[method] = create(method)
        return self._matchers[method]


def _task(request: Message) -> tuple[MatchTask, str]:
    """The task in a match request, with mapped images, and the prefix of result files.

    Raises InputError naming the field or the file that does not fit.
    """
    fields = {name: value for name, value in request.items() if name not in ("type", "id", "result")}
    for name in ("reference", "moving"):  # bands and land use are not always there
        if not isinstance(request.get(name), str):
            raise InputError(f"A match request has no path in '{name}'.")
    if not isinstance(request.get("result"), str):
        raise InputError("A match request has no path prefix in 'result'.")
    paths = {name: fields[name] for name in IMAGES if fields.get(name) is not None}
    if odd := [name for name, path in paths.items() if not isinstance(path, str)]:
        raise InputError(f"A match request has no path in '{odd[0]}'.")
    empty: dict[str, Any] = {"reference": [], "moving": [], "bands": None, "land_use": None}
    task = from_dict(MatchTask, {**fields, **empty})
    images: dict[str, Any] = {name: read_image(path, name) for name, path in paths.items()}
    for name, what in (("bands", "bands"), ("land_use", "classes of land use")):
        if name in images and images[name].shape[-2:] != images["reference"].shape:
            raise InputError(f"The {what} of a match request have another size than its reference.")
    return replace(task, **images), request["result"]


class Progress:
    """Sends progress, at most 20 times a second; the last word before the result is always sent."""

    def __init__(self, server: Server, number: Any) -> None:
        self._server, self._number = server, number
        self._sent_at = -PROGRESS_SECONDS
        self._waiting: tuple[str, float] | None = None

    def __call__(self, stage: str, fraction: float) -> None:
        self._waiting = (stage, fraction)
        if time.monotonic() - self._sent_at >= PROGRESS_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self._waiting is None:
            return
        stage, fraction = self._waiting
        self._waiting, self._sent_at = None, time.monotonic()
        self._server.send({"type": "progress", "id": self._number, "stage": stage, "fraction": round(fraction, 4)})
