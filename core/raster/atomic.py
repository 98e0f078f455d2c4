"""Files appear whole or not at all."""

from __future__ import annotations

import glob
import os
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..contract import OutputError
from .gdal_tools import quiet_gdal


@contextmanager
def replacing(path: str | Path, overwrite: bool = False, companions: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yield a temporary path beside `path` with its suffix; it takes the name of `path` at the end.

    companions: endings, such as '.aux.xml', of files beside it that go with it where they were made.

    If the block fails or is cancelled, or leaves nothing behind, the temporary file and everything that
    GDAL or SQLite put beside it (-journal, -wal, .aux.xml, .msk, .ovr …) are removed and `path` is untouched.
    Raises OutputError if `path` exists and `overwrite` is false, or the folder cannot be written.
    """
    target = Path(path)
    _check(target, overwrite)
    temporary = target.with_name(f".{target.stem}-{uuid.uuid4().hex[:12]}{target.suffix}")
    try:
        yield temporary
        _move(temporary, target, overwrite, companions)
    except BaseException as error:
        # A dataset in a frame of the traceback would stay open, and Windows removes no open file.
        with quiet_gdal():
            traceback.clear_frames(error.__traceback__)
        if not isinstance(error, OSError):
            raise
        raise OutputError(f"'{target}' could not be written: {error.strerror or error}.", _SPACE) from error
    finally:
        _remove(temporary)


_SPACE = "Is there space on the disk, and may you write in the folder?"


def _check(target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise OutputError(f"'{target}' is a folder.", "Choose a file name.")
    if target.exists() and not overwrite:
        raise OutputError(f"'{target}' exists already.", "Choose another name or allow overwriting.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except BaseException as error:
        # A dataset in a frame of the traceback would stay open, and Windows removes no open file.
        with quiet_gdal():
            traceback.clear_frames(error.__traceback__)
        if not isinstance(error, OSError):
            raise
        raise OutputError(f"The folder '{target.parent}' cannot be made: {error.strerror}.", _SPACE) from error
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"The folder '{target.parent}' cannot be written.", "Choose another folder.")


def _move(temporary: Path, target: Path, overwrite: bool, companions: tuple[str, ...]) -> None:
    if not temporary.exists():
        raise OutputError(f"'{target}' could not be written: nothing was produced.", _SPACE)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())  # a full disk may only show itself here
    _check(target, overwrite)  # someone else may have written it meanwhile
    for ending in companions:
        with suppress(FileNotFoundError):
            os.replace(f"{temporary}{ending}", f"{target}{ending}")
    os.replace(temporary, target)


def _remove(temporary: Path) -> None:
    for leftover in glob.glob(glob.escape(str(temporary.with_suffix(""))) + "*"):
        with suppress(OSError):
            os.remove(leftover)
