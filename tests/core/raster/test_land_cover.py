"""Cover maps as classes on a raster: classes, place, palette, names, and the way back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, osr
from sarto.core.contract import CoverMap, Grid, InputError, OutputError
from sarto.core.matching.prompts import load_library
from sarto.core.raster import classify_cover, read_land_cover, write_land_cover
from sarto.core.raster.land_cover import KNOWN

NAMES = ("tree-cover", "water", "road", "our-own")
LATTICE = np.array([[8.0, 0.0, 3.5], [0.0, 8.0, 3.5]])


def utm() -> str:
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(32633)
    return str(crs.ExportToWkt())


GRID = Grid(80, 48, (500_000.0, 10.0, 0.0, 5_400_000.0, 0.0, -10.0), utm())


def cover_map(share: np.ndarray | None = None, lattice: np.ndarray = LATTICE) -> CoverMap:
    """6 × 10 cells; by default trees in the upper rows, the others below, each with 0.7."""
    if share is None:
        share = np.full((4, 6, 10), 0.1, np.float32)
        share[0, :2] = share[1, 2:4] = share[2, 4] = share[3, 5] = 0.7
    return CoverMap(NAMES, ("Tree cover", "Water", "Road", "Ours"), share, lattice)


def classified(cover: CoverMap | None = None, reference: np.ndarray | None = None, grid: Grid = GRID):
    return classify_cover(
        cover or cover_map(), np.ones((48, 80), np.uint8) if reference is None else reference, grid
    )


def test_known_classes_have_the_codes_of_worldcover() -> None:
    for prompt in load_library().land_cover:
        value, colour = KNOWN[prompt.name]
        assert (value if value <= 100 else None) == prompt.worldcover
        assert len(colour) == 7
    assert (
        len({value for value, _ in KNOWN.values()}) == len({colour for _, colour in KNOWN.values()}) == len(KNOWN)
    )


def test_the_largest_share_is_the_class() -> None:
    found = classified()
    assert [row[0] for row in found.values] == [10, 10, 80, 80, 201, 204]
    assert set(found.percent.ravel()) == {70}
    assert [entry.title for entry in found.classes] == ["Tree cover", "Water", "Road", "Ours"]
    assert found.classes[0].colour == "#006400"


def test_nodata_where_nothing_stands_out_or_was_looked_at() -> None:
    share = cover_map().share.copy()
    share[:, 0, 0] = 0.25
    share[:, 0, 1] = (0.28, 0.24, 0.24, 0.24)  # hardly more than even
    share[:, 0, 2] = np.nan
    share[:, 0, 3] = 0.0
    found = classified(cover_map(share))
    assert found.values[0].tolist() == [0, 0, 0, 0, 10, 10, 10, 10, 10, 10]
    assert ((found.values == 0) == (found.percent == 0)).all()


def test_a_single_land_cover_is_no_tie() -> None:
    cover = CoverMap(("water",), ("Water",), np.ones((1, 6, 10), np.float32), LATTICE)
    assert (classified(cover).values == 80).all()


def test_nodata_outside_the_reference() -> None:
    reference = np.ones((48, 80), np.uint8)
    reference[:, :20] = 0
    found = classified(reference=reference)
    assert (found.values[:, :2] == 0).all()  # centres at 3.5 and 11.5
    assert (found.values[:, 3:] > 0).all()
    beyond = classified(cover_map(lattice=np.array([[8.0, 0.0, 43.5], [0.0, 8.0, -20.5]])))
    assert (beyond.values[:, 5:] == 0).all()
    assert (beyond.values[:3] == 0).all()
    assert (beyond.values[3:, :5] > 0).all()


def test_no_class_at_all(tmp_path) -> None:
    found = classified(cover_map(np.full((4, 6, 10), 0.25, np.float32)))
    assert found.classes == ()
    again = read_land_cover(write_land_cover(found, tmp_path / "none.tif"))
    assert not again.values.any()
    assert again.classes == ()


@pytest.mark.parametrize("turn", [False, True])
def test_cells_lie_where_the_lattice_says(turn: bool) -> None:
    """Also of a turned lattice: the centre of each cell is the place of its pixel on the reference."""
    lattice = np.array([[6.0, 2.0, 1.0], [-2.0, 6.0, 20.0]]) if turn else LATTICE
    grid = classified(cover_map(lattice=lattice)).grid
    cells = np.array([[0.0, 0.0], [9.0, 0.0], [4.0, 5.0]])
    there = cells @ lattice[:, :2].T + lattice[:, 2]
    np.testing.assert_allclose(grid.to_world(cells), GRID.to_world(there), atol=1e-6)
    if not turn:
        assert grid.geotransform == (500_000.0, 80.0, 0.0, 5_400_000.0, 0.0, -80.0)


def test_the_geotiff_as_gdal_reads_it(tmp_path: Path) -> None:
    path = write_land_cover(classified(), tmp_path / "sub" / "land_cover.tif")
    assert sorted(os.listdir(path.parent)) == ["land_cover.tif", "land_cover.tif.aux.xml"]
    raster = gdal.Open(str(path))
    assert (raster.RasterXSize, raster.RasterYSize, raster.RasterCount) == (10, 6, 2)
    assert raster.GetGeoTransform() == (500_000.0, 80.0, 0.0, 5_400_000.0, 0.0, -80.0)
    assert raster.GetSpatialRef().IsSame(osr.SpatialReference(utm()))
    classes, share = raster.GetRasterBand(1), raster.GetRasterBand(2)
    assert classes.ReadAsArray()[:, 0].tolist() == [10, 10, 80, 80, 201, 204]
    assert (share.ReadAsArray() == 70).all()
    assert classes.GetNoDataValue() == share.GetNoDataValue() == 0
    assert classes.GetColorInterpretation() == gdal.GCI_PaletteIndex
    assert share.GetColorInterpretation() != gdal.GCI_AlphaBand
    assert classes.GetColorTable().GetColorEntry(80)[:3] == (0, 100, 200)
    assert classes.GetCategoryNames()[10] == "Tree cover"
    assert "percent" in share.GetDescription()
    assert "no land-cover product" in raster.GetMetadataItem("TIFFTAG_IMAGEDESCRIPTION")
    assert json.loads(raster.GetMetadataItem("CLASSES"))[0]["value"] == 10


@pytest.mark.parametrize("kind", ["georeferenced", "plain", "own pixels"])
def test_there_and_back(kind: str, tmp_path: Path) -> None:
    grid = GRID if kind == "georeferenced" else Grid.of_pixels(80, 48)
    cover = cover_map(lattice=np.eye(2, 3) if kind == "own pixels" else LATTICE)
    found = classified(cover, grid=grid)
    again = read_land_cover(write_land_cover(found, tmp_path / "a.tif"))
    assert again.classes == found.classes
    assert (again.values == found.values).all()
    assert (again.percent == found.percent).all()
    assert again.grid.geotransform == found.grid.geotransform
    assert bool(again.grid.crs) == (kind == "georeferenced")


def test_of_an_image_without_georeference_it_lies_where_qgis_shows_that(tmp_path: Path) -> None:
    path = write_land_cover(classified(grid=Grid.of_pixels(80, 48)), tmp_path / "a.tif")
    assert gdal.Open(str(path)).GetGeoTransform() == (0, 8, 0, 0, 0, -8)  # y = -row


def test_what_is_there_is_not_overwritten_unasked(tmp_path: Path) -> None:
    path = write_land_cover(classified(), tmp_path / "a.tif")
    with pytest.raises(OutputError, match="exists"):
        write_land_cover(classified(), path)
    write_land_cover(classified(cover_map(np.full((4, 6, 10), 0.25, np.float32))), path, overwrite=True)
    assert read_land_cover(path).classes == ()
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_other_rasters_are_refused(tmp_path: Path) -> None:
    gdal.GetDriverByName("GTiff").Create(str(tmp_path / "other.tif"), 4, 4, 2).FlushCache()
    (tmp_path / "text.tif").write_text("no raster")
    for name in ("other.tif", "text.tif", "none.tif"):
        with pytest.raises(InputError, match=name):
            read_land_cover(tmp_path / name)
