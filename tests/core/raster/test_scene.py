"""Opening layers, choosing bands, and reading onto any grid."""

import numpy as np
import pytest
from osgeo import gdal
from sarto.core.contract import Cancelled, Grid, InputError, LayerSource, Reporter
from sarto.core.raster import Scene


def open_scene(path, role="optical", **more):
    return Scene(LayerSource(str(path), **more), role)


def test_own_grid_is_read_unchanged(kit, tmp_path, untouched):
    grid = kit.grid(60, 50)
    values = np.arange(3000, dtype=np.uint16).reshape(50, 60)
    path = kit.write(tmp_path / "a.tif", values, grid)
    untouched(path)
    scene = open_scene(path)
    read, valid = scene.read(grid)
    assert read.dtype == np.float32
    assert np.array_equal(read[0], values)
    assert valid.all()
    assert (scene.grid, scene.dtype) == (grid, "UInt16")


TARGETS = {
    "half a pixel off": {"x": 500_345.0, "y": 5_499_425.0},
    "finer": {"gsd": 7.0, "x": 500_333.0, "y": 5_499_444.0},
    "coarser 1.7": {"gsd": 17.0, "width": 150, "height": 100, "x": 500_333.0, "y": 5_499_444.0},
    "coarser 5": {"gsd": 50.0, "width": 100, "height": 90, "x": 500_333.0, "y": 5_499_444.0},
    "rotated": {"rotation": 30.0, "x": 500_800.0, "y": 5_497_700.0},
    "Mercator": {"epsg": 3395, "gsd": 15.0},
}


@pytest.mark.parametrize("source_rotation", [0.0, 12.0])
@pytest.mark.parametrize("target", TARGETS)
def test_positions_are_kept_within_a_tenth_of_a_pixel(kit, tmp_path, target, source_rotation):
    from sarto.core.raster.crs import Transformation

    grid = kit.grid(700, 700, rotation=source_rotation)
    path = kit.write(tmp_path / "a.tif", kit.pattern(kit.centres(grid), 900).astype(np.float32), grid)
    onto = kit.grid(**{"width": 200, "height": 160, **TARGETS[target]})
    if target == "Mercator":  # start at a pixel of the source
        x, y = Transformation(grid.crs, onto.crs)(grid.to_world([[120, 180]]))[0]
        onto = Grid(200, 160, (x, *onto.geotransform[1:3], y, *onto.geotransform[4:]), onto.crs)
    to_utm = Transformation(onto.crs, grid.crs)

    def truth(world):
        return kit.pattern(to_utm(world.reshape(-1, 2)).reshape(world.shape), 900)

    values, valid = open_scene(path).read(onto)
    at = grid.to_pixel(to_utm(kit.centres(onto).reshape(-1, 2))).reshape(*onto.shape, 2)
    depth = np.minimum(at, 699 - at).min(axis=-1)  # own pixels inside the outermost centres
    assert valid[depth > 0].all()
    assert not valid[depth < -1 - onto.gsd / 10].any()
    assert (depth > 0).mean() > 0.4
    assert kit.position_error(values[0], valid, onto, truth) < 0.05


def test_antialiased_when_downsampling(kit, tmp_path):
    grid = kit.grid(400, 400)
    stripes = np.tile(np.arange(400) % 2 * 200.0, (400, 1)).astype(np.float32)
    path = kit.write(tmp_path / "a.tif", stripes, grid)
    for gsd in (25.0, 80.0):
        values, valid = open_scene(path).read(grid.resampled(gsd))
        assert np.abs(values[0][valid] - 100).max() < 200 / (gsd / 10) / 2 + 1  # a box of 2.5 stripes is uneven


def hole_raster(kit, path, how):
    """Value 50 everywhere, a hole that holds 10,000 and is declared invalid in some way."""
    grid = kit.grid(120, 100)
    hole = np.zeros((100, 120), dtype=bool)
    hole[30:60, 40:80] = True
    values = np.where(hole, 10_000, 50).astype(np.float32)
    if how == "nan":
        values[hole] = np.nan
    more = {
        "nodata": {"nodata": 10_000}, "option": {}, "nan": {}, "mask": {"mask": ~hole},
        "alpha": {"colours": (gdal.GCI_GrayIndex, gdal.GCI_AlphaBand)},
    }[how]  # fmt: skip
    bands = np.stack([values, np.where(hole, 0, 255)]) if how == "alpha" else values
    kit.write(path, bands, grid, **more)
    return grid


