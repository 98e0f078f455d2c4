"""Arrays in, tie points out. One folder per method, one small registry; imports neither QGIS nor GDAL."""

from .protocol import REACH, Matcher, MatchTask
from .registry import METHODS, create

__all__ = ["METHODS", "REACH", "MatchTask", "Matcher", "create"]
