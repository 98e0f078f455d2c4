"""The dock: what is registered, how, where to; what will happen; run and cancel."""

from .register_dock import RegisterDock

__all__ = ["RegisterDock"]
