"""The page: sections in reading order, written as one file without any outside resource."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Optional

import numpy as np

from ..contract import Pixels, RegisterResult
from ..raster import LandCover
from ..raster.atomic import replacing
from . import sections
from .cover import cover_section
from .figures import histogram, residual_map
from .images import COOL, WARM, Views, Window, checkerboard, definitions, detail_window
from .style import CSS
from .synthetic import synthetic_section
from .text import Ruler, escape

# Layer names come from strangers: nothing on this page may load or run anything
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_report(
    path: str | Path,
    result: RegisterResult,
    reference: Pixels,
    before: Pixels,
    after: Pixels,
    overwrite: bool = False,
    cover: Optional[LandCover] = None,
    painted: Optional[Pixels] = None,
) -> Path:
    """Write the report as one self-contained HTML file and return its path.

    reference, before, after: uint8 (H, W) of one size and any resolution, each spanning the footprint of
    `result.reference_grid`; 0 = NoData. `before` and `after` show the moving layer.
    cover: the land cover that the method saw, where it is to be shown. painted: as `after`, what the method
    painted of the moving layer, where it is to be shown.
    Raises OutputError if the file exists (without `overwrite`) or cannot be written, InputError for views
    that do not fit together.
    """
    views = Views(reference, before, after, result.reference_grid)
    with replacing(path, overwrite) as temporary:
        temporary.write_text(render(result, views, cover, painted), encoding="utf-8")
    return Path(path)


def render(
    result: RegisterResult,
    views: Views,
    cover: Optional[LandCover] = None,
    painted: Optional[Pixels] = None,
) -> str:
    """The whole page."""
    ruler = Ruler.of(result.reference_grid)
    detail = detail_window(views, result.gcps)
    title = f"{result.job.moving.label} → {result.job.reference.label}"
    body = (
        _header(result)
        + sections.verdict(result)
        + sections.key_figures(result, ruler)
        + _pictures(views, detail)
        + _residuals(result, ruler)
        + ("" if cover is None else cover_section(cover, result))
        + ("" if painted is None else synthetic_section(painted, result))
        + "<h2>All figures</h2><p>Lengths are pixels of the analysis grid.</p>"
        + sections.all_figures(result.assessment.figures, ruler)
        + f"<h2>Tie points</h2><p>{_table_caption(result)}</p>"
        + sections.gcp_table(result.gcps, ruler)
        + "<h2>Transform</h2><p>What was fitted.</p>"
        + sections.transform(result, ruler)
        + "<h2>What was run</h2><p>Enough to repeat it.</p>"
        + sections.run(result, ruler)
        + "<h2>How the figures are defined</h2><p>So that they can be compared with those of other programs.</p>"
        + sections.DEFINITIONS
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} – registration report</title><style>{CSS}</style></head>"
        f"<body>{definitions(views, detail)}<main>{body}<footer>Written by Sarto on {_now()}.</footer>"
        "</main></body></html>\n"
    )


def _now() -> str:
    now = datetime.now().astimezone()
    return f"{now:%Y-%m-%d %H:%M} (UTC{now:%z})"


def _header(result: RegisterResult) -> str:
    job = result.job
    return (
        '<header><p class="over">Registration report</p>'
        f'<h1>{escape(job.moving.label)} <span class="to">aligned to</span> {escape(job.reference.label)}</h1>'
        f"<p>Transform: {escape(result.transform.model)}. Method: {escape(job.match.method)}.</p></header>"
    )


def _pictures(views: Views, detail: Window | None) -> str:
    """Checkerboards of the whole scene and of a detail, before and after."""
    whole = Window(0, 0, views.grid.width, views.grid.height)
    swatch = '<span class="swatch" style="background:{}"></span>'
    intro = (
        f"Squares of the reference {swatch.format(WARM)}and of the moving layer {swatch.format(COOL)}alternate. "
        "Where the layers fit, roads, banks and edges run on from square to square."
    )
    html = f"<h2>Before and after</h2><p>{intro}</p>{_side_by_side(whole, 10, '')}"
    if detail is not None:
        html += f"<h3>Detail</h3>{_side_by_side(detail, 5, 'detail-')}"
    return html


def _side_by_side(window: Window, squares: int, prefix: str) -> str:
    before = checkerboard("before", window, squares, "Checkerboard before registration", prefix)
    after = checkerboard("after", window, squares, "Checkerboard after registration", prefix)
    return (
        f'<div class="pair"><figure>{before}<figcaption><b>Before</b> – as the layers came</figcaption></figure>'
        f"<figure>{after}<figcaption><b>After</b> – with the fitted transform</figcaption></figure></div>"
    )


def _residuals(result: RegisterResult, ruler: Ruler) -> str:
    if not np.isfinite(result.gcps.residual_length_px).any():
        return '<h2>Residuals</h2><p class="empty">There are no residuals to show.</p>'
    figures = result.assessment.figures
    marks = [("RMSE at check points", figures.rmse_check), ("CE90", figures.ce90)]
    legend = (
        '<p class="legend"><span class="key"><i class="dot"></i>GCPs</span>'
        '<span class="key"><i class="dot check"></i>check points</span></p>'
    )
    return (
        "<h2>Residuals</h2><p>Each vector shows how far the transform misses a tie point, from the observed to "
        "the predicted position. Vectors that point the same way in one part of the image betray a distortion "
        "that the model does not describe.</p>"
        f"<figure>{residual_map(result.gcps, ruler)}</figure>"
        f"<figure>{histogram(result.gcps, ruler, marks)}{legend}</figure>"
    )


def _table_caption(result: RegisterResult) -> str:
    if result.gcps.moving_grid == result.gcps.reference_grid:
        moved = "dX, dY: true minus present position of the moving layer"
    else:
        moved = "source x, y: position in the moving image in its own pixels"
    return f"X, Y: position in the reference's CRS; {moved}. Crossed out: not used."
