"""GDAL's errors, progress and options, tamed: no process-wide state is changed (QGIS shares the process)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from osgeo import gdal

from ..contract import SILENT, Reporter, SartoError


class GdalProgress:
    """A GDAL progress callback that reports a stage and stops GDAL when the user cancels.

    stage: phrase for the reporter; "" only checks for cancel.
    start, end: the part of the stage's 0…1 that this GDAL call covers.
    """

    def __init__(self, reporter: Reporter = SILENT, stage: str = "", start: float = 0.0, end: float = 1.0) -> None:
        self._reporter = reporter
        self._stage, self._start, self._end = stage, start, end
        self.stopped_by: BaseException | None = None

    def __call__(self, fraction: float, _message: str = "", _data: object = None) -> int:
        try:
            if self._stage:
                self._reporter.progress(self._stage, self._start + fraction * (self._end - self._start))
            else:
                self._reporter.check()
        except BaseException as error:  # an exception cannot cross C++: keep it for `gdal_errors`
            self.stopped_by = error
            return 0
        return 1


@contextmanager
def gdal_errors(
    kind: type[SartoError], message: str, hint: str = "", progress: GdalProgress | None = None
) -> Iterator[list[str]]:
    """Turn every GDAL failure in the block into `kind`, whether the host uses GDAL exceptions or not.

    message: what could not be done, without a full stop; GDAL's own first words are appended.
    progress: its cancel wins over the errors that stopping GDAL causes.
    Yields the list of failures so far; clearing it forgives them.
    """
    failures: list[str] = []

    def collect(level: int, _number: int, text: str) -> None:
        if level >= gdal.CE_Failure:
            failures.append(text)

    gdal.PushErrorHandler(collect)
    try:
        yield failures
    except (RuntimeError, SystemError) as error:  # how GDAL fails where exceptions are switched on
        _raise_stop(progress)
        raise kind(f"{message}: {failures[0] if failures else error}.", hint) from error
    finally:
        gdal.PopErrorHandler()
    _raise_stop(progress)
    if failures:
        raise kind(f"{message}: {failures[0].strip().rstrip('.')}.", hint)


def _raise_stop(progress: GdalProgress | None) -> None:
    if progress is not None and progress.stopped_by is not None:
        raise progress.stopped_by


@contextmanager
def quiet_gdal() -> Iterator[None]:
    """Keep GDAL from printing; the caller looks at the return value."""
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        yield
    finally:
        gdal.PopErrorHandler()


def attempt(call: Callable[[], object]) -> object:
    """The result of a GDAL call, or None where it fails, silently and in both exception modes."""
    with quiet_gdal():
        try:
            return call()
        except RuntimeError:
            return None


CACHE_BYTES = 256 << 20


@contextmanager
def modest_cache() -> Iterator[None]:
    """Bound GDAL's block cache (5 % of the memory by default, shared by the process) for a long read."""
    before = gdal.GetCacheMax()
    gdal.SetCacheMax(min(before, CACHE_BYTES))
    try:
        yield
    finally:
        gdal.SetCacheMax(before)


__all__ = ["GdalProgress", "attempt", "gdal_errors", "modest_cache", "quiet_gdal"]
