"""How long residual arrows are drawn, and what one pixel of residual is on the map."""

from __future__ import annotations

import math

import numpy as np

from ...core.contract import Floats, GcpTable

ARROW_SHARE = 1 / 25
"""Length of the 90th percentile arrow, as a share of the overlap's longer side."""

LARGEST_SCALE = 10_000.0
"""Beyond this, what is left of a spline at its own GCPs is rounding, not a residual."""

VARIABLES = ("sarto_x_per_column", "sarto_x_per_row", "sarto_y_per_column", "sarto_y_per_row")
"""Layer variables that residuals.qml reads, in the order of `map_vectors`' four numbers."""


def map_vectors(table: GcpTable) -> Floats:
    """(2, 2) matrix: residual in pixels (x right, y down) → vector on the map (y up, as QGIS draws).

    The vector leads from the true position to where the aligned layer shows the point. A residual is predicted
    minus observed position in the moving image; the aligned layer shows at a map position what the moving image
    has at the predicted one: hence the minus, and the inverse of the linear part between the images.
    """
    _, a, b, _, d, e = table.reference_grid.geotransform
    matrix: Floats = np.array([[a, b], [d, e]])
    if not table.reference_grid.crs:
        matrix = matrix * np.array([[1.0], [-1.0]])
    if len(table) >= 3:
        centred = table.reference_px - table.reference_px.mean(axis=0)
        linear = np.linalg.lstsq(centred, table.moving_px - table.moving_px.mean(axis=0), rcond=None)[0].T
        if abs(np.linalg.det(linear)) > 1e-6:
            matrix = matrix @ np.linalg.inv(linear)
    return -matrix


def arrow_scale(table: GcpTable) -> float:
    """By how much residuals are exaggerated: 1, 2 or 5 times a power of ten; 1 where there are none."""
    shown = table.residual_px[table.enabled & np.isfinite(table.residual_px).all(axis=1)]
    if not len(shown):
        return 1.0
    vectors = shown @ map_vectors(table).T
    typical = float(np.percentile(np.hypot(vectors[:, 0], vectors[:, 1]), 90))
    xmin, ymin, xmax, ymax = table.reference_grid.bounds()
    wanted = ARROW_SHARE * max(xmax - xmin, ymax - ymin)
    return LARGEST_SCALE if typical * LARGEST_SCALE <= wanted else nice(wanted / typical)


def nice(value: float) -> float:
    """The nearest of 1, 2, 5 · 10^n to a positive number, by ratio."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(min((f * power for f in (1, 2, 5, 10)), key=lambda candidate: abs(math.log(candidate / value))))
