"""Coordinates between reference systems, also where longitudes jump from 180° to -180°."""

from __future__ import annotations

import numpy as np
import pytest
from sarto.core.contract import Grid, InputError, LayerSource
from sarto.core.raster import Scene, has_longitudes
from sarto.core.raster.crs import Transformation
from sarto.core.raster.footprint import outline_in

UTM_1 = "EPSG:32601"
ACROSS = Grid(800, 400, (179.96, 1e-4, 0.0, 10.02, 0.0, -1e-4), "EPSG:4326")
"""0.08° by 0.04°, its middle on the antimeridian."""


def wkt(crs: str) -> str:
    from osgeo import osr

    reference = osr.SpatialReference()
    reference.SetFromUserInput(crs)
    return str(reference.ExportToWkt())


@pytest.fixture
def across(kit, tmp_path) -> Grid:
    return Grid(ACROSS.width, ACROSS.height, ACROSS.geotransform, wkt("EPSG:4326"))


@pytest.mark.parametrize("turns", [-1, 0, 1])
def test_positions_lie_in_a_layer_across_the_antimeridian(kit, tmp_path, across: Grid, turns: int) -> None:
    """Whichever way its longitudes are counted: pixels → metres → pixels."""
    x0, *rest = across.geotransform
    grid = Grid(across.width, across.height, (x0 + 360 * turns, *rest), across.crs)
    path = kit.write(tmp_path / "a.tif", np.zeros(grid.shape, np.uint8), grid)
    pixels = np.stack([np.linspace(0, 799, 9), np.linspace(0, 399, 9)], axis=1)
    metres = Transformation(grid.crs, wkt(UTM_1))(grid.to_world(pixels))
    with Scene(LayerSource(path), "SAR") as scene:
        assert np.allclose(scene.own_pixels(metres, wkt(UTM_1)), pixels, atol=1e-3)
        assert np.allclose(scene.own_pixels(across.to_world(pixels), across.crs), pixels, atol=1e-6)


def test_an_outline_is_not_torn_at_the_antimeridian(across: Grid) -> None:
    corner = Transformation(across.crs, wkt(UTM_1))(across.corners())
    x, y = corner.min(axis=0)
    metres = Grid(800, 400, (x, 10.0, 0.0, y + 4000, 0.0, -10.0), wkt(UTM_1))
    ring = outline_in(metres, across)
    assert np.ptp(ring[:, 0]) < 0.1
    assert 179.9 < ring[:, 0].min() < 180 < ring[:, 0].max() < 180.1


def test_other_coordinates_stay_as_they_are(across: Grid) -> None:
    metres = Grid(10, 10, (500_000.0, 10.0, 0.0, 0.0, 0.0, -10.0), wkt(UTM_1))
    points = np.array([[300_000.0, 5.0], [900_000.0, -5.0]])
    assert np.array_equal(Transformation(wkt(UTM_1), wkt(UTM_1), metres)(points), points)
    near = np.array([[179.97, 10.0], [180.03, 10.01]])
    assert np.array_equal(Transformation(across.crs, across.crs, across)(near), near)


def test_what_has_longitudes() -> None:
    assert has_longitudes(wkt(UTM_1))
    assert not has_longitudes('LOCAL_CS["site grid",UNIT["metre",1]]')
    with pytest.raises(InputError, match="site grid"):
        Transformation('LOCAL_CS["site grid",UNIT["metre",1]]', wkt(UTM_1))
