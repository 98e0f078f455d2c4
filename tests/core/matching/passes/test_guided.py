"""Guided matching: what it reads near a pose, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sarto.core.geometry import affine
from sarto.core.matching.passes.guided import LEAST_MASS, REACH, guided
from sarto.core.matching.passes.thinning import beside
from sarto.core.matching.passes.tiles import Ties
from sarto.core.matching.passes.vote import log_support

RADIUS = 8
SIDE = 2 * RADIUS + 1
BASE = affine.similarity(5.0, 1.1, (40.0, 40.0), (52.0, 33.0))


def places() -> np.ndarray:
    x, y = np.meshgrid(np.arange(8.0, 80, 16), np.arange(8.0, 80, 16))
    return np.column_stack([x.ravel(), y.ravel()])


def ties_of(probability: torch.Tensor) -> Ties:
    """Places under `BASE`, all with the same probability (side, side) of shifts; their own best is far off."""
    reference = places()
    count = len(reference)
    zero, true = np.zeros(count), np.ones(count, dtype=np.bool_)
    moving = affine.apply(BASE, reference - 12.0)
    logs = log_support(probability[None].expand(count, SIDE, SIDE))
    return Ties(reference, moving, zero + 0.5, zero + 0.2, zero + 3.0, zero + 0.1, true, true.copy(), logs)


def two_peaks(near: tuple[int, int], mass: float) -> torch.Tensor:
    """`mass` at a shift (x, y) in cells, the rest far off."""
    probability = torch.zeros(SIDE, SIDE)
    probability[RADIUS + near[1], RADIUS + near[0]] = mass
    probability[RADIUS - 6, RADIUS - 6] = 1 - mass
    return probability


@pytest.mark.parametrize("unit", [2.0, 5.0])
@pytest.mark.parametrize("near", [(0, 0), (3, -2)])
def test_the_lesser_peak_near_the_pose_is_read(unit: float, near: tuple[int, int]) -> None:
    target = np.array(near) * unit
    pose = affine.compose(BASE, np.column_stack([np.eye(2), target + 0.3 * unit]))  # nearly there
    read, seen = guided(ties_of(two_peaks(near, 0.35)), BASE, pose, unit)
    assert seen.all()
    assert np.allclose(read.moving, affine.apply(BASE, places() + target), atol=1e-6)
    assert np.isnan(read.round_trip).all()
    assert np.array_equal(read.reference, places())


def test_places_that_see_too_little_near_the_pose_are_left_out() -> None:
    for mass, expected in ((LEAST_MASS - 0.02, False), (LEAST_MASS + 0.02, True)):
        _, seen = guided(ties_of(two_peaks((1, 0), mass)), BASE, BASE, 2.0)
        assert (seen == expected).all()
    _, seen = guided(ties_of(torch.full((SIDE, SIDE), 1 / SIDE**2)), BASE, BASE, 2.0)
    assert not seen.any()


def test_what_lies_beyond_reach_does_not_count() -> None:
    far = int(np.ceil(REACH)) + 1
    _, seen = guided(ties_of(two_peaks((far, 0), 0.9)), BASE, BASE, 2.0)
    assert not seen.any()


def test_only_cells_without_a_tie_point_get_one() -> None:
    everywhere = ties_of(two_peaks((0, 0), 0.9))
    some = everywhere.select(np.arange(0, len(everywhere), 2))
    more = beside(everywhere, some, 16.0)
    assert len(more) == len(everywhere) - len(some)
    assert not {*map(tuple, more.reference)} & {*map(tuple, some.reference)}
    assert len(beside(everywhere, some.select(np.zeros(len(some), dtype=np.bool_)), 1000.0)) == 1
    assert len(beside(everywhere, everywhere, 16.0)) == 0
