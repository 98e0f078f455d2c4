"""The three views as pictures: embedded once, then shown as checkerboards, details and background by SVG."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..contract import GCP, GcpTable, Grid, InputError, Pixels
from ..raster import encode_png

_OVERVIEW_SIDE = 900  # pixels of the longer side in the page; keeps it below 3 MB
_LEVEL = 4  # grey levels are rounded to multiples: the eye does not see it, the file shrinks by a third
_MIDDLE_GREY = 0.46  # median of each shown picture, so that neighbouring squares are equally bright
_DETAIL_SIDES = (140, 280)  # least and greatest side of the detail, pixels of the views

WARM, COOL = "#ffe2b3", "#c2e0ff"  # tints of reference and moving squares; differ in brightness too


@dataclass(frozen=True)
class Views:
    """Reference and moving image before and after, uint8 (H, W) on one grid, 0 = NoData.

    grid: the analysis grid; the views span its footprint, whatever their own size.
    """

    reference: Pixels
    before: Pixels
    after: Pixels
    grid: Grid

    def __post_init__(self) -> None:
        for name in ("reference", "before", "after"):
            view = getattr(self, name)
            if view.ndim != 2 or view.dtype != np.uint8 or view.size == 0:
                raise InputError(
                    f"The report's {name} view must be uint8 (rows, columns), not {view.dtype} {view.shape}."
                )
            if view.shape != self.reference.shape:
                raise InputError(f"The report's {name} view has shape {view.shape}, not {self.reference.shape}.")

    @property
    def scale(self) -> tuple[float, float]:
        """View pixels per grid pixel in x and y."""
        rows, columns = self.reference.shape
        return columns / self.grid.width, rows / self.grid.height


@dataclass(frozen=True)
class Window:
    """A rectangle in grid pixels (corner based)."""

    x: float
    y: float
    width: float
    height: float

    @property
    def view_box(self) -> str:
        return f"{self.x:g} {self.y:g} {self.width:g} {self.height:g}"


def decimated(image: Pixels, side: int = _OVERVIEW_SIDE) -> Pixels:
    """Shrink so that the longer side is at most `side`: the mean of valid pixels, 0 where there are none."""
    factor = max(image.shape) / side
    if factor <= 1:
        return image
    rows, columns = (max(1, round(n / factor)) for n in image.shape)
    valid = (image > 0).astype(np.float32)
    total = _block_sums(image.astype(np.float32), rows, columns)
    count = _block_sums(valid, rows, columns)
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    return np.asarray(np.clip(np.round(mean), 0, 255), dtype=np.uint8)


def _block_sums(values: npt.NDArray[np.float32], rows: int, columns: int) -> npt.NDArray[np.float32]:
    row_starts = np.linspace(0, values.shape[0], rows, endpoint=False).astype(int)
    column_starts = np.linspace(0, values.shape[1], columns, endpoint=False).astype(int)
    return np.asarray(np.add.reduceat(np.add.reduceat(values, row_starts, axis=0), column_starts, axis=1))


def definitions(views: Views, detail: Window | None) -> str:
    """Invisible SVG that holds each picture once, as symbols 'ref', 'before', 'after' and 'detail-…'."""
    whole = Window(0, 0, views.grid.width, views.grid.height)
    parts = []
    for name in ("reference", "before", "after"):
        image = getattr(views, name)
        parts.append(image_element(name, decimated(image), whole))
        if detail is not None:
            parts.append(image_element(f"detail-{name}", _crop(views, image, detail), detail))
    return f'<svg width="0" height="0" class="defs" aria-hidden="true"><defs>{"".join(parts)}</defs></svg>'


def image_element(name: str, pixels: Pixels, place: Window) -> str:
    """SVG of a picture at its place, with its name as id; as bright as the other pictures."""
    data = base64.b64encode(encode_png(_toned(pixels))).decode("ascii")
    return (
        f'<image id="{name}" x="{place.x:g}" y="{place.y:g}" width="{place.width:g}" height="{place.height:g}" '
        f'preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'
    )


def _toned(pixels: Pixels) -> Pixels:
    """Gamma that brings the median to a middle grey, fewer levels; 0 stays NoData."""
    valid = pixels[pixels > 0]
    median = float(np.median(valid)) / 255 if len(valid) else _MIDDLE_GREY
    gamma = np.clip(np.log(_MIDDLE_GREY) / np.log(np.clip(median, 0.02, 0.98)), 0.4, 2.0)
    grey = 255 * (np.arange(256) / 255) ** gamma
    table = np.maximum(np.round(grey / _LEVEL) * _LEVEL, 1).clip(1, 255).astype(np.uint8)
    table[0] = 0
    return np.ascontiguousarray(table[pixels])


def checkerboard(moving: str, window: Window, squares: int, label: str, prefix: str = "") -> str:
    """SVG of alternating squares of the reference (warm) and the moving image (cool).

    moving: 'before' or 'after'. squares: along the longer side. prefix: 'detail-' for the detail's pictures.
    """
    side = max(window.width, window.height) / squares
    odd = _squares(window, side)
    key = f"{prefix}{moving}-squares"
    box = f'x="{window.x:g}" y="{window.y:g}" width="{window.width:g}" height="{window.height:g}"'
    return (
        f'<svg class="picture" viewBox="{window.view_box}" role="img" aria-label="{label}">'
        f'<defs><clipPath id="{key}"><path d="{odd}"/></clipPath></defs>'
        f'<g class="blend"><use href="#{prefix}reference"/><rect {box} fill="{WARM}"/></g>'
        f'<g class="blend" clip-path="url(#{key})"><use href="#{prefix}{moving}"/><rect {box} fill="{COOL}"/></g>'
        "</svg>"
    )


def _squares(window: Window, side: float) -> str:
    """Path of every second square."""
    path = []
    for row in range(math.ceil(window.height / side)):
        for column in range(math.ceil(window.width / side)):
            if (row + column) % 2:
                x, y = window.x + column * side, window.y + row * side
                path.append(f"M{x:.2f} {y:.2f}h{side:.2f}v{side:.2f}h-{side:.2f}z")
    return "".join(path)


def detail_window(views: Views, gcps: GcpTable) -> Window | None:
    """A place around a GCP where both images are rich in structure and the displacement shows; None if none."""
    used = np.flatnonzero(gcps.used(GCP))
    if not len(used):
        return None
    sx, sy = views.scale
    rows, columns = views.reference.shape
    offset = np.median(np.hypot(*((gcps.moving_px - gcps.reference_px)[used] * [sx, sy]).T))
    side = (
        int(np.clip(6 * offset, *_DETAIL_SIDES)) if gcps.moving_grid == gcps.reference_grid else _DETAIL_SIDES[1]
    )
    if side > min(rows, columns):
        return None
    best, place = 0.0, None
    for x, y in gcps.reference_px[used[:: max(1, len(used) // 200)]]:
        column = int(np.clip((x + 0.5) * sx - side / 2, 0, columns - side))
        row = int(np.clip((y + 0.5) * sy - side / 2, 0, rows - side))
        score = _structure(views, row, column, side)
        if score > best:
            best, place = score, Window(column / sx, row / sy, side / sx, side / sy)
    return place


def _structure(views: Views, row: int, column: int, side: int) -> float:
    """How much there is to see in a window: product of the gradients, 0 where NoData is near."""
    score = 1.0
    for image in (views.reference, views.before, views.after):
        part = image[row : row + side, column : column + side]
        if (part == 0).mean() > 0.02:
            return 0.0
        blocks = decimated(part, 40).astype(np.float64)
        score *= float(np.mean([np.abs(np.diff(blocks, axis=axis)).mean() for axis in (0, 1)]))
    return score


def _crop(views: Views, image: Pixels, window: Window) -> Pixels:
    sx, sy = views.scale
    row, column = round(window.y * sy), round(window.x * sx)
    return image[row : row + round(window.height * sy), column : column + round(window.width * sx)]
