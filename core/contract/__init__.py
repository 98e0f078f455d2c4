"""The dataclasses that all rooms speak: job, prepared pair, tie points, GCP table, result.

Imports numpy only, so that QGIS, the worker process and the command line can all use it.
Positions are `(x, y)` pixels with centres at integers; `grid.Grid` is the only way to the world and back.
"""

from .codec import from_dict, to_dict
from .cover import CoverMap
from .errors import (
    Cancelled,
    EngineError,
    InputError,
    NoMatchError,
    OptionError,
    OutputError,
    SartoError,
    error_from_code,
)
from .grid import Grid, Points
from .options import (
    MODELS,
    PAINTS,
    RANGES,
    READS_LAND_USE,
    READS_TEXT,
    READS_WEIGHTS,
    RESAMPLING,
    LayerSource,
    MatchOptions,
    ModelOptions,
    OutputOptions,
    RadiometryOptions,
    RegisterJob,
    SearchRange,
    check_options,
    limits,
)
from .painting import Painting
from .pair import Pixels, PreparedPair
from .progress import SILENT, Reporter
from .result import Assessment, Figures, RegisterResult, TransformRecord, Verdict
from .ties import CHECK, GCP, Flags, Floats, GcpTable, MatchResult, TiePoints, unaided

__all__ = [
    "CHECK",
    "GCP",
    "MODELS",
    "PAINTS",
    "RANGES",
    "READS_LAND_USE",
    "READS_TEXT",
    "READS_WEIGHTS",
    "RESAMPLING",
    "SILENT",
    "Assessment",
    "Cancelled",
    "CoverMap",
    "EngineError",
    "Figures",
    "Flags",
    "Floats",
    "GcpTable",
    "Grid",
    "InputError",
    "LayerSource",
    "MatchOptions",
    "MatchResult",
    "ModelOptions",
    "NoMatchError",
    "OptionError",
    "OutputError",
    "OutputOptions",
    "Painting",
    "Pixels",
    "Points",
    "PreparedPair",
    "RadiometryOptions",
    "RegisterJob",
    "RegisterResult",
    "Reporter",
    "SartoError",
    "SearchRange",
    "TiePoints",
    "TransformRecord",
    "Verdict",
    "check_options",
    "error_from_code",
    "from_dict",
    "limits",
    "to_dict",
    "unaided",
]
