"""Keypoints: places worth describing, found in each image alone."""

from .detect import CLEARANCE, KINDS, Keypoints, detect
from .phase_congruency import Congruency, phase_congruency

__all__ = ["CLEARANCE", "KINDS", "Congruency", "Keypoints", "detect", "phase_congruency"]
