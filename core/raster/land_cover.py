"""The land cover that a method saw, as classes on a raster.

Classes of ESA WorldCover keep its codes and colours, so that both can be laid over each other.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from ..contract import CoverMap, Grid, InputError, OutputError, Pixels
from .atomic import replacing
from .crs import georeference, georeferenced_grid
from .gdal_tools import gdal_errors, quiet_gdal

NODATA = 0
SIDECAR = ".aux.xml"
"""Where GDAL keeps the names of classes: a file beside the raster, named after it."""

KNOWN: dict[str, tuple[int, str]] = {
    "tree-cover": (10, "#006400"),
    "shrubland": (20, "#ffbb22"),
    "grassland": (30, "#ffff4c"),
    "cropland": (40, "#f096ff"),
    "built-up": (50, "#fa0000"),
    "bare-ground": (60, "#b4b4b4"),
    "snow-ice-cover": (70, "#f0f0f0"),
    "water": (80, "#0064c8"),
    "herbaceous-wetland": (90, "#0096a0"),
    "mangroves": (95, "#00cf75"),
    "moss-lichen": (100, "#fae6a0"),
    "road": (201, "#8b4513"),
    "flooded-cover": (202, "#7fb8ff"),
    "water-structure": (203, "#7b2d8e"),
}
"""Land cover of the prompt library → pixel value and colour: WorldCover's own up to 100, ours above 200."""

_MORE_COLOURS = ("#d9b38c", "#c2a5cf", "#1b7837", "#e08214", "#5aae61", "#b35806", "#35978f", "#dfc27d")
"""For land covers of a library that somebody has edited."""

_MARGIN = 0.05
"""On a scale from 0 (all land covers alike) to 1 (one alone): a largest share below it says nothing."""

_ABOUT = (
    "Land cover to which the method that matched the images paid most attention, place by place. It shows what "
    "guided the registration, and is no land-cover product."
)


@dataclass(frozen=True)
class CoverClass:
    """A class of the raster. value: 1…255; colour: "#rrggbb"."""

    value: int
    title: str
    colour: str


@dataclass(frozen=True)
class LandCover:
    """A cover map as it is delivered.

    values: uint8 (rows, columns), the class of the largest share at each cell; 0 = NoData.
    percent: uint8 (rows, columns), that share, 1…100; 0 = NoData.
    classes: those that occur, the most frequent first. grid: its pixels are the cells.
    """

    values: Pixels
    percent: Pixels
    classes: tuple[CoverClass, ...]
    grid: Grid


def classify_cover(cover: CoverMap, reference: Pixels, reference_grid: Grid) -> LandCover:
    """The classes of a cover map. reference: (rows, columns) on `reference_grid`, 0 = NoData.

    NoData where a cell's centre lies outside the valid reference, or where no land cover stands out.
    """
    count, rows, columns = cover.share.shape
    share = np.nan_to_num(cover.share.reshape(count, -1), nan=0.0)
    largest, best = share.max(axis=0), share.argmax(axis=0)
    even = 1.0 / count
    stands_out = largest > 0
    if count > 1:
        stands_out &= (largest - even) / (1.0 - even) >= _MARGIN
    stands_out &= _valid_centres(cover, reference)
    entries = _entries(cover)
    numbers = np.array([entry.value for entry in entries], dtype=np.uint8)
    values = np.where(stands_out, numbers[best], NODATA).astype(np.uint8).reshape(rows, columns)
    percent = np.where(values.ravel() > 0, np.clip(np.rint(100 * largest), 1, 100), 0).astype(np.uint8)
    counts = np.bincount(values.ravel(), minlength=256)
    present = sorted((e for e in entries if e.value and counts[e.value]), key=lambda e: -int(counts[e.value]))
    grid = reference_grid.through(cover.lattice, columns, rows)
    return LandCover(values, percent.reshape(rows, columns), tuple(present), grid)


