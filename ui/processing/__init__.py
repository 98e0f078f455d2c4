"""Sarto in the Processing toolbox: `sarto:register`, `sarto:warp`, `sarto:assess`, `sarto:exportgcps`."""

from .provider import SartoProvider

__all__ = ["SartoProvider"]
