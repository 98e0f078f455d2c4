"""What the engine consists of, told without importing the heavy parts. The one list of its packages."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec


@dataclass(frozen=True)
class Package:
    """A package of the engine. pip: its name for pip; module: what is imported; others: that bring the same."""

    pip: str
    module: str
    others: tuple[str, ...] = ()


PACKAGES: dict[str, Package] = {
    "numpy": Package("numpy", "numpy"),
    "torch": Package("torch", "torch"),
    "opencv": Package(
        "opencv-python-headless",
        "cv2",
        ("opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"),
    ),
    "safetensors": Package("safetensors", "safetensors"),
}
"""Name in `versions` → package, of all that some method needs."""

NEEDED = ("numpy", "torch", "opencv")
"""Those that every method needs; `matching.registry` says what a method needs besides."""


def pip_names(names: Iterable[str] = tuple(PACKAGES)) -> str:
    """What to give to `pip install`, for packages by their names in `versions`."""
    return " ".join(PACKAGES[name].pip for name in names)


def versions() -> dict[str, str]:
    """Version by package; those that are not installed are missing."""
    found = {"python": platform.python_version()}
    for name, package in PACKAGES.items():
        known = [version for version in map(_version, (package.pip, *package.others)) if version]
        if known:
            found[name] = known[0]
        elif find_spec(package.module) is not None:
            found[name] = "of the system"  # Debian's OpenCV has no metadata
    return found


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def device() -> str:
    """ "cuda" or "cpu": what `auto` will compute on."""
    # Importing torch takes seconds; without a driver the answer is known before.
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(library)
        import torch
    except (OSError, ImportError):
        return "cpu"
    return "cuda" if torch.cuda.is_available() else "cpu"
