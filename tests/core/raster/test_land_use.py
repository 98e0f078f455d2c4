"""A land-cover layer on the pair's grid: real GeoTIFFs in other CRSs and pixel sizes, and each way to go wrong."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from sarto.core.contract import Cancelled, Grid, InputError, LayerSource, Reporter
from sarto.core.raster import LandUseLayer, prepare
from sarto.core.raster import land_use as room
from sarto.core.raster.crs import Transformation
from sarto.core.raster.foresight import outlook

from . import conftest as kit

PAIR = kit.grid(width=300, height=240)
CODES = np.array([10, 40, 80, 50], np.uint8)


def classify(codes):
    """Code → its rank among `CODES` from 1, 0 for others."""
    return {code: CODES.tolist().index(code) + 1 if code in CODES else 0 for code in codes}, "for a test"


def quarters(world, middle=None):
    """A code for each quarter of the pair's place, as a function of the place."""
    x0, y0 = PAIR.to_world([[149.5, 119.5]])[0] if middle is None else middle
    return CODES[(world[..., 0] > x0).astype(int) + 2 * (world[..., 1] < y0)]


def cover_grid(gsd: float, epsg: int = 32632) -> Grid:
    """A grid over all of the pair's place and 300 m around."""
    if epsg == 32632:
        x, y = PAIR.geotransform[0] - 300, PAIR.geotransform[3] + 300
        return kit.grid(round(3600 / gsd), round(3000 / gsd), x, y, gsd)
    ring = Transformation(PAIR.crs, kit.wkt(epsg))(PAIR.corners())
    (x0, y0), (x1, y1) = ring.min(axis=0) - 20 * gsd, ring.max(axis=0) + 20 * gsd
    return kit.grid(round((x1 - x0) / gsd), round((y1 - y0) / gsd), x0, y1, gsd, epsg)


def write_cover(path: Path, grid: Grid, dtype=np.uint8, **more) -> LayerSource:
    world = Transformation(grid.crs, PAIR.crs)(kit.centres(grid).reshape(-1, 2)).reshape(*grid.shape, 2)
    return LayerSource(kit.write(path, quarters(world).astype(dtype), grid, **more))


@pytest.fixture
def reference() -> np.ndarray:
    return np.full(PAIR.shape, 100, np.uint8)


def read(source: LayerSource, reference, tmp_path, how=classify, grid: Grid = PAIR, reporter=None):
    with LandUseLayer(source) as layer:
        return layer.read(grid, reference, how, tmp_path / "land_use.npy", reporter or Reporter())


def expected() -> np.ndarray:
    return classify_array(quarters(kit.centres(PAIR)))


def classify_array(codes: np.ndarray) -> np.ndarray:
    table, _ = classify(set(np.unique(codes).tolist()))
    return np.vectorize(table.get)(codes).astype(np.uint8)


PLACES = {
    "its own grid": (10.0, 32632, 0.0),
    "finer: the most frequent": (2.5, 32632, 0.0),
    "much coarser": (60.0, 32632, 0.05),
    "Mercator": (15.0, 3395, 0.02),
    "degrees": (0.0001, 4326, 0.02),
    "the neighbouring zone": (12.0, 32631, 0.03),
}


@pytest.mark.parametrize("place", PLACES)
def test_codes_lie_where_they_belong(place: str, tmp_path, reference) -> None:
    gsd, epsg, share = PLACES[place]
    found, notes = read(write_cover(tmp_path / "cover.tif", cover_grid(gsd, epsg)), reference, tmp_path)
    assert (found.dtype, found.shape) == (np.uint8, PAIR.shape)
    assert (found != expected()).mean() <= share
    inner = np.ones(PAIR.shape, bool)  # within a pixel of the layer of a border between codes all may be
    inner[110:130], inner[:, 140:160] = False, False
    assert (found == expected())[inner].all()
    assert notes == ["Land use from 'cover.tif': for a test; known for 100 % of the optical image."]


def test_block_by_block_as_in_one(tmp_path, reference, monkeypatch) -> None:
    source = write_cover(tmp_path / "cover.tif", cover_grid(12.0, 32631))
    whole = np.array(read(source, reference, tmp_path)[0])
    monkeypatch.setattr(room, "blocks", lambda grid: kit_blocks(grid, 64))
    assert (read(source, reference, tmp_path)[0] == whole).all()


