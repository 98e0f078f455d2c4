"""What the engine consists of, told without importing the heavy parts."""

from __future__ import annotations

import ctypes
import platform
import sys
from importlib import metadata
from importlib.util import find_spec

_OPENCV = ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python")
_MODULES = {"opencv": "cv2"}
_PACKAGES = {"numpy": ("numpy",), "torch": ("torch",), "opencv": _OPENCV}


def versions() -> dict[str, str]:
    """Version by package; those that are not installed are missing."""
    found = {"python": platform.python_version()}
    for name, distributions in _PACKAGES.items():
        known = [version for version in map(_version, distributions) if version]
        if known:
            found[name] = known[0]
        elif find_spec(_MODULES.get(name, name)) is not None:
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