@pytest.mark.parametrize("how", ["nodata", "option", "nan", "mask", "alpha"])
@pytest.mark.parametrize("gsd", [10.0, 14.0, 40.0])
def test_invalid_pixels_do_not_leak(kit, tmp_path, how, gsd):
    grid = hole_raster(kit, tmp_path / "a.tif", how)
    scene = open_scene(tmp_path / "a.tif", nodata=10_000 if how == "option" else None)
    onto = kit.grid(80, 60, x=500_102.0, y=5_499_897.0, gsd=gsd)
    values, valid = scene.read(onto)
    assert len(values) == 1
    assert np.abs(values[0][valid] - 50).max() < 1e-3
    at = np.rint(grid.to_pixel(kit.centres(onto))).astype(int)
    inside = (at[..., 0] >= 0) & (at[..., 0] < 120) & (at[..., 1] >= 0) & (at[..., 1] < 100)
    deep = inside & (np.abs(at[..., 0] - 59.5) < 15) & (np.abs(at[..., 1] - 44.5) < 10)
    assert not valid[deep].any()
    far = inside & ((at[..., 0] < 35) | (at[..., 1] > 65))
    assert valid[far & (at[..., 0] > 2) & (at[..., 0] < 117) & (at[..., 1] > 2) & (at[..., 1] < 97)].all()


BANDS = [
    ("optical", {"count": 4, "colours": (3, 4, 5, 6)}, "auto", (1, 2, 3)),
    ("optical", {"count": 4, "names": ("B02", "B03", "B04", "B08")}, "auto", (3, 2, 1)),
    ("optical", {"count": 4, "names": ("blue", "green", "red", "nir")}, "auto", (3, 2, 1)),
    ("optical", {"count": 5}, "auto", (1, 2, 3)),
    ("optical", {"count": 2}, "auto", (1,)),
    ("optical", {"count": 2, "colours": (1, 6)}, "mean", (1,)),
    ("optical", {"count": 5}, "mean", (1, 2, 3, 4, 5)),
    ("optical", {"count": 5}, "4,3,2", (4, 3, 2)),
    ("optical", {"count": 3, "names": ("a", "b", "c")}, "b", (2,)),
    ("SAR", {"count": 3, "names": ("angle", "Sigma0_VH", "Sigma0_VV")}, "auto", (3, 2)),
    ("SAR", {"count": 2}, "auto", (1, 2)),
    ("SAR", {"count": 3}, "auto", (1,)),
    ("SAR", {"count": 3, "names": ("HH", "HV", "inc")}, "hv", (2,)),
]


@pytest.mark.parametrize(("role", "made", "bands", "expected"), BANDS)
def test_band_choice(kit, tmp_path, role, made, bands, expected):
    made = dict(made)
    path = kit.write(tmp_path / "a.tif", np.ones((made.pop("count"), 4, 4), np.uint8), kit.grid(4, 4), **made)
    assert open_scene(path, role, bands=bands).bands == expected


def test_unknown_band_names_the_way_out(kit, tmp_path):
    path = kit.write(tmp_path / "a.tif", np.ones((2, 4, 4), np.uint8), names=("VV", "VH"))
    with pytest.raises(InputError, match=r"'Lake' has no band 'B04'.*1 to 2 or VV, VH"):
        open_scene(path, bands="B04", name="Lake")


def test_complex_gives_amplitude(kit, tmp_path):
    rng = np.random.default_rng(1)
    values = (rng.normal(size=(2, 40, 50)) + 1j * rng.normal(size=(2, 40, 50))).astype(np.complex64)
    grid = kit.grid(50, 40)
    scene = open_scene(kit.write(tmp_path / "a&b.tif", values, grid), "SAR")
    read, valid = scene.read(grid)
    assert scene.is_complex
    assert any("amplitude" in note for note in scene.notes)
    np.testing.assert_allclose(read, np.abs(values), rtol=1e-6)
    assert valid.all()


def test_scale_and_offset_are_applied(kit, tmp_path):
    path = kit.write(tmp_path / "a.tif", np.full((8, 8), -1234, np.int16), kit.grid(8, 8))
    dataset = gdal.Open(path, gdal.GA_Update)
    dataset.GetRasterBand(1).SetScale(0.01)
    dataset.GetRasterBand(1).SetOffset(2)
    dataset = None
    assert open_scene(path).read(kit.grid(8, 8))[0].mean() == pytest.approx(-10.34)


def test_without_crs_the_world_is_the_pixels(kit, tmp_path):
    values = np.arange(4800, dtype=np.float32).reshape(60, 80)
    scene = open_scene(kit.write(tmp_path / "a.tif", values))
    assert scene.grid == Grid.of_pixels(80, 60)
    assert not scene.is_georeferenced
    assert np.array_equal(scene.read(scene.grid)[0][0], values)
    located = open_scene(kit.write(tmp_path / "b.tif", values, kit.grid(80, 60)))
    read, _ = located.read(Grid.of_pixels(80, 60).window(5, 7, 20, 10))
    assert np.array_equal(read[0], values[7:17, 5:25])