def kit_blocks(grid: Grid, side: int):
    for row in range(0, grid.height, side):
        for column in range(0, grid.width, side):
            yield column, row, min(side, grid.width - column), min(side, grid.height - row)


def test_the_most_frequent_code_wins_over_the_nearest(tmp_path) -> None:
    coarse = Grid(30, 24, (500_000.0, 100.0, 0.0, 5_500_000.0, 0.0, -100.0), PAIR.crs)
    codes = np.full(PAIR.shape, 40, np.uint8)
    codes[4::10, 4::10] = codes[5::10, 5::10] = codes[5::10, 4::10] = codes[4::10, 5::10] = 80  # in the middle
    source = LayerSource(kit.write(tmp_path / "cover.tif", codes, PAIR))
    assert (read(source, np.ones((24, 30), np.uint8), tmp_path, grid=coarse)[0] == 2).all()


def test_overviews_that_were_averaged_are_not_taken(tmp_path) -> None:
    source = write_cover(tmp_path / "cover.tif", cover_grid(2.5))
    dataset = gdal.OpenEx(source.source, gdal.OF_UPDATE)
    dataset.BuildOverviews("AVERAGE", [2, 4, 8])
    dataset = None
    coarse = PAIR.resampled(20.0)
    found, _ = read(source, np.ones(coarse.shape, np.uint8), tmp_path, grid=coarse)
    assert set(np.unique(found)) == {1, 2, 3, 4}


def test_a_palette_keeps_its_codes(tmp_path, reference) -> None:
    grid = cover_grid(10.0)
    source = write_cover(tmp_path / "cover.tif", grid)
    dataset = gdal.OpenEx(source.source, gdal.OF_UPDATE)
    table = gdal.ColorTable()
    for code in CODES.tolist():
        table.SetColorEntry(code, (code, 255 - code, 7, 255))
    dataset.GetRasterBand(1).SetColorTable(table)
    dataset = None
    assert (read(source, reference, tmp_path)[0] == expected()).all()


@pytest.mark.parametrize("kind", ["uint16", "int16", "int32", "float32", "float64"])
def test_whole_numbers_of_any_type_are_codes(kind: str, tmp_path, reference) -> None:
    source = write_cover(tmp_path / "cover.tif", cover_grid(10.0), kind)
    assert (read(source, reference, tmp_path)[0] == expected()).all()


def test_large_and_negative_codes(tmp_path, reference) -> None:
    codes = np.where(expected() == 1, -128, 523).astype(np.int16)
    source = LayerSource(kit.write(tmp_path / "cover.tif", codes, PAIR))
    found, _ = read(source, reference, tmp_path, lambda seen: ({-128: 0, 523: 7}, str(sorted(seen))))
    assert (found == np.where(expected() == 1, 0, 7)).all()


def test_nodata_is_unknown_and_no_code(tmp_path, reference) -> None:
    source = write_cover(tmp_path / "cover.tif", cover_grid(10.0), nodata=80)
    asked: list[set[int]] = []
    found, notes = read(source, reference, tmp_path, lambda codes: asked.append(set(codes)) or classify(codes))
    assert asked == [{10, 40, 50}]
    assert (found == np.where(expected() == 3, 0, expected())).all()
    assert "known for 75 %" in notes[0]
    found, _ = read(replace(source, nodata=10), reference, tmp_path)
    assert (found == np.where(expected() == 1, 0, expected())).all()


def test_half_a_layer_leaves_the_rest_unknown(tmp_path, reference) -> None:
    half = PAIR.window(0, 0, 150, 240)
    source = LayerSource(kit.write(tmp_path / "cover.tif", quarters(kit.centres(half)), half))
    found, _ = read(source, reference, tmp_path)
    assert (found[:, :150] == expected()[:, :150]).all()
    assert not found[:, 150:].any()


def test_what_the_reference_does_not_show_does_not_count(tmp_path, reference) -> None:
    source = write_cover(tmp_path / "cover.tif", cover_grid(10.0))
    reference[:, 150:] = 0
    asked: list[set[int]] = []
    found, notes = read(source, reference, tmp_path, lambda codes: asked.append(set(codes)) or classify(codes))
    assert asked == [{10, 80}]
    assert not found[:, 150:].any()
    assert "known for 100 %" in notes[0]


