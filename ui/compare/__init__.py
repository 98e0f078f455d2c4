"""Compare the aligned SAR layer with the optical layer on the map: swipe and checkerboard."""

from .compare_bar import CompareBar
from .overlay import CHECKERBOARD, OFF, SWIPE, CompareOverlay
from .tool import CompareTool

__all__ = ["CHECKERBOARD", "OFF", "SWIPE", "CompareBar", "CompareOverlay", "CompareTool"]
