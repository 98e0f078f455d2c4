"""Layers, areas and pixel sizes that preparation refuses, and what it says of them."""

from dataclasses import replace

import numpy as np
import pytest
from sarto.core.contract import (
    InputError,
    OptionError,
)

from .layers import layer, run


def test_an_area_that_crosses_itself_is_explained(kit, tmp_path, pair, capfd, gdal_mode):
    x, y = pair[2].to_world([[20, 20], [200, 200]]).T
    area = f"POLYGON(({x[0]} {y[0]},{x[1]} {y[1]},{x[1]} {y[0]},{x[0]} {y[1]},{x[0]} {y[0]}))"
    with pytest.raises(InputError, match=r"area .*crosses.*itself.*Draw it again"):
        run(kit, tmp_path, *pair[:2], area=area)
    assert capfd.readouterr().err == ""


def far(kit, tmp_path):
    return layer(kit, tmp_path / "far.tif", kit.grid(100, 100, x=600_000.0), "sar")


def bad_layers(kit, tmp_path, pair, case):
    optical, sar, grid = pair
    ones = np.ones(grid.shape, np.float32)

    def made(values, grid=grid, **more):
        return kit.write(tmp_path / "bad.tif", values, grid, **more)

    return {
        "far": lambda: (optical, far(kit, tmp_path)),
        "sliver": lambda: (optical, layer(kit, tmp_path / "bad.tif", kit.grid(100, 100, x=502_500.0), "sar")),
        "strip": lambda: (
            layer(kit, tmp_path / "long.tif", kit.grid(1400, 64)),
            layer(kit, tmp_path / "bad.tif", kit.grid(1400, 64), "sar"),
        ),
        "nodata": lambda: (optical, made(ones * -9, nodata=-9)),
        "zeros": lambda: (optical, made(ones * 0)),
        "constant": lambda: (made(ones * 7), sar),
        "black": lambda: (made((ones * 0).astype(np.uint8)), sar),
        "coarse": lambda: (optical, made(np.arange(49.0).reshape(7, 7), kit.grid(7, 7, gsd=400.0))),
        "no CRS": lambda: (optical, made(ones, replace(grid, crs=""))),
        "local CRS": lambda: (optical, made(ones, replace(grid, crs=LOCAL))),
        "small": lambda: (optical, made(ones[:50, :50], None)),
    }[case]()


LOCAL = 'LOCAL_CS["site",UNIT["metre",1]]'
ERRORS = {
    "far": r"'opt.tif' \(x .*\) and 'far.tif' \(x .*\) do not overlap: they are 97,000 m apart",
    "sliver": r"share only 50 × 100 pixels at 10 m",
    "strip": r"share a strip of 1,400 × 64 pixels, 22 times as long as wide",
    "nodata": r"'bad.tif' has no valid pixels",
    "zeros": r"'bad.tif' has no valid pixels",
    "constant": r"'bad.tif' is constant.*are 7\.",
    "black": r"'bad.tif' is constant.*are 0\.",
    "coarse": r"differ 40 times: 10 m in 'opt.tif', 400 m in 'bad.tif'",
    "no CRS": r"'bad.tif' has no CRS, but its coordinates fit.*Set the layer's CRS",
    "local CRS": r"no transformation between|cannot be expressed",
    "small": r"'bad.tif' has only 50 × 50 pixels",
}


@pytest.mark.parametrize("case", ERRORS)
def test_unusable_layers_are_explained(kit, tmp_path, pair, case):
    layers = bad_layers(kit, tmp_path, pair, case)
    with pytest.raises(InputError, match=ERRORS[case]) as caught:
        run(kit, tmp_path, *layers)
    assert caught.value.hint


@pytest.mark.parametrize("gsd", [0.0, -3.0, float("nan"), 1e-4])
def test_nonsense_gsd(kit, tmp_path, pair, gsd):
    with pytest.raises(OptionError, match="analysis GSD"):
        run(kit, tmp_path, *pair[:2], gsd=gsd)


def test_coarse_gsd_leaves_too_few_pixels(kit, tmp_path, pair):
    with pytest.raises(InputError, match="share only"):
        run(kit, tmp_path, *pair[:2], gsd=100.0)


@pytest.mark.parametrize("area", ["POLYGON((0 0,1 0,1 1,0 0))", "POINT(1 1)", "hello"])
def test_areas_that_cannot_be_used(kit, tmp_path, pair, area):
    with pytest.raises((InputError, OptionError), match=r"area"):
        run(kit, tmp_path, *pair[:2], area=area)


def test_disjoint_valid_pixels(kit, tmp_path, pair):
    grid = pair[2]
    values = np.where(np.arange(300) < 150, kit.speckled(grid.shape), -1).astype(np.float32)
    other = np.where(np.arange(300) >= 150, 100 + kit.pattern(kit.centres(grid)), -1).astype(np.float32)
    left, right = (kit.write(tmp_path / f"{n}.tif", v, grid, nodata=-1) for n, v in (("l", values), ("r", other)))
    with pytest.raises(InputError, match="only 0 valid pixels in common"):
        run(kit, tmp_path, right, left)
