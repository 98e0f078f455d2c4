"""Preparation: the common grid, radiometry in place, disk, memory and cancel."""

import os
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from sarto.core.contract import (
    Cancelled,
    LayerSource,
    RadiometryOptions,
    Reporter,
)
from sarto.core.raster import Scene, prepare
from sarto.core.raster.crs import Transformation
from sarto.core.raster.scratch import mapped_image

from .layers import coloured, layer, run

BLOCKS = sys.modules["sarto.core.raster.prepare"].blocks  # the package exports the function of that name


def test_same_grid_stays(kit, tmp_path, pair, untouched):
    optical, sar, grid = pair
    untouched(optical, sar)
    lines = []
    result = run(kit, tmp_path, optical, sar, Reporter(on_log=lines.append))
    assert result.reference_grid == result.moving_grid == grid
    assert result.is_georeferenced
    assert result.reference.dtype == result.moving.dtype == np.uint8
    assert isinstance(result.reference, np.memmap)
    assert result.reference.min() == result.moving.min() == 1
    truth = kit.pattern(kit.centres(grid), 900)
    assert np.corrcoef(result.reference.ravel(), truth.ravel())[0, 1] > 0.99
    assert np.corrcoef(result.moving.ravel(), truth.ravel())[0, 1] > 0.6
    assert any("linear power" in note for note in result.notes)
    assert lines == list(result.notes)


MOVING = {
    "finer": {"gsd": 4.0, "width": 600, "height": 600, "x": 500_500.0, "y": 5_499_500.0},
    "coarser": {"gsd": 20.0, "width": 200, "height": 200, "x": 500_507.0, "y": 5_499_507.0},
    "rotated": {"rotation": 25.0, "x": 501_000.0, "y": 5_499_000.0, "width": 250, "height": 200},
    "other CRS": {"epsg": 3395, "gsd": 15.0, "x": 1_004_000.0, "y": 6_358_000.0, "width": 300, "height": 300},
    "degrees": {"epsg": 4326, "gsd": 0.0001, "x": 9.004, "y": 49.644, "width": 400, "height": 300},
}


@pytest.mark.parametrize("moving", MOVING)
@pytest.mark.parametrize("reference", ["north-up", "rotated", "degrees"])
def test_grids_of_all_kinds_meet(kit, tmp_path, moving, reference):
    base = {
        "north-up": kit.grid(500, 500),
        "rotated": kit.grid(500, 500, rotation=-15.0),
        "degrees": kit.grid(500, 500, epsg=4326, gsd=0.0001, x=9.0, y=49.65),
    }[reference]
    other = kit.grid(**MOVING[moving])
    if moving in ("other CRS", "degrees"):  # place it well inside the reference's neighbourhood
        x, y = Transformation(base.crs, other.crs)(base.to_world([[120, 140]]))[0]
        other = replace(other, geotransform=(x, *other.geotransform[1:3], y, *other.geotransform[4:]))
    utm = kit.wkt(32632)

    def truth(grid):
        to_utm = Transformation(grid.crs, utm)
        return lambda world: kit.pattern(to_utm(world.reshape(-1, 2)).reshape(world.shape), 900)

    optical = kit.write(tmp_path / "o.tif", truth(base)(kit.centres(base)).astype(np.float32), base)
    sar = kit.write(tmp_path / "s.tif", (truth(other)(kit.centres(other)) - 130).astype(np.float32), other)
    result = run(kit, tmp_path, optical, sar, radiometry=RadiometryOptions(sar_kind="db"))
    grid = result.reference_grid
    lattice = base.to_pixel(grid.to_world([[-0.5, -0.5]]))[0] * base.gsd / grid.gsd
    assert result.is_georeferenced
    assert grid.crs == base.crs
    if base.gsd == grid.gsd:
        assert np.allclose(lattice + 0.5, np.rint(lattice + 0.5), atol=1e-4)
    for image, label in ((result.reference, "reference"), (result.moving, "moving")):
        valid = (np.asarray(image) > 1) & (np.asarray(image) < 255)
        assert (image > 0).mean() > 0.3, label
        # The image is a linear stretch of the truth: undo it, then measure positions.
        exact = truth(grid)(kit.centres(grid))
        slope, offset = np.polyfit(image[valid].astype(float), exact[valid], 1)
        error = kit.position_error(image * slope + offset, valid, grid, truth(grid))
        assert error < 0.1, (label, error)


