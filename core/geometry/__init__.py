"""Transform models (reference-grid pixel → moving-grid pixel): fit, residuals, leave-one-out, check points.

Imports the contract and numpy only, so that a GCP table in QGIS can refit while the user edits it.
"""

from .check_points import independent_count, spatial_blocks, split_check_points
from .fitting import fit, from_record, leave_one_out, minimum_points
from .live import LiveFit
from .refit import Summary, loo_rmse, refit, summary
from .selection import LADDER, ModelChoice, ModelScore, choose_model
from .transform import Projective, Transform

__all__ = [
    "LADDER",
    "LiveFit",
    "ModelChoice",
    "ModelScore",
    "Projective",
    "Summary",
    "Transform",
    "choose_model",
    "fit",
    "from_record",
    "independent_count",
    "leave_one_out",
    "loo_rmse",
    "minimum_points",
    "refit",
    "spatial_blocks",
    "split_check_points",
    "summary",
]