def test_several_bands(tmp_path, reference) -> None:
    codes = quarters(kit.centres(PAIR))
    bands = np.stack([codes, codes[::-1, ::-1]])
    first = LayerSource(kit.write(tmp_path / "first.tif", bands, PAIR, names=("Map", "Quality")))
    found, notes = read(first, reference, tmp_path)
    assert (found == expected()).all()
    assert notes[0] == "Land-cover layer 'first.tif' has 2 bands; band 1 (Map) is read."
    for path, names, band in (("label.tif", ("water", "label"), "auto"), ("second.tif", ("", ""), "2")):
        source = LayerSource(kit.write(tmp_path / path, bands, PAIR, names=names), bands=band)
        assert (read(source, reference, tmp_path)[0] == expected()[::-1, ::-1]).all()
    with pytest.raises(InputError, match="no band '3'"):
        LandUseLayer(replace(first, bands="3"))


# ── what cannot be used ─────────────────────────────────────────────────────────────────────────────────────


def message_of(source: LayerSource, reference, tmp_path, grid: Grid = PAIR) -> str:
    with pytest.raises(InputError) as caught:
        read(source, reference, tmp_path, grid=grid)
    assert "cover.tif'" in caught.value.message
    assert caught.value.hint
    return str(caught.value)


def test_a_layer_without_crs(tmp_path, reference) -> None:
    path = kit.write(tmp_path / "cover.tif", quarters(kit.centres(PAIR)))
    assert "has no CRS" in message_of(LayerSource(path), reference, tmp_path)


def test_an_optical_layer_without_crs(tmp_path, reference) -> None:
    source = write_cover(tmp_path / "cover.tif", cover_grid(10.0))
    text = message_of(source, reference, tmp_path, Grid.of_pixels(300, 240))
    assert "optical layer without georeference" in text


@pytest.mark.parametrize("epsg", [32632, 4326])
def test_a_layer_of_another_place(epsg: int, tmp_path, reference) -> None:
    gsd = 10.0 if epsg == 32632 else 0.0001
    grid = cover_grid(gsd, epsg)
    x0, a, b, y0, d, e = grid.geotransform
    away = replace(grid, geotransform=(x0 + grid.width * 2 * a, a, b, y0, d, e))
    source = LayerSource(kit.write(tmp_path / "cover.tif", np.full(grid.shape, 10, np.uint8), away))
    assert "does not cover the place" in message_of(source, reference, tmp_path)


def test_a_layer_without_values_here(tmp_path, reference) -> None:
    source = write_cover(tmp_path / "cover.tif", cover_grid(10.0))
    values = np.zeros(PAIR.shape, np.uint8)
    empty = LayerSource(kit.write(tmp_path / "cover.tif", values, PAIR, nodata=0))
    assert "has no values where the images are" in message_of(empty, reference, tmp_path)
    assert source.label == empty.label


def test_a_small_layer_within_the_place_is_found(tmp_path, reference) -> None:
    inside = PAIR.window(101, 83, 3, 3)
    source = LayerSource(kit.write(tmp_path / "cover.tif", np.full((3, 3), 40, np.uint8), inside))
    found, _ = read(source, reference, tmp_path)
    assert found.sum() == 2 * 9
    assert (found[83:86, 101:104] == 2).all()


def test_values_that_are_no_whole_numbers(tmp_path, reference) -> None:
    values = quarters(kit.centres(PAIR)) + np.float32(0.25)
    path = kit.write(tmp_path / "cover.tif", values.astype(np.float32), PAIR)
    assert "has the value 10.25, which is no whole number" in message_of(LayerSource(path), reference, tmp_path)


def test_a_measured_quantity(tmp_path, reference) -> None:
    values = np.arange(PAIR.width * PAIR.height, dtype=np.int32).reshape(PAIR.shape) % 1000
    path = kit.write(tmp_path / "cover.tif", values, PAIR)
    assert "more than 255 different values" in message_of(LayerSource(path), reference, tmp_path)


