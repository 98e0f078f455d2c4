"""GCP files: written, read back, and as other programs see them."""

import csv
import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from osgeo import ogr
from sarto.core.contract import GcpTable, Grid, InputError, LayerSource, OutputError
from sarto.core.raster import (
    Scene,
    moving_source_pixels,
    read_gcps,
    source_positions,
    write_csv,
    write_geojson,
    write_gpkg,
    write_points,
)
from sarto.core.raster.crs import Transformation

WRITERS = {".gpkg": write_gpkg, ".csv": write_csv, ".points": write_points, ".geojson": write_geojson}


def make_table(reference_grid, moving_grid, count=25):
    rng = np.random.default_rng(3)
    reference = rng.uniform(5, 90, (count, 2))
    residual = rng.normal(0, 0.5, (count, 2))
    residual[3] = np.nan
    return GcpTable(
        reference_grid, moving_grid, reference, reference + rng.normal(2, 1, (count, 2)), rng.random(count),
        rng.random(count), residual, rng.random(count) > 0.2, np.where(np.arange(count) % 4 == 3, "check", "gcp"),
    )  # fmt: skip


CASES = ["same CRS", "other CRS", "rotated", "moving without CRS", "nothing with CRS", "reference without CRS"]


@pytest.fixture(params=CASES)
def case(request, kit, tmp_path):
    """(table, moving scene) for every combination of georeferences."""
    reference = kit.grid(100, 100)
    own = {
        "other CRS": kit.grid(200, 150, epsg=4326, gsd=0.0001, x=8.999, y=49.6515),
        "rotated": kit.grid(200, 150, rotation=20.0, gsd=8.0),
        "moving without CRS": None,
        "nothing with CRS": None,
    }.get(request.param, kit.grid(200, 150, x=499_903.0, y=5_500_111.0))
    moving_grid = reference
    if "without" in request.param or "nothing" in request.param:
        moving_grid = Grid.of_pixels(200, 150).resampled(2.0)
    if request.param in ("nothing with CRS", "reference without CRS"):
        reference = Grid.of_pixels(100, 100)
    path = kit.write(tmp_path / "moving ä.tif", np.ones((150, 200), np.uint8), own)
    with Scene(LayerSource(path), "SAR") as scene:
        yield make_table(reference, moving_grid), scene


@pytest.mark.parametrize("suffix", WRITERS)
def test_round_trip(case, tmp_path, suffix):
    table, scene = case
    source = source_positions(table, scene)
    path = tmp_path / "Übung 1" / f"points of m{suffix}"
    if suffix == ".geojson" and not table.reference_grid.crs:
        with pytest.raises(OutputError, match=r"reference has no CRS.*GeoPackage"):
            WRITERS[suffix](table, source, path)
        return
    assert WRITERS[suffix](table, source, path) == path
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    stored = read_gcps(path, scene.is_georeferenced)
    tolerance = {"rtol": 0, "atol": 1e-6}
    np.testing.assert_allclose(stored.map_xy, table.map_xy, **tolerance)
    np.testing.assert_allclose(stored.source_xy, source.xy, **tolerance)
    reference_px, moving_px = stored.on_grids(scene, table.reference_grid, table.moving_grid)
    np.testing.assert_allclose(reference_px, table.reference_px, **tolerance)
    np.testing.assert_allclose(moving_px, table.moving_px, **tolerance)
    used = table.used("gcp") if suffix == ".points" else table.enabled
    assert np.array_equal(stored.enabled, used)
    if suffix != ".points":
        assert np.array_equal(stored.role, table.role)


@pytest.mark.parametrize("suffix", WRITERS)
def test_existing_files_are_refused_or_replaced(kit, tmp_path, suffix):
    grid = kit.grid(100, 100)
    moving = kit.write(tmp_path / "m.tif", np.ones((100, 100), np.uint8), grid)
    path = tmp_path / f"a{suffix}"
    path.write_text("old")
    table = make_table(grid, grid)
    with Scene(LayerSource(moving), "SAR") as scene:
        source = source_positions(table, scene)
        with pytest.raises(OutputError, match="exists already"):
            WRITERS[suffix](table, source, path)
        WRITERS[suffix](table, source, path, overwrite=True)
    assert len(read_gcps(path)) == 25
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, "m.tif"]


