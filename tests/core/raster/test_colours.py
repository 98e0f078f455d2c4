"""Bands of the optical layer beside its grey image."""

import numpy as np
import pytest
from sarto.core.contract import (
    SILENT,
    LayerSource,
)
from sarto.core.raster import prepare

from .layers import coloured, run


def test_bands_of_the_optical_layer_are_stretched_each(kit, tmp_path, pair):
    _, sar, grid = pair
    truth = kit.pattern(kit.centres(grid), 900)
    other = kit.pattern(kit.centres(grid), 400)
    bands = [truth.astype(np.uint8), (other / 10 + 100).astype(np.uint8), np.full(grid.shape, 7, np.uint8)]
    optical = coloured(kit, tmp_path / "rgb.tif", grid, *bands)
    result = run(kit, tmp_path, optical, sar)
    assert result.bands.shape == (2, *grid.shape)  # one band shows nothing
    assert isinstance(result.bands, np.memmap)
    assert prepare(kit.job(optical, sar), SILENT, tmp_path / "again", with_bands=False).bands is None
    for band, shown in zip(result.bands, (truth, other)):
        assert np.corrcoef(band.ravel(), shown.ravel())[0, 1] > 0.99
        assert band.min() == 1
        assert band.max() == 255


def test_bands_lack_what_the_grey_image_lacks(kit, tmp_path, pair):
    _, sar, grid = pair
    bands = [kit.pattern(kit.centres(grid), w).astype(np.float32) for w in (900, 400, 600)]
    bands[0][:40, :50], bands[1][200:, 100:] = -1, -1
    optical = coloured(kit, tmp_path / "three.tif", grid, *bands, nodata=-1)
    corners = grid.to_world([[-0.5, -0.5], [299.5, -0.5], [-0.5, 259.5]])
    area = "POLYGON((" + ",".join(f"{x} {y}" for x, y in [*corners, corners[0]]) + "))"
    result = run(kit, tmp_path, optical, sar, area=area)
    assert len(result.bands) == 3
    assert (result.reference == 0).mean() > 0.4
    for band in result.bands:
        assert np.array_equal(band == 0, result.reference == 0)


@pytest.mark.parametrize("kind", ["one band", "all alike", "many", "their mean is asked for"])
def test_layers_without_colours_have_no_bands(kit, tmp_path, pair, kind):
    _, sar, grid = pair
    shown = kit.pattern(kit.centres(grid), 900).astype(np.uint8)
    many = [kit.pattern(kit.centres(grid), 300 + 90 * k).astype(np.uint8) for k in range(6)]
    bands, chosen = {
        "one band": ([shown], "auto"),
        "all alike": ([shown, shown, (shown / 2).astype(np.uint8)], "auto"),
        "many": (many, "1,2,3,4,5,6"),
        "their mean is asked for": (many[:3], "mean"),
    }[kind]
    optical = coloured(kit, tmp_path / "opt.tif", grid, *bands)
    assert run(kit, tmp_path, LayerSource(optical, bands=chosen), sar).bands is None
    if len(bands) > 3:
        fewer = run(kit, tmp_path, LayerSource(optical, bands="6,2,3,4"), sar).bands
        assert len(fewer) == 4
        assert np.corrcoef(fewer[0].ravel(), many[5].ravel())[0, 1] > 0.99
