"""The method `tar`: text-assisted learned matching (D. Quan et al., "TAR", arXiv 2605.12064), our own network."""

from .matcher import TarMatcher

__all__ = ["TarMatcher"]
