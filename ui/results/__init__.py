"""Results in the project: one group of layers per run, and the way back from a layer to its run."""

from .find import find_record, role_of, same_source
from .layers import open_aligned
from .load import ResultGroup, group_name, load_results, loading

__all__ = [
    "ResultGroup",
    "find_record",
    "group_name",
    "load_results",
    "loading",
    "open_aligned",
    "role_of",
    "same_source",
]
