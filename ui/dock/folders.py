"""Where a run's results go: a folder of its own for each run, so that nothing is ever overwritten."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from ...core.contract import OutputError

_LONGEST = 60


def file_safe(name: str) -> str:
    """A layer's name as part of a folder's name on any system: letters, digits, '-', '_' and '.'."""
    safe = re.sub(r"[^\w.-]+", "_", name).strip("._-")[:_LONGEST].rstrip("._-")
    return safe or "sar"


def output_folder(base: str, name: str, taken: Collection[str] = (), prefix: str = "") -> str:
    """The first of `<base>/<prefix><name>_aligned`, `…_aligned_2`, … that does not exist and is not taken.

    taken: folders already promised to runs that have not written yet.
    """
    stem = f"{prefix}{file_safe(name)}_aligned"
    number = 1
    while True:
        candidate = Path(base) / (stem if number == 1 else f"{stem}_{number}")
        if str(candidate) not in taken and not os.path.lexists(candidate):
            return str(candidate)
        number += 1


def check_folder(base: str) -> None:
    """Raises OutputError where no folder can be made in `base`. A folder that is not there yet may be made."""
    folder = Path(base)
    if not folder.is_absolute():
        raise OutputError(f"The folder '{base}' is no full path.", "Choose a folder with the … button.")
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise OutputError(f"'{folder}' is a file, not a folder.", "Choose a folder.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"The folder '{folder}' cannot be written.", "Choose another one.")