def test_a_picture(tmp_path, reference) -> None:
    colours = (gdal.GCI_RedBand, gdal.GCI_GreenBand, gdal.GCI_BlueBand)
    bands = np.repeat(quarters(kit.centres(PAIR))[None], 3, axis=0)
    path = kit.write(tmp_path / "cover.tif", bands, PAIR, colours=colours)
    assert "is a picture in red, green and blue" in message_of(LayerSource(path), reference, tmp_path)


def test_complex_values(tmp_path, reference) -> None:
    path = kit.write(tmp_path / "cover.tif", quarters(kit.centres(PAIR)).astype(np.complex64), PAIR)
    assert "has complex values" in message_of(LayerSource(path), reference, tmp_path)


def test_no_file(tmp_path, reference) -> None:
    assert "cannot be opened" in message_of(LayerSource(str(tmp_path / "cover.tif")), reference, tmp_path)


# ── in the whole preparation ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def job(tmp_path):
    values = kit.pattern(kit.centres(PAIR)).astype(np.float32)
    optical = kit.write(tmp_path / "optical.tif", values, PAIR)
    sar = kit.write(tmp_path / "sar.tif", kit.speckled(PAIR.shape), PAIR)
    return replace(
        kit.job(optical, sar), land_use_layer=write_cover(tmp_path / "cover.tif", cover_grid(12.0, 32631))
    )


def test_prepared_beside_the_images(job, tmp_path) -> None:
    area = "POLYGON((500500 5499500, 501500 5499500, 501500 5498500, 500500 5498500, 500500 5499500))"
    pair = prepare(replace(job, area=area), Reporter(), tmp_path / "work", classify=classify)
    assert pair.land_use is not None
    assert (tmp_path / "work" / "reference_land_use.npy").is_file()
    assert pair.land_use.shape == pair.reference_grid.shape == (100, 100)
    truth = classify_array(quarters(kit.centres(pair.reference_grid)))
    assert (pair.land_use == truth).mean() > 0.95
    assert any(note.startswith("Land use from 'cover.tif'") for note in pair.notes)


def test_a_sar_image_without_georeference_is_no_matter(job, tmp_path) -> None:
    plain = kit.write(tmp_path / "plain.tif", kit.speckled((260, 310)))
    pair = prepare(replace(job, moving=LayerSource(plain)), Reporter(), tmp_path / "work", classify=classify)
    assert pair.land_use is not None
    truth = classify_array(quarters(kit.centres(pair.reference_grid)))
    assert (pair.land_use == truth).mean() > 0.95


def test_only_where_it_is_asked_for(job, tmp_path) -> None:
    broken = replace(job, land_use_layer=LayerSource(str(tmp_path / "nothing.tif")))
    assert prepare(broken, Reporter(), tmp_path / "a").land_use is None
    without = replace(job, land_use_layer=None)
    assert prepare(without, Reporter(), tmp_path / "b", classify=classify).land_use is None
    with pytest.raises(InputError, match=r"nothing\.tif"):
        prepare(broken, Reporter(), tmp_path / "c", classify=classify)


def test_a_wrong_place_is_told_before_anything_is_read(job, tmp_path) -> None:
    away = kit.grid(x=700_000.0)
    path = kit.write(tmp_path / "away.tif", np.full(away.shape, 10, np.uint8), away)
    job = replace(job, land_use_layer=LayerSource(path))
    stages: list[str] = []
    with pytest.raises(InputError, match="does not cover the place"):
        prepare(job, Reporter(lambda stage, _: stages.append(stage)), tmp_path / "work", classify=classify)
    assert stages == []
    with pytest.raises(InputError, match="does not cover the place"):
        outlook(job, with_land_use=True)
    assert outlook(job).overlap_pixels > 0


@pytest.fixture
def collected():
    """A cancelled read leaves a raster in its traceback, which must not outlive QGIS at the session's end."""
    yield
    gc.collect()


@pytest.mark.usefixtures("collected")
def test_cancelled_while_it_is_read(job, tmp_path) -> None:
    seen: list[str] = []
    reporter = Reporter(lambda stage, _: seen.append(stage), is_cancelled=lambda: seen[-1:] == [STAGE])
    with pytest.raises(Cancelled):
        prepare(job, reporter, tmp_path / "work", classify=classify)


STAGE = "Reading the land-cover layer"