@pytest.fixture
def simple(kit, tmp_path):
    """A table whose moving layer is in another CRS and lattice, with its source positions."""
    reference = kit.grid(100, 100)
    own = kit.grid(200, 150, x=499_903.0, y=5_500_111.0, gsd=5.0)
    path = kit.write(tmp_path / "m.tif", np.ones((150, 200), np.uint8), own)
    table = make_table(reference, reference)
    with Scene(LayerSource(path), "SAR") as scene:
        yield table, source_positions(table, scene), scene


def test_geopackage_for_qgis(simple, tmp_path):
    table, source, _ = simple
    package = ogr.Open(str(write_gpkg(table, source, tmp_path / "a.gpkg")))
    points, links = package.GetLayerByName("gcps"), package.GetLayerByName("links")
    assert points.GetSpatialRef().GetAuthorityCode(None) == "32632"
    assert (points.GetFeatureCount(), links.GetFeatureCount()) == (25, 25)
    definition = points.GetLayerDefn()
    enabled = definition.GetFieldDefn(definition.GetFieldIndex("enabled"))
    assert enabled.GetSubType() == ogr.OFSTBoolean
    for number, (point, link) in enumerate(zip(points, links, strict=True)):
        assert point.GetFID() == link.GetFID() == number + 1
        line = link.GetGeometryRef()
        assert (line.GetX(0), line.GetY(0)) == pytest.approx(tuple(table.source_xy[number]))
        assert (line.GetX(1), line.GetY(1)) == pytest.approx(tuple(table.map_xy[number]))
        assert point["dx"] == pytest.approx(line.GetX(1) - line.GetX(0))
        assert point["source_col"] == pytest.approx(source.pixels[number, 0])
        assert point["role"] == table.role[number]
        assert (point["residual"] is None) == (number == 3)
        if number != 3:
            assert point["residual"] == pytest.approx(10 * point["residual_px"])


def test_moving_a_point_in_qgis_counts(simple, tmp_path):
    table, source, _ = simple
    path = write_gpkg(table, source, tmp_path / "a.gpkg")
    package = ogr.Open(str(path), 1)
    layer = package.GetLayerByName("gcps")
    feature = layer.GetFeature(2)
    feature.SetGeometry(ogr.CreateGeometryFromWkt("POINT(500123.5 5499876.5)"))
    layer.SetFeature(feature)
    feature = layer = package = None
    assert tuple(read_gcps(path).map_xy[1]) == (500123.5, 5499876.5)


def test_points_file_is_as_qgis_writes_it(simple, tmp_path):
    table, source, _ = simple
    lines = write_points(table, source, tmp_path / "a.points").read_text("utf-8").splitlines()
    assert lines[0].startswith('#CRS: PROJCS["WGS 84 / UTM zone 32N"')
    assert lines[1] == "mapX,mapY,sourceX,sourceY,enable,dX,dY,residual"
    first = [float(v) for v in lines[2].split(",")]
    assert first[:4] == [*table.map_xy[0], *source.xy[0]]
    assert lines[5].endswith(",0,0.0,0.0,0.0")


def test_points_of_a_plain_raster_are_pixel_and_minus_row(kit, tmp_path):
    path = kit.write(tmp_path / "m.tif", np.ones((150, 200), np.uint8))
    grid = kit.grid(100, 100)
    table = make_table(grid, Grid.of_pixels(200, 150))
    with Scene(LayerSource(path), "SAR") as scene:
        file = write_points(table, source_positions(table, scene), tmp_path / "a.points")
    x, y = (float(v) for v in file.read_text("utf-8").splitlines()[2].split(",")[2:4])
    assert (x, y) == pytest.approx((table.moving_px[0, 0] + 0.5, -(table.moving_px[0, 1] + 0.5)))


def test_older_points_files(tmp_path):
    path = tmp_path / "old.points"
    path.write_text("mapX,mapY,pixelX,pixelY,enable,dX,dY,residual\n1,-2,3,-4,0,0,0,0\n")
    stored = read_gcps(path, moving_is_georeferenced=False)
    assert stored.map_xy.tolist() == [[1, 2]]
    assert stored.source_xy.tolist() == [[3, 4]]
    assert stored.enabled.tolist() == [False]


