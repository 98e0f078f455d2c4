"""Arrays in, tie points out. One folder per method, one small registry; imports neither QGIS nor GDAL."""

from .protocol import REACH, Matcher, MatchTask
from .registry import METHODS, TRAITS, Traits, create, methods_with, traits_of

__all__ = [
    "METHODS",
    "REACH",
    "TRAITS",
    "MatchTask",
    "Matcher",
    "Traits",
    "create",
    "methods_with",
    "traits_of",
]
