"""The process boundary: a worker process matches, its client survives whatever happens there."""

from .client import WorkerClient, default_python

__all__ = ["WorkerClient", "default_python"]