def test_points_in_another_crs_are_transformed(simple, kit, tmp_path):
    table, source, scene = simple
    lines = write_points(table, source, tmp_path / "a.points").read_text("utf-8").splitlines()
    other = Transformation(table.reference_grid.crs, kit.wkt(3395))(table.map_xy)
    moved = [f"#CRS: {kit.wkt(3395)}", lines[1]]
    moved += [
        f"{x!r},{y!r}," + line.split(",", 2)[2] for (x, y), line in zip(other.tolist(), lines[2:], strict=True)
    ]
    (tmp_path / "b.points").write_text("\n".join(moved))
    back, _ = read_gcps(tmp_path / "b.points").on_grids(scene, table.reference_grid, table.moving_grid)
    np.testing.assert_allclose(back, table.reference_px, atol=1e-6)


def test_geojson_is_rfc_7946(simple, tmp_path):
    table, source, _ = simple
    data = json.loads(write_geojson(table, source, tmp_path / "a.geojson").read_text("utf-8"))
    assert "crs" not in data
    longitude, latitude = data["features"][0]["geometry"]["coordinates"]
    assert (longitude, latitude) == pytest.approx((9.0, 49.65), abs=0.02)
    assert data["features"][3]["properties"]["residual"] is None
    assert ogr.Open(str(tmp_path / "a.geojson")).GetLayer().GetFeatureCount() == 25


def test_csv_holds_every_column(simple, tmp_path):
    table, source, _ = simple
    with write_csv(table, source, tmp_path / "a.csv").open(encoding="utf-8") as file:
        records = list(csv.DictReader(file))
    assert float(records[4]["source_row"]) == source.pixels[4, 1]
    assert records[3]["residual"] == ""
    assert {record["enabled"] for record in records} == {"0", "1"}


LOCAL = 'LOCAL_CS["site",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("stored_in", ["utm", ""])
def test_a_reference_with_and_one_without_crs_are_not_mixed_up(kit, tmp_path, suffix, stored_in):
    utm, pixels = kit.grid(100, 100), Grid.of_pixels(100, 100)
    written, other = (utm, pixels) if stored_in else (pixels, utm)
    if suffix == ".geojson" and not stored_in:
        pytest.skip("not written without CRS")
    moving = kit.write(tmp_path / "m.tif", np.ones((100, 100), np.uint8))
    table = make_table(written, Grid.of_pixels(100, 100))
    with Scene(LayerSource(moving), "SAR") as scene:
        WRITERS[suffix](table, source_positions(table, scene), tmp_path / f"a{suffix}")
        stored = read_gcps(tmp_path / f"a{suffix}", moving_is_georeferenced=False)
        with pytest.raises(InputError, match=r"GCPs are .*, but the reference layer .*Choose the reference"):
            stored.on_grids(scene, other, pixels)


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_knows_its_crs(simple, kit, tmp_path, suffix):
    """Applied with a reference in another CRS, the points lie on the same ground."""
    table, source, scene = simple
    stored = read_gcps(WRITERS[suffix](table, source, tmp_path / f"a{suffix}"))
    other = Grid(100, 100, (1_002_000.0, 15.0, 0.0, 6_360_000.0, 0.0, -15.0), kit.wkt(3395))
    truth = other.to_pixel(Transformation(table.reference_grid.crs, other.crs)(table.map_xy))
    np.testing.assert_allclose(stored.on_grids(scene, other, table.moving_grid)[0], truth, atol=1e-5)


def test_csv_states_the_crs(simple, kit, tmp_path):
    table, source, _ = simple
    grids = {"EPSG:32632": table.reference_grid.crs, "LOCAL_CS": LOCAL, "": ""}
    for text, crs in grids.items():
        grid = replace(table.reference_grid, crs=crs)
        path = write_csv(replace(table, reference_grid=grid), source, tmp_path / "a.csv", overwrite=True)
        with path.open(encoding="utf-8") as file:
            found = {record["crs"] for record in csv.DictReader(file)}
        assert len(found) == 1
        assert found.pop().startswith(text)
        assert bool(read_gcps(path).crs) == bool(crs)


