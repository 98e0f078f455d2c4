"""The aligned raster: positions for every kind of transform, what is kept, and faults."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from sarto.core.contract import (
    SILENT,
    Cancelled,
    Grid,
    InputError,
    LayerSource,
    OptionError,
    OutputError,
    Reporter,
)
from sarto.core.raster import Scene, target_grid, write_aligned
from sarto.core.raster.crs import Transformation


def affine(scale, degrees, dx, dy):
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return lambda p: p @ np.array([[c, s], [-s, c]]) + [dx, dy]


def homography(p):
    w = 1 + p @ [2e-5, -3e-5]
    return affine(1.01, 1.0, 4.0, -6.0)(p) / w[:, None]


def poly3(p):
    u, v = (p / 300 - 1).T
    return p + np.stack([3 + 2 * u * v + u**3, -4 + 1.5 * u * u - 0.8 * v**3], axis=1)


def bumps(p):
    """Like a thin-plate spline that follows terrain: a few pixels up and down within 150 px."""
    x, y = (p / 150 * 2 * np.pi).T
    return p + np.stack([5 + 3 * np.sin(x) * np.cos(0.7 * y), -3 + 2 * np.cos(0.8 * x + 0.5)], axis=1)


MODELS = {
    "identity": lambda p: p.copy(),
    "shift": affine(1, 0, 7.3, -4.6),
    "similarity": affine(1.03, 3.0, 5.0, -8.0),
    "turned": affine(1.0, 35.0, 150.0, -100.0),
    "homography": homography,
    "poly3": poly3,
    "bumps": bumps,
}


def warp(moving, backward, grid, path, target=None, moving_grid=None, **more):
    source = moving if isinstance(moving, LayerSource) else LayerSource(str(moving))
    return write_aligned(source, backward, grid, moving_grid or grid, target or grid, path, **more)


def mask_of(path):
    dataset = gdal.Open(str(path))  # a band does not keep its dataset alive
    return dataset.GetRasterBand(1).GetMaskBand().ReadAsArray() > 0


def error_of(kit, path, backward, grid, moving_grid, own_of):
    """Position error, in target pixels, of an aligned file whose source showed `pattern` of its own world."""
    dataset = gdal.Open(str(path))
    valid = dataset.GetRasterBand(1).GetMaskBand().ReadAsArray() > 0
    target = Grid(dataset.RasterXSize, dataset.RasterYSize, dataset.GetGeoTransform(), grid.crs)

    def truth(world):
        shape = world.shape
        there = moving_grid.to_world(backward(grid.to_pixel(world.reshape(-1, 2))))
        return kit.pattern(own_of(there), 900).reshape(shape[:-1])

    assert valid.mean() > 0.3
    return kit.position_error(dataset.ReadAsArray(), valid, target, truth)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("where", ["same CRS", "Mercator", "degrees", "pixels"])
def test_positions_are_exact(kit, tmp_path, model, where):
    grid = kit.grid(600, 550)
    moving_grid = grid
    if where == "same CRS":
        own = kit.grid(560, 600, x=500_203.0, y=5_500_104.0)
    elif where == "pixels":
        own = moving_grid = Grid.of_pixels(580, 560)
    else:
        epsg, gsd = {"Mercator": (3395, 15.0), "degrees": (4326, 0.0001)}[where]
        own = kit.grid(600, 600, epsg=epsg, gsd=gsd)
        x, y = Transformation(grid.crs, own.crs)(grid.to_world([[20, 30]]))[0]
        own = replace(own, geotransform=(x, gsd, 0.0, y, 0.0, -gsd))
    # The pattern is one of metres on the ground for every case.
    metres = {"pixels": 10.0, "degrees": 100_000.0}.get(where, 1.0)
    values = kit.pattern(kit.centres(own) * metres, 900).astype(np.float32)
    moving = kit.write(tmp_path / "m.tif", values, None if where == "pixels" else own)
    to_own = Transformation(moving_grid.crs, own.crs)
    path = warp(moving, MODELS[model], grid, tmp_path / "a.tif", moving_grid=moving_grid)
    error = error_of(kit, path, MODELS[model], grid, moving_grid, lambda world: to_own(world) * metres)
    assert error < 0.05


def test_identity_keeps_every_pixel(kit, tmp_path):
    grid = kit.grid(300, 200)
    values = np.random.default_rng(0).integers(0, 60_000, (200, 300)).astype(np.uint16)
    path = warp(kit.write(tmp_path / "m.tif", values, grid), lambda p: p, grid, tmp_path / "a.tif")
    assert np.array_equal(gdal.Open(str(path)).ReadAsArray(), values)


def test_whole_pixel_shift_is_exact_across_tiles(kit, tmp_path):
    grid = kit.grid(2300, 1100)
    values = np.random.default_rng(0).integers(1, 255, (1100, 2300)).astype(np.uint8)
    moving = kit.write(tmp_path / "m.tif", values, grid)
    path = warp(moving, affine(1, 0, 3.0, -2.0), grid, tmp_path / "a.tif", resampling="cubic")
    dataset = gdal.Open(str(path))
    assert np.array_equal(dataset.ReadAsArray()[2:, :-3], values[:-2, 3:])
    mask = dataset.GetRasterBand(1).GetMaskBand().ReadAsArray()
    assert (mask[2:, :-3] == 255).all()
    assert not mask[:1].any()
    assert not mask[:, -2:].any()


def test_everything_is_kept(kit, tmp_path, untouched):
    grid = kit.grid(700, 600)
    values = np.stack([kit.pattern(kit.centres(grid)) - k for k in (200, 210)]).astype(np.float32)
    values[:, 100:200, 100:200] = -999
    moving = kit.write(tmp_path / "m ü.tif", values, grid, nodata=-999, names=("VV", "VH"))
    dataset = gdal.Open(moving, gdal.GA_Update)
    dataset.SetMetadataItem("SENSOR", "S1")
    dataset.GetRasterBand(2).SetMetadataItem("POLARISATION", "VH")
    dataset.GetRasterBand(1).SetUnitType("dB")
    dataset.GetRasterBand(1).SetScale(2.0)
    dataset = None
    untouched(moving)
    path = warp(moving, MODELS["shift"], grid, tmp_path / "out" / "a b.tif")
    assert [p.name for p in path.parent.iterdir()] == ["a b.tif"]
    result = gdal.Open(str(path))
    first, second = result.GetRasterBand(1), result.GetRasterBand(2)
    assert result.GetMetadataItem("LAYOUT", "IMAGE_STRUCTURE") == "COG"
    assert result.GetMetadataItem("SENSOR") == "S1"
    assert second.GetMetadataItem("POLARISATION") == "VH"
    assert (first.GetDescription(), second.GetDescription()) == ("VV", "VH")
    assert (first.GetUnitType(), first.GetScale()) == ("dB", 2.0)
    assert first.DataType == gdal.GDT_Float32
    assert first.GetNoDataValue() == second.GetNoDataValue() == -999
    assert first.GetOverviewCount() >= 1
    assert first.GetOverview(0).GetNoDataValue() == -999
    data = result.ReadAsArray()
    good = data != -999
    assert good.mean() == pytest.approx(0.95, abs=0.03)
    assert data[good].min() > -180
    stored = {k: float(v) for k, v in first.GetMetadata().items() if k.startswith("STATISTICS_M")}
    assert stored["STATISTICS_MEAN"] == pytest.approx(data[0][good[0]].mean(), abs=1e-3)
    assert stored["STATISTICS_MINIMUM"] == pytest.approx(data[0][good[0]].min(), abs=1e-3)
    assert result.GetSpatialRef().GetAuthorityCode(None) == "32632"


TYPES = ["uint8", "int16", "uint16", "int32", "uint32", "float32", "float64", "complex64"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("how", ["plain", "mask", "alpha"])
def test_types_and_validity(kit, tmp_path, dtype, how):
    """What is outside or invalid is marked, and never leaks, for every data type."""
    grid = kit.grid(300, 200)
    bad = np.zeros(grid.shape, bool)
    bad[40:80, 50:120] = how != "plain"
    values = np.where(bad, 7, 100).astype(dtype)
    colours = ()
    if how == "alpha":
        values = np.stack([values, np.where(bad, 0, 255).astype(dtype)])
        colours = (gdal.GCI_GrayIndex, gdal.GCI_AlphaBand)
    moving = kit.write(tmp_path / "m.tif", values, grid, colours=colours, mask=~bad if how == "mask" else None)
    path = warp(moving, affine(1, 0, 20.5, 10.5), grid, tmp_path / "a.tif")
    result = gdal.Open(str(path))
    assert result.RasterCount == (2 if how == "alpha" else 1)
    source = gdal.Open(moving)
    assert result.GetRasterBand(1).DataType == source.GetRasterBand(1).DataType
    data = result.GetRasterBand(1).ReadAsArray()
    valid = result.GetRasterBand(1).GetMaskBand().ReadAsArray() > 0
    if how == "alpha":
        valid = result.GetRasterBand(2).ReadAsArray().real > 0
        assert result.GetRasterBand(2).GetColorInterpretation() == gdal.GCI_AlphaBand
    np.testing.assert_allclose(data[valid], 100, atol=1e-3)
    expected = np.zeros(grid.shape, bool)
    expected[: 200 - 11, : 300 - 21] = True
    expected[29:70, 29:100] &= how == "plain"
    assert (expected != valid).mean() < 0.02


def test_given_nodata_is_used(kit, tmp_path):
    grid = kit.grid(200, 200)
    values = np.where(np.arange(200) < 50, 0, 100) * np.ones((200, 1))
    moving = kit.write(tmp_path / "m.tif", values.astype(np.uint8), grid)
    path = warp(LayerSource(moving, nodata=0.0), affine(1, 0, 0.5, 0.5), grid, tmp_path / "a.tif")
    result = gdal.Open(str(path))
    assert set(np.unique(result.ReadAsArray())) == {0, 100}
    assert result.GetRasterBand(1).GetNoDataValue() == 0


def test_palette_is_kept_and_not_interpolated(kit, tmp_path):
    grid = kit.grid(100, 100)
    moving = kit.write(tmp_path / "m.tif", np.tile(np.arange(100) % 2 * 9, (100, 1)).astype(np.uint8), grid)
    table = gdal.ColorTable()
    table.SetColorEntry(9, (255, 0, 0, 255))
    dataset = gdal.Open(moving, gdal.GA_Update)
    dataset.GetRasterBand(1).SetColorTable(table)
    dataset = None
    result = gdal.Open(str(warp(moving, affine(1, 2, 0.3, 0.3), grid, tmp_path / "a.tif")))
    assert set(np.unique(result.ReadAsArray())) <= {0, 9}
    assert result.GetRasterBand(1).GetColorTable().GetColorEntry(9)[:3] == (255, 0, 0)


def test_output_grids(kit, tmp_path):
    reference = kit.grid(500, 400)
    own = kit.grid(900, 800, x=500_600.0, y=5_499_400.0, gsd=4.0)
    moving = kit.write(tmp_path / "m.tif", kit.pattern(kit.centres(own), 300).astype(np.float32), own)
    analysis = reference.window(50, 40, 300, 300)
    with Scene(LayerSource(moving), "SAR") as scene:
        same = target_grid("reference", reference, scene, poly3, analysis, analysis)
        fine = target_grid("source", reference, scene, poly3, analysis, analysis)
        with pytest.raises(OptionError, match="'other' is not known"):
            target_grid("other", reference, scene, poly3, analysis, analysis)
    assert same == reference
    assert fine.gsd == pytest.approx(4.0, rel=0.05)
    offset = (np.array(fine.corners()[0]) - reference.corners()[0]) / fine.gsd
    assert np.allclose(offset, np.rint(offset), atol=1e-6)
    path = warp(moving, poly3, analysis, tmp_path / "a.tif", target=fine)
    mask = mask_of(path)
    assert mask.mean() > 0.9  # the footprint fills the grid, and nothing of it is lost:
    assert mask.sum() * fine.gsd**2 == pytest.approx(900 * 800 * 16, rel=0.03)


def test_source_grid_of_a_turned_plain_image(kit, tmp_path):
    reference, own = kit.grid(400, 400), Grid.of_pixels(300, 200)
    moving = kit.write(tmp_path / "m.tif", np.full((200, 300), 9, np.uint8))
    turn = affine(0.5, 90.0, 150.0, 20.0)
    with Scene(LayerSource(moving), "SAR") as scene:
        target = target_grid("source", reference, scene, turn, reference, own)
    assert target.gsd == pytest.approx(20.0, rel=1e-3)
    assert abs(target.width - 200) <= 1
    assert abs(target.height - 300) <= 1
    path = warp(moving, turn, reference, tmp_path / "a.tif", target=target, moving_grid=own)
    assert mask_of(path).mean() > 0.97


@pytest.mark.parametrize("kind", ["reference", "source"])
def test_a_plain_reference_is_covered_as_qgis_shows_it(kit, tmp_path, kind):
    reference = Grid.of_pixels(200, 150)
    own = Grid.of_pixels(100, 80)
    moving = kit.write(tmp_path / "m.tif", np.full((80, 100), 9, np.uint8))
    half = affine(0.5, 0, -20.0, -10.0)
    with Scene(LayerSource(moving), "SAR") as scene:
        target = target_grid(kind, reference, scene, half, reference, own)
    result = gdal.Open(str(warp(moving, half, reference, tmp_path / "a.tif", target=target, moving_grid=own)))
    assert result.GetProjection() == ""
    if kind == "reference":
        assert result.GetGeoTransform(can_return_null=True) is None
        assert (result.RasterXSize, result.RasterYSize) == (200, 150)
    else:
        x, a, _, y, _, e = result.GetGeoTransform()
        assert (a, e) == pytest.approx((2.0, -2.0))
        assert (x, y) == pytest.approx((40.0, -20.0), abs=2.0)


def big(kit, tmp_path, side=2500):
    grid = kit.grid(side, side)
    values = np.random.default_rng(0).integers(1, 255, (side, side)).astype(np.uint8)
    (tmp_path / "in").mkdir()
    return kit.write(tmp_path / "in" / "m.tif", values, grid), grid


def test_refusals_leave_nothing(kit, tmp_path, untouched):
    grid = kit.grid(100, 100)
    moving = kit.write(tmp_path / "m.tif", np.ones((100, 100), np.uint8), grid)
    untouched(moving)
    with pytest.raises(OutputError, match="exists already"):
        warp(moving, MODELS["shift"], grid, moving)
    with pytest.raises(OutputError, match="the moving layer itself"):
        warp(moving, MODELS["shift"], grid, moving, overwrite=True)
    with pytest.raises(OutputError, match="would not be seen"):
        warp(moving, lambda p: p + 1000.0, grid, tmp_path / "a.tif")
    with pytest.raises(OutputError, match=r"not be seen|cannot be inverted"):
        warp(moving, lambda p: p * np.nan, grid, tmp_path / "a.tif")
    with pytest.raises(OptionError, match="'magic' is not known"):
        warp(moving, MODELS["shift"], grid, tmp_path / "a.tif", resampling="magic")
    assert [p.name for p in tmp_path.iterdir()] == ["m.tif"]


def test_overwriting_replaces(kit, tmp_path):
    grid = kit.grid(100, 100)
    moving = kit.write(tmp_path / "m.tif", np.full((100, 100), 5, np.uint8), grid)
    (tmp_path / "a.tif").write_text("old")
    warp(moving, MODELS["shift"], grid, tmp_path / "a.tif", overwrite=True)
    assert gdal.Open(str(tmp_path / "a.tif")).ReadAsArray().max() == 5


@pytest.mark.parametrize("at", [0, 1, 3, 8, 11])
def test_cancel_leaves_nothing(kit, tmp_path, at):
    moving, grid = big(kit, tmp_path)
    seen = []
    reporter = Reporter(lambda *step: seen.append(step), is_cancelled=lambda: len(seen) > at)
    with pytest.raises(Cancelled):
        warp(moving, MODELS["poly3"], grid, tmp_path / "out.tif", reporter=reporter)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]
    assert len({stage for stage, _ in seen}) == (2 if at > 9 else 1)


@pytest.mark.usefixtures("gdal_mode")
def test_truncated_source_names_the_layer(kit, tmp_path):
    moving, grid = big(kit, tmp_path, 600)
    content = Path(moving).read_bytes()
    Path(moving).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"'m.tif' cannot be read"):
        warp(moving, MODELS["shift"], grid, tmp_path / "a.tif")
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # GDAL fails again at closing
@pytest.mark.parametrize("kib", [16, 1024, 4096, 8192])
@pytest.mark.usefixtures("gdal_mode")
def test_full_disk(kit, tmp_path, tiny_disk, kib):
    """Full at creation, while warping, and while the final file is written."""
    moving, grid = big(kit, tmp_path, 2200)
    disk = tiny_disk(kib)
    with pytest.raises(OutputError, match=r"a\.tif' could not be written.*space on the disk"):
        warp(moving, MODELS["shift"], grid, disk / "a.tif")
    assert list(disk.iterdir()) == []


def test_unwritable_folder(kit, tmp_path):
    grid = kit.grid(100, 100)
    moving = kit.write(tmp_path / "m.tif", np.ones((100, 100), np.uint8), grid)
    with pytest.raises(OutputError, match="cannot be"):
        warp(moving, MODELS["shift"], grid, Path("/proc/sarto/a.tif"), reporter=SILENT)
