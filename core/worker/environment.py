"""What the engine consists of, told without importing the heavy parts."""

from __future__ import annotations

import ctypes
import platform
import sys
from importlib import metadata

_PACKAGES = {"numpy": "numpy", "torch": "torch", "opencv": "opencv-python-headless"}


def versions() -> dict[str, str]:
    """Version by package; those that are not installed are missing."""
    found = {"python": platform.python_version()}
    for name, distribution in _PACKAGES.items():
        try:
            found[name] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return found


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