def test_csv_of_older_versions_is_in_the_references_crs(simple, tmp_path):
    table, source, scene = simple
    path = write_csv(table, source, tmp_path / "a.csv")
    with path.open(encoding="utf-8") as file:
        records = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [name for name in records[0] if name != "crs"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(records)
    stored = read_gcps(path)
    assert stored.crs is None
    found, _ = stored.on_grids(scene, table.reference_grid, table.moving_grid)
    np.testing.assert_allclose(found, table.reference_px, atol=1e-6)


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_local_crs_survives(kit, tmp_path, suffix):
    if suffix == ".geojson":
        pytest.skip("has no longitudes")
    grid = replace(kit.grid(100, 100), crs=LOCAL)
    moving = kit.write(tmp_path / "m.tif", np.ones((100, 100), np.uint8))
    table = make_table(grid, Grid.of_pixels(100, 100))
    with Scene(LayerSource(moving), "SAR") as scene:
        WRITERS[suffix](table, source_positions(table, scene), tmp_path / f"a{suffix}")
        stored = read_gcps(tmp_path / f"a{suffix}", moving_is_georeferenced=False)
        found, _ = stored.on_grids(scene, grid, Grid.of_pixels(100, 100))
    np.testing.assert_allclose(found, table.reference_px, atol=1e-6)


def test_source_pixels_through_three_coordinate_systems(kit, tmp_path):
    """A point in reference coordinates lands on the same ground in a rotated raster of another CRS."""
    own = kit.grid(400, 300, epsg=3395, gsd=12.0, rotation=15.0, x=1_001_900.0, y=6_360_000.0)
    path = kit.write(tmp_path / "m.tif", np.ones((300, 400), np.uint8), own)
    pixels = np.array([[0.0, 0.0], [17.25, 200.5], [399.0, 299.0]])
    world = Transformation(own.crs, kit.wkt(32632))(own.to_world(pixels))
    with Scene(LayerSource(path), "SAR") as scene:
        found = moving_source_pixels(scene, world, kit.wkt(32632))
    np.testing.assert_allclose(found.pixels, pixels, atol=1e-6)
    np.testing.assert_allclose(found.xy, own.to_world(pixels), atol=1e-5)


BAD = {
    "a.txt": ("x", "is no GCP file"),
    "a.csv": ("map_x,map_y\n1,2\n", "cannot be read.*source_x"),
    "b.csv": ("map_x,map_y,source_x,source_y\n", "holds no points"),
    "c.csv": ("map_x,map_y,source_x,source_y\n1,2,3,nan\n", "a point without coordinates"),
    "d.csv": (
        "map_x,map_y,source_x,source_y,crs\n1,2,3,4,EPSG:4326\n1,2,3,4,\n",
        "different CRSs: EPSG:4326, none",
    ),
    "e.csv": ("map_x,map_y,source_x,source_y,crs\n1,2,3,4,hello\n", "'hello' is not a known coordinate"),
    "a.points": ("hello", "cannot be read|holds no points"),
    "b.points": ("mapX,mapY,sourceX,sourceY,enable\n1,x,2,3,1\n", "cannot be read"),
    "a.geojson": ("{", "cannot be read"),
    "a.gpkg": ("SQLite format 3", "no layer 'gcps'"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_cannot_be_used(tmp_path, name):
    text, message = BAD[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=f"{name}.*({message})"):
        read_gcps(tmp_path / name)
    with pytest.raises(InputError, match="does not exist"):
        read_gcps(tmp_path / "none.gpkg")


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.usefixtures("gdal_mode")
def test_full_disk(kit, tmp_path, suffix):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small file system")
    grid = kit.grid(100, 100)
    moving = kit.write(tmp_path / "m.tif", np.ones((100, 100), np.uint8), grid)
    table = make_table(grid, grid, 2000)
    try:
        with Scene(LayerSource(moving), "SAR") as scene, pytest.raises(OutputError, match="could not be written"):
            WRITERS[suffix](table, source_positions(table, scene), disk / f"a{suffix}")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_disabled_and_empty_tables(kit, tmp_path):
    grid = kit.grid(100, 100)
    moving = kit.write(tmp_path / "m.tif", np.ones((100, 100), np.uint8), grid)
    table = make_table(grid, grid, 4)
    table = replace(table, enabled=np.zeros(4, bool))
    with Scene(LayerSource(moving), "SAR") as scene:
        source = source_positions(table, scene)
        for suffix, write in WRITERS.items():
            assert not read_gcps(write(table, source, tmp_path / f"a{suffix}")).enabled.any()
