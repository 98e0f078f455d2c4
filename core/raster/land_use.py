"""A land-cover layer of the user as classes of land use on the pair's grid.

What its codes mean is not known here: whoever asks for the classes hands over a function that tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from osgeo import gdal

from ..contract import SILENT, Flags, Grid, InputError, LayerSource, Pixels, Points, Reporter
from .bands import data_bands
from .crs import Transformation, crs_name
from .footprint import outline_in
from .opening import open_raster
from .scene import Scene
from .scratch import BLOCK, blocks, mapped_image

Classify = Callable[[set[int]], tuple[Mapping[int, int], str]]
"""All codes found in a layer → (value 0…255 of the class raster for each code, 0 = unknown; what was decided)."""

MODE_FROM = 2.0
"""From this many layer pixels across a grid pixel on, the most frequent code stands for it; below, the nearest."""

_MOST_CODES = 255
_LATTICE = 33  # points per side with which an overlap is looked for
_LEAVE_OUT = "leave the land-cover layer out and name the land use instead"
_LABEL_BAND = "LABEL"  # Dynamic World calls its band of codes so, among bands of probabilities
_COLOURS = {gdal.GCI_RedBand, gdal.GCI_GreenBand, gdal.GCI_BlueBand}


class LandUseLayer:
    """An opened land-cover layer. Reading only; the file is never changed.

    label: its name in messages; notes: what was decided at opening, in plain words.
    """

    def __init__(self, source: LayerSource) -> None:
        """Open the layer. Raises InputError for what holds no codes, or has no place on the map."""
        self.label = source.label
        number, self.notes = _code_band(source)
        self._scene = Scene(replace(source, bands=str(number)), "land-cover")
        if self._scene.is_complex:
            self._refuse("has complex values, not codes of land cover")
        if not self._scene.is_georeferenced:
            self.close()
            raise InputError(
                f"Land-cover layer '{self.label}' has no CRS or no geotransform.",
                f"Georeference it (Raster ▸ Projections ▸ Assign Projection), or {_LEAVE_OUT}.",
            )

    def __enter__(self) -> LandUseLayer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._scene.close()

    def check_place(self, grid: Grid) -> None:
        """Raises InputError where a grid has no place on the map, or the layer lies elsewhere. Reads no pixels."""
        if not grid.crs:
            raise InputError(
                f"Land-cover layer '{self.label}' cannot be laid under an optical layer without georeference.",
                f"Georeference the optical layer, or {_LEAVE_OUT}.",
            )
        if not (self._holds_any(grid) or self._lies_in(grid)):
            own = self._scene.grid
            centre = Transformation(grid.crs, own.crs)(grid.corners().mean(axis=0))[0]
            xmin, ymin, xmax, ymax = own.bounds()
            raise InputError(
                f"Land-cover layer '{self.label}' does not cover the place: it spans {xmin:.6g} … {xmax:.6g} and "
                f"{ymin:.6g} … {ymax:.6g} in {crs_name(own.crs)}, where the images are around "
                f"{centre[0]:.6g}, {centre[1]:.6g}.",
                f"Choose the layer of this place, or {_LEAVE_OUT}.",
            )

    def _holds_any(self, grid: Grid) -> bool:
        """Whether points of a grid lie in the layer."""
        x, y = np.meshgrid(np.linspace(0, grid.width - 1, _LATTICE), np.linspace(0, grid.height - 1, _LATTICE))
        world = grid.to_world(np.stack([x.ravel(), y.ravel()], axis=1))
        return _any_inside(self._scene.own_pixels(world, grid.crs), self._scene.grid)

    def _lies_in(self, grid: Grid) -> bool:
        """Whether points of the layer's border lie in a grid."""
        return _any_inside(grid.to_pixel(outline_in(self._scene.grid, grid)), grid)

    def read(
        self, grid: Grid, reference: Pixels, classify: Classify, path: Path, reporter: Reporter = SILENT
    ) -> tuple[Pixels, list[str]]:
        """The classes on a grid, block by block, and notes for the record.

        A pixel gets the code of the nearest pixel of the layer; where the grid is over `MODE_FROM` times coarser,
        the code that is most frequent under it.
        reference: uint8 (rows, columns) on `grid`; where it is 0, classes are 0, too, and codes do not count.
        path: of the `.npy` file that is written. Returns the classes as a memory-mapped uint8 (rows, columns).
        Raises InputError (wrong place, values that are no codes, no values here, and what `classify` raises),
        OutputError (no room), Cancelled.
        """
        self.check_place(grid)
        image = mapped_image(path, grid.shape)
        method = "mode" if self._scene.pixels_per_pixel(grid) > MODE_FROM else "near"
        ranks: dict[int, int] = {}
        pixels = 0
        places = list(blocks(grid))
        for done, (column, row, width, height) in enumerate(places):
            reporter.progress("Reading the land-cover layer", done / len(places))
            place = slice(row, row + height), slice(column, column + width)
            values, valid = self._scene.read(grid.window(column, row, width, height), method, reporter)
            within = np.asarray(reference[place] > 0)
            shown, pixels = valid & within, pixels + int(within.sum())
            image[place] = self._ranked(self._scene.as_stored(values)[0], shown, ranks)
        reporter.progress("Reading the land-cover layer", 1.0)
        if not ranks:
            raise InputError(
                f"Land-cover layer '{self.label}' has no values where the images are.",
                f"Choose the layer of this place, or {_LEAVE_OUT}.",
            )
        table, decided = classify(set(ranks))
        counts = _translate(image, ranks, table)
        image.flush()
        known = 100 * counts[1:].sum() / max(pixels, 1)
        note = f"Land use from '{self.label}': {decided}; known for {known:.0f} % of the optical image."
        return image, [*self.notes, note]

    def _ranked(self, values: npt.NDArray[np.float32], shown: Flags, ranks: dict[int, int]) -> Pixels:
        """Each code as the order in which it was met, from 1; 0 where nothing is shown. New codes join `ranks`."""
        chosen = values[shown]
        found, where = np.unique(chosen, return_inverse=True)
        odd = found[found != np.rint(found)]
        if len(odd):
            self._refuse(f"has the value {odd[0]:.6g}, which is no whole number and so no code of land cover")
        for code in found.tolist():
            ranks.setdefault(int(code), len(ranks) + 1)
        if len(ranks) > _MOST_CODES:
            self._refuse(
                f"has more than {_MOST_CODES} different values ({min(ranks)} … {max(ranks)}): they are measured "
                "quantities, no codes of land cover"
            )
        ranked = np.zeros(values.shape, np.uint8)
        ranked[shown] = np.array([ranks[int(code)] for code in found.tolist()], np.uint8)[where.reshape(-1)]
        return ranked

    def _refuse(self, why: str) -> None:
        self.close()
        raise InputError(
            f"Land-cover layer '{self.label}' {why}.",
            f"Choose a raster whose pixels are class codes, or {_LEAVE_OUT}.",
        )


