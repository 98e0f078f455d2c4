"""The process boundary: a worker process matches, its client survives whatever happens there."""

from .client import WorkerClient, default_python
from .environment import NEEDED, PACKAGES, pip_names

__all__ = ["NEEDED", "PACKAGES", "WorkerClient", "default_python", "pip_names"]
