"""Shared fixtures: rasters with known smooth patterns, real scenes, and a watch over the inputs."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from osgeo import gdal, ogr, osr
from sarto.core.contract import Grid, LayerSource, RegisterJob

from .layers import layer

DATA = Path(__file__).parents[3] / "../shared/data/scenes"


def wkt(code: int) -> str:
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(code)
    return reference.ExportToWkt()


def grid(width=400, height=300, x=500_000.0, y=5_500_000.0, gsd=10.0, epsg=32632, rotation=0.0) -> Grid:
    c, s = gsd * np.cos(np.radians(rotation)), gsd * np.sin(np.radians(rotation))
    return Grid(width, height, (x, c, s, y, s, -c), wkt(epsg) if epsg else "")


def pattern(world, wavelength=200.0):
    """A smooth function of the world with structure in every direction; values about 100 ± 60."""
    k = 2 * np.pi / wavelength
    x, y = world[..., 0] * k, world[..., 1] * k
    return 100 + 30 * np.sin(x) * np.cos(0.9 * y) + 30 * np.sin(0.31 * x + 0.47 * y)


def centres(grid: Grid):
    """(H, W, 2) world coordinates of the pixel centres."""
    columns, rows = np.meshgrid(np.arange(grid.width), np.arange(grid.height))
    return grid.to_world(np.stack([columns, rows], axis=-1))


def position_error(observed, valid, grid: Grid, truth, step=0.05):
    """Largest mean shift (in pixels of `grid`) over 4×4 tiles between an image and the true pattern."""
    columns, rows = np.meshgrid(np.arange(grid.width), np.arange(grid.height))
    px = np.stack([columns, rows], axis=-1).astype(float)
    exact = truth(grid.to_world(px))
    east, south = np.array([step, 0.0]), np.array([0.0, step])
    gx = (truth(grid.to_world(px + east)) - truth(grid.to_world(px - east))) / (2 * step)
    gy = (truth(grid.to_world(px + south)) - truth(grid.to_world(px - south))) / (2 * step)
    valid = valid.copy()  # the outermost valid pixels may be extrapolated by half a pixel
    valid[1:-1, 1:-1] &= valid[:-2, 1:-1] & valid[2:, 1:-1] & valid[1:-1, :-2] & valid[1:-1, 2:]
    worst = 0.0
    for part in np.array_split(np.arange(grid.height), 4):
        for side in np.array_split(np.arange(grid.width), 4):
            at = np.ix_(part, side)
            good = valid[at]
            if good.sum() < 300:
                continue
            a = np.stack([gx[at][good], gy[at][good], np.ones(good.sum())], axis=1)
            shift = np.linalg.lstsq(a, (observed[at] - exact[at])[good], rcond=None)[0][:2]
            worst = max(worst, float(np.hypot(*shift)))
    return worst


def write(
    path, values, grid: Grid | None = None, kind=None, nodata=None, names=(), colours=(), mask=None, options=()
):
    """Write (bands, H, W) or (H, W) values as GeoTIFF; returns the path as text."""
    values = np.atleast_3d(values.T).T if values.ndim == 2 else values
    kind = kind or {"complex64": gdal.GDT_CFloat32}.get(str(values.dtype)) or gdal_type(values.dtype)
    gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES")
    dataset = gdal.GetDriverByName("GTiff").Create(
        str(path), values.shape[2], values.shape[1], len(values), kind, options=list(options)
    )
    if grid is not None:
        dataset.SetGeoTransform(grid.geotransform)
        dataset.SetProjection(grid.crs)
    for number, band in enumerate(values, 1):
        target = dataset.GetRasterBand(number)
        target.WriteArray(band)
        if nodata is not None:
            target.SetNoDataValue(nodata)
        if number <= len(names):
            target.SetDescription(names[number - 1])
        if number <= len(colours):
            target.SetColorInterpretation(colours[number - 1])
    if mask is not None:
        dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
        dataset.GetRasterBand(1).GetMaskBand().WriteArray(mask.astype(np.uint8) * 255)
    dataset = None
    gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", None)
    return str(path)


def gdal_type(dtype):
    from osgeo import gdal_array

    return gdal_array.NumericTypeCodeToGDALTypeCode(np.dtype(dtype).type)


def speckled(shape, looks=4.0, seed=0):
    """Gamma speckle on a terrain of log-normal patches, linear power around 0.1."""
    rng = np.random.default_rng(seed)
    rows, columns = -(-shape[0] // 16), -(-shape[1] // 16)
    terrain = np.kron(rng.normal(0, 0.5, (rows, columns)), np.ones((16, 16)))[: shape[0], : shape[1]]
    return (0.1 * np.exp(terrain) * rng.gamma(looks, 1 / looks, shape)).astype(np.float32)


def job(reference, moving, **more) -> RegisterJob:
    def source(layer):
        return layer if isinstance(layer, LayerSource) else LayerSource(str(layer))

    return RegisterJob(source(reference), source(moving), **more)


@pytest.fixture(scope="session")
def kit():
    """The helpers of this file."""
    return SimpleNamespace(
        wkt=wkt, grid=grid, pattern=pattern, centres=centres, position_error=position_error, write=write,
        speckled=speckled, job=job,
    )  # fmt: skip


@pytest.fixture
def scene_file():
    """Path of a real scene by name; skips where the development data are absent."""

    def find(name: str) -> str:
        path = DATA / f"{name}.tif"
        if not path.exists():
            pytest.skip(f"real scene {name} is not on this machine")
        return str(path.resolve())

    return find


@pytest.fixture
def untouched(tmp_path):
    """Watch files: after the test they are byte-identical, not newer, and have no new neighbours."""
    watched: dict[Path, tuple[str, int, set[str]]] = {}

    def state(path: Path):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return digest, path.stat().st_mtime_ns, {p.name for p in path.parent.glob(path.name + "*")}

    def watch(*paths):
        watched.update({Path(p): state(Path(p)) for p in paths})

    yield watch
    for path, before in watched.items():
        assert state(path) == before, f"{path} was changed"


@pytest.fixture(params=[False, True], ids=["returns", "exceptions"])
def gdal_mode(request):
    """Both ways in which a host may have set up GDAL: return values, or exceptions."""
    modules = (gdal, ogr, osr) if request.param else ()
    for module in modules:
        module.UseExceptions()
    yield request.param
    assert bool(gdal.GetUseExceptions()) == request.param
    for module in reversed(modules):
        module.DontUseExceptions()


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of a given size in KiB."""
    mounted = []

    def mount(kib):
        folder = tmp_path / f"disk{kib}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no right to mount a small file system")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def pair(kit, tmp_path):
    """A layer of each kind on the same grid."""
    grid = kit.grid(300, 260)
    return layer(kit, tmp_path / "opt.tif", grid), layer(kit, tmp_path / "sar.tif", grid, "sar"), grid
