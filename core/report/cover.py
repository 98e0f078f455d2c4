"""The land cover that the method saw: a picture over the reference, with legend."""

from __future__ import annotations

import base64

import numpy as np
import numpy.typing as npt

from ..contract import Grid, RegisterResult
from ..raster import LandCover, encode_png, rgb
from .text import escape, number

_OPACITY = 0.65
_SIDE = 700
"""Cells of the longer side in the page, at most."""


def cover_section(cover: LandCover, result: RegisterResult) -> str:
    """What the method saw, beside the reference; a sentence where nothing stood out."""
    head = (
        "<h2>Land cover that the method saw</h2><p>While it compared the images, the method "
        f"‘{escape(result.job.match.method)}’ also compared each place with words about land cover. The colours "
        "show which words it paid most attention to. That tells what guided the registration, and may help to see "
        "why it went well or badly; it is no land-cover product, and nobody has checked it.</p>"
    )
    if not cover.classes:
        return f'{head}<p class="empty">No land cover stood out anywhere.</p>'
    return (
        f'{head}<div class="pair"><figure>{_picture("", result.reference_grid, "Reference")}'
        "<figcaption><b>Reference</b></figcaption></figure>"
        f"<figure>{_picture(_overlay(cover, result.reference_grid), result.reference_grid, 'Land cover')}"
        "<figcaption><b>Land cover</b> – with most attention; uncoloured where none stands out</figcaption>"
        f"</figure></div>{_legend(cover)}"
    )


def _picture(overlay: str, grid: Grid, label: str) -> str:
    """SVG of the reference in grid pixels (corner based), with something over it."""
    return (
        f'<svg class="picture" viewBox="0 0 {grid.width} {grid.height}" role="img" aria-label="{label}">'
        f'<use href="#reference"/>{overlay}</svg>'
    )


def _overlay(cover: LandCover, grid: Grid) -> str:
    """The classes as an image whose cells lie where they belong."""
    factor = -(-max(cover.values.shape) // _SIDE)
    values = cover.values[factor // 2 :: factor, factor // 2 :: factor]
    palette = np.zeros((256, 4), dtype=np.uint8)
    for entry in cover.classes:
        palette[entry.value] = (*rgb(entry.colour), 255)
    rows, columns = values.shape
    data = base64.b64encode(encode_png(np.ascontiguousarray(palette[values]))).decode("ascii")
    matrix = " ".join(f"{value:.8g}" for value in _placing(cover.grid, grid, factor))
    return (
        f'<image width="{columns}" height="{rows}" transform="matrix({matrix})" opacity="{_OPACITY}" '
        f'preserveAspectRatio="none" class="cells" href="data:image/png;base64,{data}"/>'
    )


def _placing(cells: Grid, grid: Grid, factor: int) -> npt.NDArray[np.float64]:
    """SVG's six numbers: corner-based positions on the shown picture of the cells → on the grid."""
    corners = np.array([[0.0, 0.0], [factor, 0.0], [0.0, factor]]) - 0.5
    origin, right, below = grid.to_pixel(cells.to_world(corners)) + 0.5
    return np.concatenate([right - origin, below - origin, origin])


def _legend(cover: LandCover) -> str:
    """Colours, titles and shares of the area where some land cover stands out."""
    counts = np.bincount(cover.values.ravel(), minlength=256)
    whole = int(counts[1:].sum())
    keys = "".join(
        f'<span class="key"><i style="background:{entry.colour}"></i>{escape(entry.title)} '
        f"{_percent(int(counts[entry.value]) / whole)}</span>"
        for entry in cover.classes
    )
    return f'<p class="legend">{keys}<span>of the coloured area</span></p>'


def _percent(share: float) -> str:
    return f"{number(100 * share, 0)}\u202f%" if share >= 0.01 else "&lt; 1\u202f%"
