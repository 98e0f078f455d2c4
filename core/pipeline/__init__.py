"""The story: two layers → prepare → match → fit → assess → deliver.

`register` is the whole of it; `solve` is its middle, from two arrays to a checked transform.
"""

from .register import register
from .solve import MatchesPairs, Solution, conclude, solve

__all__ = ["MatchesPairs", "Solution", "conclude", "register", "solve"]
