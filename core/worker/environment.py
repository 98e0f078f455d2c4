"""What the engine consists of, told without importing the heavy parts."""

from __future__ import annotations

import ctypes
import platform
import sys
from importlib import metadata

_OPENCV = ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python")
_PACKAGES = {"numpy": ("numpy",), "torch": ("torch",), "opencv": _OPENCV}


def versions() -> dict[str, str]:
    """Version by package; those that are not installed are missing."""
    found = {"python": platform.python_version()}
    for name, distributions in _PACKAGES.items():
        for distribution in distributions:
            try:
                found[name] = metadata.version(distribution)
            except metadata.PackageNotFoundError:
                continue
            break
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
