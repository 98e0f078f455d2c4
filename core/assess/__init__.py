"""How good is it? Figures from points that the fit has not seen, and one verdict. Contract, geometry, numpy."""

from .coverage import coverage
from .sampling import bilinear, pixel_positions
from .similarity import structural_similarity
from .verdict import RULES, Rules, judge

__all__ = ["RULES", "Rules", "bilinear", "coverage", "judge", "pixel_positions", "structural_similarity"]
