from __future__ import annotations

import math

import numpy as np
import pytest
from sarto.core.bench.measures import correct_matches
from sarto.core.bench.methods import Answer
from sarto.core.bench.protocols import Sample
from sarto.core.contract import Floats, TiePoints

IMAGE = np.zeros((8, 8), np.uint8)
TRUTH = np.array([[1.0, 0, 5], [0, 1.0, -2]])


def answer(*errors: tuple[float, float]) -> Answer:
    """Tie points that are off by these (x, y)."""
    at = np.random.default_rng(0).uniform(0, 50, (len(errors), 2))
    moved = at + TRUTH[:, 2] + np.array(errors).reshape(-1, 2)
    return Answer(TRUTH, TiePoints(at, moved, np.ones(len(at)), np.zeros(len(at))))


def sample(truth: Floats | None) -> Sample:
    return Sample("p", IMAGE, IMAGE, truth)


def test_only_matches_within_three_pixels_count() -> None:
    found = correct_matches(answer((1, 0), (0, -2), (2.99, 0), (3.01, 0), (30, 40)), sample(TRUTH))
    assert found.count == 3
    assert found.rmse == pytest.approx(math.sqrt((1 + 4 + 2.99**2) / 3))


def test_nothing_correct_has_no_error() -> None:
    for wrong in (answer((4, 0)), Answer(None)):
        found = correct_matches(wrong, sample(TRUTH))
        assert found.count == 0
        assert math.isnan(found.rmse)


def test_without_truth_nothing_is_counted() -> None:
    found = correct_matches(answer((1, 0)), sample(None))
    assert found.count is None
    assert math.isnan(found.rmse)