def _code_band(source: LayerSource) -> tuple[int, list[str]]:
    """The band with the codes and notes about it: as the source says, else one named 'label', else the first."""
    dataset = open_raster(source)
    usable = data_bands(dataset)
    wanted = source.bands.strip().lower()
    if wanted.isdecimal() and int(wanted) in usable:
        return int(wanted), []
    if wanted not in ("", "auto"):
        raise InputError(
            f"Land-cover layer '{source.label}' has no band '{source.bands}' by number.",
            f"Its codes are in one band of 1 to {dataset.RasterCount}: give its number.",
        )
    bands = {number: dataset.GetRasterBand(number) for number in usable}
    if {band.GetColorInterpretation() for band in bands.values()} >= _COLOURS:
        raise InputError(
            f"Land-cover layer '{source.label}' is a picture in red, green and blue, without codes.",
            "Use the product's own file, or export the layer as raw data (Export ▸ Save As… ▸ Raw data).",
        )
    if not usable:
        raise InputError(f"Layer '{source.label}' has no raster bands.", "Choose a raster layer.")
    labels = [n for n, band in bands.items() if str(band.GetDescription()).strip().upper() == _LABEL_BAND]
    number = (labels or usable)[0]
    if len(usable) == 1:
        return number, []
    name = bands[number].GetDescription()
    which = f"band {number}" + (f" ({name})" if name else "")
    return number, [f"Land-cover layer '{source.label}' has {len(usable)} bands; {which} is read."]


def _any_inside(pixels: Points, grid: Grid) -> bool:
    """Whether any of the positions (N, 2) lies on a pixel of a grid; NaN lies nowhere."""
    x, y = pixels[..., 0], pixels[..., 1]
    inside = (x >= -0.5) & (x <= grid.width - 0.5) & (y >= -0.5) & (y <= grid.height - 0.5)
    return bool(inside.any())


def _translate(image: Any, ranks: Mapping[int, int], table: Mapping[int, int]) -> npt.NDArray[np.int64]:
    """Put classes in the place of ranks, some rows at a time; returns how often each value 0…255 is there."""
    lookup = np.zeros(_MOST_CODES + 1, np.uint8)
    for code, rank in ranks.items():
        lookup[rank] = table[code]
    counts = np.zeros(256, np.int64)
    for row in range(0, image.shape[0], BLOCK):
        part = lookup[image[row : row + BLOCK]]
        image[row : row + BLOCK] = part
        counts += np.bincount(part.ravel(), minlength=256)
    return counts
