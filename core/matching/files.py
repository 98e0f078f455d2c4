"""Files that appear whole or not at all, for rooms without GDAL (`raster.atomic` is for those with it)."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from ..contract import OutputError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, and its folder where that is missing; an older one is replaced at once. Raises OutputError."""
    part = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:12]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        raise OutputError(
            f"'{path}' could not be written: {error.strerror or error}.",
            "Is there space on the disk, and may you write in the folder?",
        ) from error
    finally:  # also at a cancel
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
