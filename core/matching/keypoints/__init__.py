"""Keypoints: places worth describing, found in each image alone."""

from .detect import CLEARANCE, DENSITY, KINDS, Keypoints, detect, kind_for
from .phase_congruency import Congruency, phase_congruency
from .whole import detect_whole

__all__ = [
    "CLEARANCE", "DENSITY", "KINDS", "Congruency", "Keypoints", "detect", "detect_whole", "kind_for",
    "phase_congruency",
]  # fmt: skip