def _valid_centres(cover: CoverMap, reference: Pixels) -> Any:
    """(rows × columns,) whether each cell's centre is a valid pixel of the reference."""
    _, rows, columns = cover.share.shape
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    cells = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    column, row = np.rint(cover.lattice @ cells).astype(np.int64)
    height, width = reference.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    valid = np.zeros(x.size, dtype=np.bool_)
    valid[inside] = reference[row[inside], column[inside]] > 0
    return valid


def _entries(cover: CoverMap) -> list[CoverClass]:
    """The class of each land cover, in the map's order; value 0 where all values are taken."""
    own = [name for name in cover.names if name not in KNOWN]
    taken = {value for value, _ in KNOWN.values()}
    free = [value for value in (*range(204, 255), *range(1, 204)) if value not in taken]
    more = {
        name: (free[i] if i < len(free) else NODATA, _MORE_COLOURS[i % len(_MORE_COLOURS)])
        for i, name in enumerate(own)
    }
    table = {**KNOWN, **more}
    return [CoverClass(table[n][0], title, table[n][1]) for n, title in zip(cover.names, cover.titles)]


def write_land_cover(cover: LandCover, path: str | Path, overwrite: bool = False) -> Path:
    """Write a GeoTIFF with its classes' names beside it (`.aux.xml`); returns the path.

    Band 1: the class, with palette and names; band 2: its share of the attention in percent. Raises OutputError.
    """
    rows, columns = cover.values.shape
    options = ["COMPRESS=DEFLATE", "TILED=YES", "PHOTOMETRIC=PALETTE", "ALPHA=NO"]
    told = gdal_errors(OutputError, f"'{path}' could not be written", "Is there space on the disk?")
    with replacing(path, overwrite, companions=(SIDECAR,)) as temporary, told:
        driver = gdal.GetDriverByName("GTiff")
        output = driver.Create(str(temporary), columns, rows, 2, gdal.GDT_Byte, options=options)
        georeference(output, cover.grid)
        output.SetMetadata(
            {
                "TIFFTAG_IMAGEDESCRIPTION": _ABOUT,
                "TIFFTAG_SOFTWARE": "Sarto",
                "CLASSES": json.dumps([asdict(entry) for entry in cover.classes], ensure_ascii=True),
            }
        )
        _write_classes(output.GetRasterBand(1), cover)
        share = output.GetRasterBand(2)
        share.SetDescription("Share of the attention (percent)")
        share.SetNoDataValue(NODATA)
        share.WriteArray(cover.percent)
        output.FlushCache()
        del share, output  # closing writes the rest
    return Path(path)


def _write_classes(band: Any, cover: LandCover) -> None:
    table = gdal.ColorTable()
    table.SetColorEntry(NODATA, (0, 0, 0, 0))
    names = [""] * (1 + max((entry.value for entry in cover.classes), default=0))
    for entry in cover.classes:
        table.SetColorEntry(entry.value, (*rgb(entry.colour), 255))
        names[entry.value] = entry.title
    band.SetDescription("Land cover with most attention")
    band.SetColorTable(table)
    band.SetCategoryNames(names)
    band.SetNoDataValue(NODATA)
    band.WriteArray(cover.values)


def rgb(colour: str) -> tuple[int, int, int]:
    """ "#rrggbb" as numbers 0…255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def read_land_cover(path: str | Path) -> LandCover:
    """Read what `write_land_cover` wrote. Raises InputError where the file is missing or something else."""
    with quiet_gdal():
        try:
            dataset = gdal.Open(str(path))
            if dataset is None or dataset.RasterCount != 2:
                raise ValueError("no such raster")
            classes = tuple(CoverClass(**entry) for entry in json.loads(dataset.GetMetadataItem("CLASSES") or ""))
            values, percent = (dataset.GetRasterBand(number).ReadAsArray() for number in (1, 2))
            if values is None or percent is None:
                raise ValueError("its pixels cannot be read")
            grid = georeferenced_grid(dataset)
        except (RuntimeError, ValueError, TypeError) as error:
            raise InputError(f"'{path}' is no land cover that Sarto wrote: {error}.") from error
    return LandCover(values, percent, classes, grid)
