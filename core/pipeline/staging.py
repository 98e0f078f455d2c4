"""Results appear together at the end, or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..contract import OutputError

_BEFORE = "before"  # folder of the files that new ones replace, until all are there


@contextmanager
def staging(directory: str | Path, overwrite: bool) -> Iterator[Path]:
    """A hidden folder inside the output folder; its files move up at the end, or vanish with it.

    An output folder that had to be made is removed again on failure.
    """
    final = Path(directory)
    made = [p for p in (final, *final.parents) if not p.exists()]
    try:
        final.mkdir(parents=True, exist_ok=True)
        temporary = final / f".sarto-{uuid.uuid4().hex[:8]}"
        temporary.mkdir()
    except OSError as error:
        raise OutputError(
            f"The folder '{final}' cannot be written: {error.strerror}.", "Choose another one."
        ) from error
    try:
        yield temporary
        _move_up(temporary, final, overwrite)
        made = []
    except OSError as error:
        raise OutputError(
            f"Results could not be written to '{final}': {error.strerror}.", "Is the disk full?"
        ) from error
    finally:
        if not _holds_old_files(temporary):
            shutil.rmtree(temporary, ignore_errors=True)
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _move_up(temporary: Path, final: Path, overwrite: bool) -> None:
    """All files, or none: where one cannot be replaced, those replaced before it come back.

    Raises OutputError.
    """
    files = sorted(temporary.iterdir())
    for file in files:
        if (final / file.name).is_dir() or ((final / file.name).exists() and not overwrite):
            raise OutputError(f"'{final / file.name}' appeared in the meantime.", "Choose another folder.")
    before = temporary / _BEFORE
    before.mkdir()
    for done, file in enumerate(files):
        try:
            if (final / file.name).exists():
                os.replace(final / file.name, before / file.name)
            os.replace(file, final / file.name)
        except OSError as error:
            _move_back(before, final, files[:done])
            raise OutputError(
                f"'{final / file.name}' cannot be replaced: {error.strerror}.",
                "Is it open in another program, or protected? The results that were there before are kept.",
            ) from error
    shutil.rmtree(before, ignore_errors=True)


def _move_back(before: Path, final: Path, moved: list[Path]) -> None:
    """What cannot be moved back stays in `before`, which is then not removed."""
    for file in moved:
        if not (before / file.name).exists():
            with suppress(OSError):
                (final / file.name).unlink()
    for old in before.iterdir():
        with suppress(OSError):
            os.replace(old, final / old.name)


def _holds_old_files(temporary: Path) -> bool:
    before = temporary / _BEFORE
    return before.is_dir() and any(before.iterdir())
