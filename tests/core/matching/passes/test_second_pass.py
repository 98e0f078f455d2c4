"""Tiles and thinning: everything is covered, nothing twice as dense as asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sarto.core.contract import RANGES, MatchOptions
from sarto.core.matching import MatchTask
from sarto.core.matching.passes.second_pass import GUIDE_STRIDE, guide_stride, last_stride
from sarto.core.matching.passes.thinning import thinned
from sarto.core.matching.passes.tiles import STRIDE, TILE, Ties
from sarto.core.matching.passes.tiling import LARGEST, MARGIN, spread_evenly, tiling

SHAPES = [(135, 135), (192, 300), (256, 256), (257, 511), (320, 321), (512, 512), (1024, 3000), (10980, 10980)]


@pytest.mark.parametrize("shape", SHAPES)
def test_tiles_cover_the_image_and_overlap(shape: tuple[int, int]) -> None:
    rows, columns = shape
    corners, size = tiling(shape, most=10**6)
    assert max(size) <= LARGEST
    seen = np.zeros(shape, bool)
    for x, y in corners.astype(int):
        assert x >= 0
        assert y >= 0
        assert x + size[1] <= columns
        assert y + size[0] <= rows
        seen[y : y + size[0], x : x + size[1]] = True
    assert seen.all()
    for axis, side in ((0, size[1]), (1, size[0])):
        starts = np.unique(corners[:, axis])
        assert np.all(np.diff(starts) <= side - MARGIN)


def test_small_images_are_one_tile_and_none_is_looked_at_much_more_than_once() -> None:
    for side in range(100, TILE + 1, 13):
        corners, size = tiling((side, side))
        assert size == (side, side)
        assert corners.tolist() == [[0, 0]]
    for side in range(TILE, 3000, 37):
        corners, size = tiling((side, side), most=10**6)
        assert len(corners) * size[0] * size[1] < 1.6 * side**2


def test_fewer_tiles_are_still_spread_over_the_image() -> None:
    corners, _ = tiling((4000, 6000), most=10**6)
    chosen, _ = tiling((4000, 6000), most=40)
    assert len(chosen) == 40
    assert len(np.unique(chosen, axis=0)) == 40
    quarters = (chosen[:, 0] > 3000).astype(int) + 2 * (chosen[:, 1] > 2000)
    assert np.bincount(quarters, minlength=4).min() >= 6
    assert np.array_equal(spread_evenly(corners, len(corners)), corners)


def _ties(count: int) -> Ties:
    random = np.random.default_rng(0)
    places = random.uniform(0, 300, (count, 2))
    values = random.random(count)
    flags = np.ones(count, bool)
    return Ties(places, places, values, values, values, values, flags, flags, torch.zeros(count, 1, 1))


def test_thinning_keeps_the_surest_of_each_cell() -> None:
    ties = _ties(2000)
    kept = thinned(ties, 100, 30.0)
    assert len(kept) <= 121
    cell = np.floor(ties.reference / 30).astype(int)
    for place, spread in zip(kept.reference, kept.spread):
        same = (cell == np.floor(place / 30).astype(int)).all(axis=1)
        assert spread == ties.spread[same].min()


def test_few_tie_points_are_not_thinned() -> None:
    ties = _ties(90)
    assert thinned(ties, 100, 30.0) is ties


def test_large_images_have_places_enough_for_every_tie_point_with_wider_steps() -> None:
    def stride(side: int, points: int) -> int:
        image = np.ones((side, side), np.uint8)
        return last_stride(MatchTask(image, image, RANGES["georef"], MatchOptions(points=points)))

    def guides(side: int) -> int:
        image = np.ones((side, side), np.uint8)
        return guide_stride(MatchTask(image, image, RANGES["georef"], MatchOptions()))

    assert (guides(135), guides(192)) == (STRIDE, GUIDE_STRIDE)
    assert stride(512, 400) == STRIDE
    assert stride(2048, 400) == GUIDE_STRIDE
    assert stride(2048, 5000) == STRIDE
