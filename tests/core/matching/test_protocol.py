"""What every method is told."""

from __future__ import annotations

import numpy as np
from sarto.core.contract import SearchRange
from sarto.core.matching import REACH, MatchTask


def test_no_shift_goes_beyond_the_image() -> None:
    """`--range 100000` once asked for hundreds of gigabytes."""
    image, smaller = np.ones((300, 500), np.uint8), np.ones((300, 480), np.uint8)
    assert MatchTask(image, image, SearchRange.parse("100000")).max_shift == 500
    assert MatchTask(image, smaller, SearchRange.parse("100000")).max_shift == 510
    assert MatchTask(image, image, SearchRange.parse("50")).max_shift == 50


def test_the_reach_of_a_file_is_the_largest_of_all() -> None:
    from sarto.core.matching.structural import matcher

    assert 2.0 * matcher.LARGE_HALF + 1 == REACH