def test_gsd_and_area_options(kit, tmp_path, pair):
    optical, sar, grid = pair
    result = run(kit, tmp_path, optical, sar, gsd=20.0)
    assert result.reference_grid.gsd == pytest.approx(20.0)
    corners = grid.to_world([[49.5, 49.5], [199.5, 49.5], [49.5, 199.5]])
    area = "POLYGON((" + ",".join(f"{x} {y}" for x, y in [*corners, corners[0]]) + "))"
    result = run(kit, tmp_path, optical, sar, area=area)
    assert result.reference_grid == grid.window(50, 50, 150, 150)
    diagonal = np.add.outer(np.arange(150), np.arange(150)) - 149
    assert np.array_equal((result.reference > 0)[diagonal != 0], (diagonal < 0)[diagonal != 0])
    assert (result.moving > 0).all()


def test_overlap_follows_the_lattice(kit, tmp_path, pair):
    optical, _, grid = pair
    sar = layer(kit, tmp_path / "s.tif", kit.grid(300, 260, x=501_003.0, y=5_499_000.0), "sar")
    result = run(kit, tmp_path, optical, sar)
    assert result.reference_grid == grid.window(100, 100, 200, 160)


def test_speckle_filter_is_applied_across_blocks(kit, tmp_path, pair, monkeypatch):
    optical, sar, _ = pair
    radiometry = RadiometryOptions(speckle="refined-lee")
    whole = np.array(run(kit, tmp_path, optical, sar, radiometry=radiometry).moving)
    plain = np.array(run(kit, tmp_path, optical, sar).moving)
    monkeypatch.setattr(BLOCKS, "__defaults__", (64,))
    parts = np.array(run(kit, tmp_path, optical, sar, radiometry=radiometry).moving)
    assert np.abs(whole.astype(int) - parts).max() <= 1
    assert np.diff(whole.astype(int)).std() < 0.6 * np.diff(plain.astype(int)).std()


def test_without_georeference_each_keeps_its_pixels(kit, tmp_path, pair):
    optical, sar, grid = pair
    plain = layer(kit, tmp_path / "p.tif", replace(grid, crs=""), "sar")
    bare = kit.write(tmp_path / "bare.tif", gdal.Open(plain).ReadAsArray())
    result = run(kit, tmp_path, optical, bare)
    assert not result.is_georeferenced
    assert result.reference_grid == grid
    assert result.moving_grid.crs == ""
    assert any("'bare.tif' is not georeferenced" in note for note in result.notes)
    large = kit.write(tmp_path / "large.tif", np.kron(gdal.Open(plain).ReadAsArray(), np.ones((5, 5), np.float32)))
    result = run(kit, tmp_path, optical, large)
    assert result.moving.shape == grid.shape
    assert result.moving_grid.bounds() == (0, 0, 1500, 1300)
    result = run(kit, tmp_path, kit.write(tmp_path / "o.tif", gdal.Open(optical).ReadAsArray()), sar)
    assert result.reference_grid.crs == result.moving_grid.crs == ""
    result = run(kit, tmp_path, tmp_path / "o.tif", bare)
    assert any(note.startswith("Neither") for note in result.notes)


def test_cancel_answers_at_every_block(kit, tmp_path, pair, monkeypatch):
    monkeypatch.setattr(BLOCKS, "__defaults__", (64,))
    seen: list[object] = []
    for limit in (0, 1, 5, 30):
        seen.clear()
        reporter = Reporter(lambda *step: seen.append(step), is_cancelled=lambda n=limit: len(seen) >= n)
        with pytest.raises(Cancelled):
            run(kit, tmp_path, *pair[:2], reporter)
        assert len(seen) == limit
    assert seen[0] == ("Reading the optical layer", 0.0)


def test_real_pair(kit, tmp_path, scene_file, untouched):
    s1, s2 = scene_file("sen12mscr_1970_s1"), scene_file("sen12mscr_1970_s2")
    untouched(s1, s2)
    result = run(kit, tmp_path, s2, s1)
    assert result.reference.shape == (256, 256)
    assert any("look like dB" in note for note in result.notes)


