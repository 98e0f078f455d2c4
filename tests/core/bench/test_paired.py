from __future__ import annotations

import numpy as np
import pytest
from sarto.core.bench.paired import PerPair, lead


def shares(hits: list[int]) -> PerPair:
    return PerPair(tuple(f"p{i}" for i in range(len(hits))), np.array(hits, float), np.ones(len(hits)))


def test_the_interval_is_that_of_the_mean_of_the_differences() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0, 1, (2, 400)) < [[0.8], [0.7]]
    found = lead(shares(first.tolist()), shares(second.tolist()))
    differences = first.astype(float) - second
    error = differences.std() / np.sqrt(400)
    assert found.value == pytest.approx(differences.mean())
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.1 * error)


def test_pairs_tell_more_than_the_two_shares_alone() -> None:
    both = [1] * 50 + [0] * 40
    together = lead(shares(both + [1] * 10), shares(both + [0] * 10))
    apart = lead(shares([1] * 60 + [0] * 40), shares([0] * 50 + [1] * 50))
    assert together.value == pytest.approx(apart.value) == pytest.approx(0.1)
    assert together.is_beyond_chance
    assert not apart.is_beyond_chance
    assert lead(shares(both + [0] * 10), shares(both + [1] * 10)).is_beyond_chance  # behind, too


def test_the_order_of_the_pairs_does_not_matter() -> None:
    hits = ([1] * 30 + [0] * 10, [1] * 20 + [0] * 20)
    first, second = shares(hits[0]), shares(hits[1])
    turned = PerPair(second.pairs[::-1], second.above[::-1], second.below[::-1])
    assert lead(first, turned) == lead(first, second)
    with pytest.raises(ValueError, match="other pairs"):
        lead(first, shares(hits[1][:-1]))


def test_a_mean_over_some_pairs_is_resampled_with_them() -> None:
    """Half of the pairs count, with 2 px each against 1 px each: nothing varies but which are drawn."""
    counts = np.array([1.0, 0.0] * 20)
    names = tuple(map(str, range(40)))
    found = lead(PerPair(names, 2 * counts, counts), PerPair(names, counts, counts))
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_few_pairs_or_no_figure_show_nothing() -> None:
    assert not lead(shares([1] * 19), shares([0] * 19)).is_beyond_chance
    assert lead(shares([1] * 20), shares([0] * 20)).is_beyond_chance
    nothing = PerPair(shares([1] * 30).pairs, np.zeros(30), np.zeros(30))
    assert np.isnan(nothing.value)
    assert not lead(shares([1] * 30), nothing).is_beyond_chance
    one = np.eye(1, 30)[0]  # in a third of all draws it is not there
    assert not lead(PerPair(nothing.pairs, one, one), PerPair(nothing.pairs, 0 * one, one)).is_beyond_chance
