"""The worker's door: `python -m sarto.core.worker`, or this file run by its path.

By path nothing needs to be installed and the folder may have any name: a QGIS plugin's own copy serves, and
nothing beside it (other plugins!) gets onto the import path.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path


def _bootstrap() -> None:
    """Make the package that this file lies in importable as `sarto`."""
    here = Path(__file__).resolve()
    root = here.parents[2]
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here.parent]
    spec = importlib.util.spec_from_file_location(
        "sarto", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"No package in {root}.")
    package = importlib.util.module_from_spec(spec)
    sys.modules["sarto"] = package
    spec.loader.exec_module(package)


def _give_way() -> None:
    """Compute behind whatever the user looks at (on Windows the client starts the process so)."""
    if hasattr(os, "nice"):
        os.nice(5)


if __name__ == "__main__":
    _give_way()
    if not __package__:
        _bootstrap()
        __package__ = "sarto.core.worker"
    from .server import main

    main()
