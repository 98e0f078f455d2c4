from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sarto.core.contract import OptionError
from sarto.core.geometry import independent_count, spatial_blocks, split_check_points


@given(st.integers(0, 500), st.integers(0, 120), st.floats(0, 0.5))
@settings(max_examples=60, deadline=None)
def test_split_properties(seed, count, share):
    xy = np.random.default_rng(seed).uniform(0, 1000, (count, 2))
    is_check = split_check_points(xy, share, seed)
    assert is_check.shape == (count,)
    np.testing.assert_array_equal(is_check, split_check_points(xy, share, seed))
    assert is_check.sum() <= round(share * count)
    assert (~is_check).sum() >= min(count, 6)
    for i in range(count if count > 4 else 0):
        distance = np.linalg.norm(xy - xy[i], axis=1)
        distance[i] = np.inf
        assert not is_check[np.argsort(distance)[:4]].all()


def test_a_quarter_is_held_back_evenly():
    xy = np.random.default_rng(0).uniform(0, 1000, (400, 2))
    is_check = split_check_points(xy, 0.25)
    assert 95 <= is_check.sum() <= 100
    quadrants, _, _ = np.histogram2d(*xy[is_check].T, bins=2)
    assert quadrants.min() >= 18


def test_seed_matters():
    xy = np.random.default_rng(0).uniform(0, 1000, (100, 2))
    assert (split_check_points(xy, 0.25, 0) != split_check_points(xy, 0.25, 1)).any()


def test_duplicates_are_survived():
    assert split_check_points(np.zeros((40, 2)), 0.25).sum() <= 10


@pytest.mark.parametrize("share", [-0.1, 0.6, float("nan")])
def test_impossible_share(share):
    with pytest.raises(OptionError, match="share"):
        split_check_points(np.zeros((40, 2)), share)


def test_blocks_are_equally_full_and_compact():
    xy = np.random.default_rng(0).uniform(0, 1000, (403, 2))
    blocks = spatial_blocks(xy, 16)
    sizes = np.bincount(blocks)
    assert len(sizes) == 16
    assert sizes.max() - sizes.min() <= 2
    assert max(np.ptp(xy[blocks == b], axis=0).max() for b in range(16)) < 400


def test_points_that_share_pixels_count_once():
    xy = np.stack(np.meshgrid(np.arange(0.0, 192, 16), np.arange(0.0, 192, 16)), axis=-1).reshape(-1, 2)
    assert independent_count(xy, 0) == 144
    assert independent_count(xy, 65) == 9
    assert independent_count(xy[:0], 65) == 0
