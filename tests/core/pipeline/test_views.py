"""The report's pictures: a cancel is answered while they are made."""

from __future__ import annotations

import numpy as np
import pytest
from sarto.core.contract import Cancelled, Grid, PreparedPair, Reporter
from sarto.core.geometry import fit
from sarto.core.pipeline.views import BLOCK_ROWS, pair_views


def test_a_cancel_is_answered_while_the_spline_is_drawn() -> None:
    image = np.full((4 * BLOCK_ROWS, 100), 90, np.uint8)
    pair = PreparedPair(image, image, Grid.of_pixels(100, len(image)), Grid.of_pixels(100, len(image)))
    corners = np.array([[0.0, 0.0], [99, 0], [0, 250], [99, 250], [50, 120]])
    transform = fit("tps", corners, corners)
    asked = [0]

    def cancelled() -> bool:
        asked[0] += 1
        return asked[0] == 3

    with pytest.raises(Cancelled):
        pair_views(pair, transform, Reporter(is_cancelled=cancelled))
    assert asked[0] == 3
    views = pair_views(pair, transform)
    assert np.array_equal(views.after, image)
