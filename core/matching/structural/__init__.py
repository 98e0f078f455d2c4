"""Structural matching: no weights, only edges and their orientation."""

from .matcher import StructuralMatcher

__all__ = ["StructuralMatcher"]
