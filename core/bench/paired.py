"""Whether one method is ahead of another by more than chance, pair by pair (paired bootstrap)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contract import Floats

DRAWS = 10_000
LEAST_PAIRS = 20
"""With fewer pairs the bootstrap sees too little of what chance can do."""


@dataclass(frozen=True)
class PerPair:
    """A figure that is a ratio of sums over N pairs, so that every choice of pairs has it.

    pairs: their names. above, below: (N,) what each adds above and below the line: 1 or 0 of 1 for a share of all
    pairs; a value of 1, or 0 of 0, for a mean over some of them.
    """

    pairs: tuple[str, ...]
    above: Floats
    below: Floats

    @property
    def value(self) -> float:
        """NaN where nothing counts, or something was not measured."""
        total = float(self.below.sum())
        return float(self.above.sum()) / total if total else float("nan")


@dataclass(frozen=True)
class Lead:
    """The first figure less the second, with its 95 % interval; NaN where a figure has no value."""

    value: float
    low: float
    high: float

    @property
    def is_beyond_chance(self) -> bool:
        return self.low > 0 or self.high < 0


def lead(first: PerPair, second: PerPair, seed: int = 0) -> Lead:
    """Two methods on the same pairs: both figures are taken again on pairs drawn with replacement.

    The interval is the middle 95 % of the differences; the whole line, so that nothing is beyond chance, for fewer
    than 20 pairs or where one draw in forty has no figure. Raises ValueError for methods that saw other pairs.
    """
    if set(first.pairs) != set(second.pairs) or len(first.pairs) != len(second.pairs):
        raise ValueError("the two methods saw other pairs")
    at = {name: i for i, name in enumerate(second.pairs)}
    order = np.array([at[name] for name in first.pairs], dtype=np.intp)
    value, count = first.value - second.value, len(first.pairs)
    if count < LEAST_PAIRS or not np.isfinite(value):
        return Lead(value, -np.inf, np.inf)
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), DRAWS).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = weights @ first.above / (weights @ first.below)
        drawn -= weights @ second.above[order] / (weights @ second.below[order])
    known = drawn[np.isfinite(drawn)]
    if len(known) < 0.975 * DRAWS:
        return Lead(value, -np.inf, np.inf)
    low, high = np.percentile(known, [2.5, 97.5])
    return Lead(value, float(low), float(high))
