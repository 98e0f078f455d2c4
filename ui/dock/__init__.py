"""The dock: what is registered, how, where to; what will happen; run and cancel."""

from .folders import output_folder
from .register_dock import RegisterDock

__all__ = ["RegisterDock", "output_folder"]
