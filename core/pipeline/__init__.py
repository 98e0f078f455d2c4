"""The story: two layers → prepare → match → fit → assess → deliver.

`register` is the whole of it; `solve` is its middle, from two arrays to a checked transform. `foresee` says
beforehand what a run will do, `Review` edits its GCPs afterwards, `apply_edits` delivers it again.
"""

from ..geometry import Summary
from ..matching import METHODS, REACH, TRAITS, Traits, methods_with, traits_of
from ..raster import display_limits, read_land_cover
from ..report import Ruler
from ..worker import NEEDED, PACKAGES, WorkerClient, default_python, pip_names
from .deliver import FILES
from .edit import apply_edits
from .engine import check_engine, register_in_worker
from .export import convert_gcps, export_gcps
from .foresight import STAGES, Forecast, Overall, foresee
from .realign import Realigned, realign
from .register import register
from .review import EditedRun, Review, displacement_left, is_edited, load_result
from .solve import MatchesPairs, Solution, conclude, solve
from .text_options import (
    check_hints,
    class_names,
    class_text,
    known_classes,
    known_scenes,
    scene_hint,
    scene_names,
)

__all__ = [
    "FILES",
    "METHODS",
    "NEEDED",
    "PACKAGES",
    "REACH",
    "STAGES",
    "TRAITS",
    "EditedRun",
    "Forecast",
    "MatchesPairs",
    "Overall",
    "Realigned",
    "Review",
    "Ruler",
    "Solution",
    "Summary",
    "Traits",
    "WorkerClient",
    "apply_edits",
    "check_engine",
    "check_hints",
    "class_names",
    "class_text",
    "conclude",
    "convert_gcps",
    "default_python",
    "displacement_left",
    "display_limits",
    "export_gcps",
    "foresee",
    "is_edited",
    "known_classes",
    "known_scenes",
    "load_result",
    "methods_with",
    "pip_names",
    "read_land_cover",
    "realign",
    "register",
    "register_in_worker",
    "scene_hint",
    "scene_names",
    "solve",
    "traits_of",
]