@pytest.mark.parametrize(
    ("dtype", "nodata", "fits"),
    [
        ("uint8", -9999, False), ("uint8", 256, False), ("uint8", 0.5, False), ("uint8", np.nan, False),
        ("uint8", 255, True), ("uint8", 0, True), ("uint16", -1, False), ("uint16", np.inf, False),
        ("int16", -32768, True), ("int16", -32769, False),
        ("uint32", 2**32 - 1, True), ("int32", -(2**31) - 1, False),
        ("float32", -9999, True), ("float32", np.nan, True), ("float32", -3.4028235e38, True),
        ("float32", -1.797e308, False), ("float64", -1.797e308, True), ("complex64", 0, True),
    ],
)  # fmt: skip
def test_a_given_nodata_value_must_fit_the_type(kit, tmp_path, dtype, nodata, fits):
    path = kit.write(tmp_path / "a.tif", np.ones((10, 12), dtype))
    if fits:
        assert open_scene(path, nodata=nodata).read(Grid.of_pixels(12, 10))[1].shape == (10, 12)
        return
    with pytest.raises(InputError, match=r"NoData value -?[\w.+-]+ of layer 'a.tif'.*type (Byte|U?Int|Float)"):
        open_scene(path, nodata=nodata)


def test_sources_of_qgis(kit, tmp_path):
    tif = kit.write(tmp_path / "ä b.tif", np.ones((300, 300), np.uint8), kit.grid(300, 300, epsg=3857))
    gpkg, vrt = str(tmp_path / "p.gpkg"), str(tmp_path / "v.vrt")
    gdal.Translate(gpkg, tif, creationOptions=["RASTER_TABLE=one"])
    gdal.Translate(vrt, tif, format="VRT")
    for source in (gpkg, f"GPKG:{gpkg}:one", f"{gpkg}|layername=one", vrt, f"{tif}|option:NUM_THREADS=1"):
        assert open_scene(source).grid.width >= 300
    gdal.Translate(gpkg, tif, creationOptions=["RASTER_TABLE=two", "APPEND_SUBDATASET=YES"])
    with pytest.raises(InputError, match=r"holds 2 rasters.*GPKG:.*:one'.*:two'"):
        open_scene(gpkg)


@pytest.mark.parametrize(
    "source",
    ["type=xyz&url=https://tile.example/{z}/{x}/{y}.png", "contextualWMSLegend=0&layers=a&url=http://a", "crs=EPSG:3857&url=http://a"],
)  # fmt: skip
def test_web_services_are_refused(source):
    with pytest.raises(InputError, match="web service"):
        open_scene(source, name="Map")


def test_gcp_only_is_refused(kit, tmp_path):
    path = kit.write(tmp_path / "a.tif", np.ones((8, 8), np.uint8))
    dataset = gdal.Open(path, gdal.GA_Update)
    dataset.SetGCPs([gdal.GCP(x, y, 0, x, y) for x, y in ((0, 0), (8, 0), (0, 8))], kit.wkt(4326))
    dataset = None
    with pytest.raises(InputError, match=r"'a.tif' is placed by 3 GCPs only.*Warp it first"):
        open_scene(path)


def test_missing_text_and_empty_sources(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "b.tif").write_bytes(b"II*\0\x08\0\0\0")
    for source in (tmp_path / "none.tif", tmp_path / "a.txt", tmp_path / "b.tif"):
        with pytest.raises(InputError, match=f"'{source.name}' cannot be opened"):
            open_scene(source)
    with pytest.raises(InputError, match="No layer is chosen"):
        open_scene("")


@pytest.mark.usefixtures("gdal_mode")
def test_truncated_file_names_the_layer(kit, tmp_path):
    grid = kit.grid(600, 600)
    noise = np.random.default_rng(0).integers(0, 255, (600, 600), dtype=np.uint8)
    path = kit.write(tmp_path / "cut.tif", noise, grid, options=("TILED=YES", "COMPRESS=DEFLATE"))
    content = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"'cut.tif' cannot be (read|opened)"):
        open_scene(path).read(grid)


def test_cancel_stops_reading(kit, tmp_path):
    path = kit.write(tmp_path / "a.tif", np.ones((50, 50), np.uint8), kit.grid(50, 50))
    with pytest.raises(Cancelled):
        open_scene(path).read(kit.grid(50, 50), reporter=Reporter(is_cancelled=lambda: True))
