"""Preparation of layers of which one or both have no georeference."""

from dataclasses import replace

import numpy as np
import pytest
from sarto.core.contract import SILENT, InputError
from sarto.core.raster import prepare


def run(kit, tmp_path, reference, moving, **more):
    return prepare(kit.job(reference, moving, **more), SILENT, tmp_path / "work")


def bare(kit, path, width, height, grid=None):
    return kit.write(path, 100 * kit.speckled((height, width)), grid)


def square(grid, left, top, side):
    x, y = grid.to_world(
        np.array([[left, top], [left + side, top], [left + side, top + side], [left, top + side]]) - 0.5
    ).T
    return "POLYGON((" + ",".join(f"{a} {b}" for a, b in zip([*x, x[0]], [*y, y[0]], strict=True)) + "))"


def test_sizes_of_plain_images_are_compared_with_the_whole_reference(kit, tmp_path):
    """An area of interest makes the reference's part smaller, not the moving image's pixels finer."""
    pixels = kit.grid(400, 400, gsd=1.0, x=0.0, y=0.0, epsg=None)
    reference = bare(kit, tmp_path / "r.tif", 400, 400)
    area = square(replace(pixels, geotransform=(0.0, 1.0, 0.0, 0.0, 0.0, 1.0)), 100, 100, 100)
    result = run(kit, tmp_path, reference, bare(kit, tmp_path / "m.tif", 400, 400), area=area)
    assert result.moving.shape == (400, 400)
    assert result.reference.shape == (100, 100)
    result = run(kit, tmp_path, reference, bare(kit, tmp_path / "m.tif", 1600, 1600), area=area)
    assert result.moving.shape == (400, 400)


@pytest.mark.parametrize("epsg", [None, 32632])
def test_a_much_larger_reference_is_reduced(kit, tmp_path, epsg):
    grid = kit.grid(900, 600) if epsg else None
    reference = bare(kit, tmp_path / "r.tif", 900, 600, grid)
    moving = bare(kit, tmp_path / "m.tif", 150, 100)
    result = run(kit, tmp_path, reference, moving)
    assert result.reference.shape == (100, 150)
    assert result.moving.shape == (100, 150)
    assert any("'r.tif' is 6.0 times larger; reduced to 150 × 100" in note for note in result.notes)
    assert run(kit, tmp_path, reference, bare(kit, tmp_path / "h.tif", 450, 300)).reference.shape == (600, 900)


@pytest.mark.parametrize("moving_too", [True, False])
def test_coordinates_without_crs_are_not_thrown_away(kit, tmp_path, moving_too):
    grid = replace(kit.grid(200, 200), crs="")
    reference = bare(kit, tmp_path / "r.tif", 200, 200, grid)
    moving = bare(kit, tmp_path / "m.tif", 200, 200, grid if moving_too else None)
    with pytest.raises(
        InputError, match=r"'r.tif'.* ha(s|ve) coordinates but no CRS \(.*gdal_edit.*EPSG.*Set CRS"
    ) as error:
        run(kit, tmp_path, reference, moving)
    assert ("'m.tif'" in error.value.message) == moving_too


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_trivial_geotransform_is_none(kit, tmp_path, sign):
    grid = replace(kit.grid(200, 200), crs="", geotransform=(0.0, 1.0, 0.0, 0.0, 0.0, sign))
    layers = [bare(kit, tmp_path / f"{name}.tif", 200, 200, grid) for name in "rm"]
    assert run(kit, tmp_path, *layers).reference.shape == (200, 200)
