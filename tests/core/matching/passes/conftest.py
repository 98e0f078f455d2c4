"""The passes are tested with a small network of TAR."""

from ..tar.conftest import bank, network, text

__all__ = ["bank", "network", "text"]
