"""Files that appear whole or not at all."""

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
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise OutputError(
            f"'{path}' could not be written: {error.strerror or error}.", "Is there space?"
        ) from error
