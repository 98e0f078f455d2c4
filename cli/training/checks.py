"""What arguments of several parts have in common."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...core.contract import OptionError, OutputError


def as_path(text: str | None) -> Path | None:
    """A file that may be left out."""
    return Path(text) if text else None


def split_list(text: str) -> list[str]:
    """What commas separate, each once."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise OutputError for a file that is there, unless it may be replaced."""
    if path.exists() and not overwrite:
        raise OutputError(f"'{path}' exists already.", "Choose another name or give --overwrite.")


def check_positive(args: argparse.Namespace, *names: str) -> None:
    """Raise OptionError for the first of these options that is given and not positive."""
    for name in names:
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise OptionError(f"Option '--{name}' is {value}.", "Use a positive number.")
