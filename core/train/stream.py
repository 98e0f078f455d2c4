"""Batches made ahead, in the order of the steps: by a thread, or by processes where a GPU must not wait."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, Union

import cv2
from torch.utils.data import DataLoader, Dataset

from .batches import Batch, Recipe

THREAD_AHEAD = 4
"""Batches that the thread keeps ready."""
PROCESS_AHEAD = 2
"""Batches that each process keeps ready."""


class Batches:
    """The batches of the steps from `start` to `stop`. Use as a context manager: what makes them ends with it.

    workers: processes that make them; 0 = a thread of this process, right where a CPU trains. What they make does
        not depend on it. pin: put them into pinned memory, for a GPU.
    Where processes start by forking (Linux) they share the chips; elsewhere each holds a copy.
    """

    def __init__(self, recipe: Recipe, start: int, stop: int, workers: int = 0, pin: bool = False) -> None:
        self._source: Union[_Thread, _Processes]
        if workers:
            self._source = _Processes(recipe, range(start, stop), workers, pin)
        else:
            self._source = _Thread(recipe, range(start, stop), pin)

    def __enter__(self) -> Iterator[Batch]:
        return iter(self._source)

    def __exit__(self, *_: object) -> None:
        self._source.close()


class _Thread:
    """A thread that works ahead. What goes wrong in it is raised where its batch is asked for."""

    def __init__(self, recipe: Recipe, steps: range, pin: bool) -> None:
        self._recipe, self._steps, self._pin = recipe, steps, pin
        self._ready: queue.Queue[Union[Batch, BaseException, None]] = queue.Queue(maxsize=THREAD_AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="batches", daemon=True)

    def __iter__(self) -> Iterator[Batch]:
        self._thread.start()
        while True:
            item = self._ready.get()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            for step in self._steps:
                batch = self._recipe.batch(step)
                if not self._put(batch.pin_memory() if self._pin else batch):
                    return
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _put(self, item: Union[Batch, BaseException, None]) -> bool:
        """Wait for room; false where nobody wants the item any more."""
        while not self._stop.is_set():
            try:
                self._ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False


class _Processes:
    """torch's loader, which hands batches over in shared memory and in order."""

    def __init__(self, recipe: Recipe, steps: range, workers: int, pin: bool) -> None:
        method = "fork" if sys.platform == "linux" else "spawn"
        self._loader: Any = DataLoader(
            _Steps(recipe),
            batch_size=None,
            sampler=steps,
            num_workers=workers,
            pin_memory=pin,
            prefetch_factor=PROCESS_AHEAD,
            worker_init_fn=_start_worker,
            multiprocessing_context=multiprocessing.get_context(method),
        )
        self._batches: Any = None

    def __iter__(self) -> Iterator[Batch]:
        self._batches = iter(self._loader)
        return iter(self._batches)

    def close(self) -> None:
        if self._batches is not None:
            self._batches._shutdown_workers()  # else they would end whenever the garbage is collected


class _Steps(Dataset[Batch]):
    """A recipe as torch's loader wants it."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def __getitem__(self, step: int) -> Batch:
        return self._recipe.batch(step)


def _start_worker(_number: int) -> None:
    """One thread per process; a Ctrl-C is the parent's affair."""
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
