"""Where tie points are looked for."""

from __future__ import annotations

import numpy as np
from sarto.core.contract import Points
from sarto.core.matching.keypoints import Keypoints
from sarto.core.matching.placing import Placing

IDENTITY = np.eye(2, 3)
IMAGE = np.full((80, 120), 90, np.uint8)


def cells_of(
    placing: Placing, at: list[tuple[float, float]], strength: list[float]
) -> list[list[tuple[float, float]]]:
    return placing.cells_of(Keypoints(np.array(at, float).reshape(-1, 2), np.array(strength, float)))


def test_keypoints_of_a_cell_come_strongest_first_and_three_at_most() -> None:
    placing = Placing(IMAGE, IMAGE, IDENTITY, 6, 40.0)  # cells of 40 x 40
    assert placing.spacing == 40
    at = [(60.0, 20.0), (58.5, 19.25), (55.0, 25.0), (66.0, 12.0), (20.0, 60.0)]
    found = cells_of(placing, at, [0.2, 0.9, 0.4, 0.3, 0.1])
    assert found == [
        [(58.5, 19.25), (55.0, 25.0), (66.0, 12.0)],
        [(20.0, 60.0)],
    ]  # row by row; empty ones left out


def test_keypoints_keep_half_a_cell_from_those_of_the_next() -> None:
    placing = Placing(IMAGE, IMAGE, IDENTITY, 6, 40.0)
    random: Points = np.random.default_rng(0).uniform(0, 80, (4000, 2)) * (1.5, 1)
    found = placing.cells_of(Keypoints(random, np.ones(4000)))
    assert len(found) == 6
    inner = (np.array([place for places in found for place in places]) + 0.5) % 40
    assert inner.min() >= 10
    assert inner.max() <= 30


def test_keypoints_without_a_counterpart_are_left_out() -> None:
    moving = IMAGE.copy()
    moving[:, 66:] = 0
    placing = Placing(IMAGE, moving, IDENTITY, 6, 40.0)
    at = [(19.5, 19.5), (59.5, 19.5), (68.0, 19.5), (99.5, 19.5)]
    assert cells_of(placing, at, [0.1, 0.2, 0.9, 0.4]) == [[(19.5, 19.5)], [(59.5, 19.5)]]
    assert cells_of(placing, [(-3.0, 20.0), (500.0, 20.0)], [1, 1]) == []
    assert cells_of(placing, [], []) == []


def test_large_images_are_placed_on_an_overview() -> None:
    large = np.full((900, 1800), 90, np.uint8)
    placing = Placing(large, large, IDENTITY, 2, 900.0)
    assert cells_of(placing, [(1350.3, 449.8), (1349.0, 10.0)], [0.1, 0.9]) == [[(1350.3, 449.8)]]
