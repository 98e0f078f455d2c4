"""The GCP table: a dock with every GCP of a run, edited against the map with the refit following at once."""

from .dock import GcpDock

__all__ = ["GcpDock"]
