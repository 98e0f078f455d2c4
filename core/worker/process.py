"""One running worker process, seen from outside: its pipes are drained by threads, so that nothing blocks."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, Final, Union

from .messages import MAX_LINE, Message, decode, encode

TAIL_LINES = 40
_TAIL_WIDTH = 300
_STDERR_LINE = 1 << 14
_WAITING_MESSAGES = 1000  # a worker that writes faster than it is read has to wait
_TERMINATE_SECONDS = 0.2
_KILL_SECONDS = 5.0


class Rubbish:
    """Something on stdout that is no message; `text` is its beginning, printable."""

    def __init__(self, line: bytes) -> None:
        self.text = ascii(line[:80])[2:-1]


class End:
    """Nothing more will come."""


Received = Union[Message, Rubbish, End]
_END: Final = End()


class WorkerProcess:
    """Starts `command`. Raises OSError where it cannot be started.

    All methods return soon, whatever the process does.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            **_detached(),
        )
        self._messages: queue.Queue[Received] = queue.Queue(_WAITING_MESSAGES)
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._gone = threading.Event()
        self._threads = [
            threading.Thread(target=work, args=(stream,), daemon=True)
            for work, stream in (
                (self._read_messages, self._process.stdout),
                (self._read_errors, self._process.stderr),
            )
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def send(self, message: Message) -> bool:
        """Write a request; False where the process does not listen any more."""
        stream = self._process.stdin
        try:
            assert stream is not None
            stream.write(encode(message))
            stream.flush()
        except (OSError, ValueError):
            return False
        return True

    def receive(self, timeout: float) -> Received | None:
        """The next thing that the process says, or None if it is silent for `timeout` seconds."""
        try:
            return self._messages.get(timeout=timeout)
        except queue.Empty:
            if self.is_running:
                return None
        # Its last words may still be in the pipe. A child that holds the pipe open would hide the end for ever.
        self._threads[0].join(0.5)
        with suppress(queue.Empty):
            return self._messages.get_nowait()
        return _END

    def tail(self) -> list[str]:
        """The last lines on stderr."""
        self._threads[1].join(0.5 if not self.is_running else 0)
        return list(self._tail)

    def death(self) -> str:
        """How the process ended, in words: 'was killed (SIGKILL)', 'ended with status 3'."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)  # stdout closes a moment before the process ends
        status = self._process.returncode
        if status is None:
            return "closed its output"
        if status >= 0:
            return f"ended with status {status}"
        with suppress(ValueError):
            return f"was ended by the system ({signal.Signals(-status).name})"
        return f"was ended by signal {-status}"

    def close(self, patience: float) -> None:
        """Ask the process to end, wait `patience` seconds, then kill it."""
        self.send({"type": "quit"})
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self.kill()

    def kill(self) -> None:
        """End the process and its children now; leaves neither zombie, thread nor open pipe."""
        if self.is_running:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_TERMINATE_SECONDS)
        self._kill_group()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILL_SECONDS)
        self._gone.set()
        for thread in self._threads:
            thread.join(1.0)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            # A reader that still waits holds its stream's lock: closing would wait with it.
            if stream is not None and not any(thread.is_alive() for thread in self._threads):
                with suppress(OSError):
                    stream.close()

    def _kill_group(self) -> None:
        """Kill what is left of the process's own group (a launcher's real Python, a library's helpers)."""
        if sys.platform == "win32":
            self._process.kill()
        else:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _read_messages(self, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError):
            while line := stream.readline(MAX_LINE):
                message = decode(line)
                if message is not None and message["type"] == "alive" and not self._messages.empty():
                    continue  # hours of idleness would fill the queue
                if line.strip():
                    self._put(message or Rubbish(line))
        self._put(_END)

    def _put(self, item: Received) -> None:
        while not self._gone.is_set():
            with suppress(queue.Full):
                self._messages.put(item, timeout=0.2)
                return

    def _read_errors(self, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError):
            while line := stream.readline(_STDERR_LINE):
                text = line.decode("utf-8", "replace").rstrip()
                if text:
                    self._tail.append(text[:_TAIL_WIDTH])


def _detached() -> dict[str, Any]:
    """A group of its own: Ctrl-C in a terminal reaches the client alone, and the group can be killed whole."""
    if sys.platform == "win32":
        quiet = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": quiet | subprocess.BELOW_NORMAL_PRIORITY_CLASS}
    else:
        return {"start_new_session": True}