@pytest.mark.slow
def test_a_full_tile_needs_little_memory(kit, tmp_path):
    """A 10,980² pair (three uint16 bands, two float32 bands) stays under 1.5 GB and cancels within 1 s."""
    side = 10_980
    optical = sparse(kit, tmp_path / "opt.tif", side, 3, gdal.GDT_UInt16)
    sar = sparse(kit, tmp_path / "sar.tif", side, 2, gdal.GDT_Float32)
    code = f"""
        import resource
        from pathlib import Path
        from sarto.core.contract import *
        from sarto.core.raster import prepare
        job = RegisterJob(LayerSource({optical!r}), LayerSource({sar!r}))
        pair = prepare(job, Reporter(), Path({str(tmp_path)!r}))
        assert pair.reference.shape == ({side}, {side})
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """
    environment = dict(os.environ, GDAL_CACHEMAX="2048")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1.5e6  # kB
    asked: list[float] = []

    def is_cancelled():
        asked.append(time.monotonic())
        return False

    steps = []
    reporter = Reporter(lambda *_: steps.append(1), is_cancelled=lambda: is_cancelled() or len(steps) > 20)
    with pytest.raises(Cancelled):
        prepare(kit.job(optical, sar), reporter, Path(tmp_path))
    assert np.diff(asked).max() < 1.0


def sparse(kit, path, side, count, kind):
    """A large tiled file with a few filled tiles in every row of tiles; the rest stays unwritten zeros."""
    dataset = gdal.GetDriverByName("GTiff").Create(
        str(path), side, side, count, kind, options=["TILED=YES", "SPARSE_OK=YES", "COMPRESS=LZW"]
    )
    grid = kit.grid(side, side)
    dataset.SetGeoTransform(grid.geotransform)
    dataset.SetProjection(grid.crs)
    patch = kit.speckled((256, 256)) * (10_000 if kind == gdal.GDT_UInt16 else 1)
    for band in range(1, count + 1):
        for row in range(0, side - 256, 512):
            for column in range(0, side - 256, 1024):
                dataset.GetRasterBand(band).WriteArray(patch, column, row)
    dataset = None
    return str(path)


def test_scene_is_reread_only_when_needed(kit, tmp_path, pair):
    """The declared NoData value is kept: zeros are not guessed at."""
    _, sar, grid = pair
    values = kit.pattern(kit.centres(grid), 900).astype(np.int16)
    values[:, :90] = 0
    path = kit.write(tmp_path / "n.tif", values, grid, nodata=-1)
    assert (run(kit, tmp_path, path, sar).reference > 0).all()
    assert Scene(LayerSource(path), "optical").nodata == (-1.0,)


@pytest.mark.parametrize("kib", [40, 200, 320])
def test_full_disk(kit, tmp_path, tiny_disk, kib):
    """No room for the grey image, its bands, or the SAR image; a mapped file would end the process."""
    grid = kit.grid(300, 260)
    bands = (kit.pattern(kit.centres(grid), wavelength).astype(np.uint8) for wavelength in (900, 400, 600))
    optical = coloured(kit, tmp_path / "rgb.tif", grid, *bands)
    sar = layer(kit, tmp_path / "sar.tif", grid, "sar")
    disk = tiny_disk(kib)
    command = [sys.executable, "-m", "sarto", "register", "--optical", optical, "--sar", sar, "--out", "out"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "TMPDIR": str(disk)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 5, done.stderr
    assert "has no room for an image" in done.stderr
    assert "Free some disk space" in done.stderr
    assert list(disk.iterdir()) == []
    assert not (tmp_path / "out").exists()


def test_scratch_images_have_their_room_from_the_start(tmp_path):
    image = mapped_image(tmp_path / "a.npy", (3, 1500, 1000))
    assert image.shape == (3, 1500, 1000)
    assert image.dtype == np.uint8
    assert not image.any()
    if hasattr(os.stat_result, "st_blocks"):
        assert (tmp_path / "a.npy").stat().st_blocks * 512 >= image.size
    image[2, -1, -1] = 7
    image.flush()
    assert np.load(tmp_path / "a.npy")[2, -1, -1] == 7
