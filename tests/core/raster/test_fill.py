"""Fill that a file does not declare is taken for NoData."""

import numpy as np
import pytest
from osgeo import gdal

from .layers import run


def test_undeclared_fill_is_nodata(kit, tmp_path, pair):
    _, sar, grid = pair
    values = kit.pattern(kit.centres(grid), 900).astype(np.uint8)
    values[:, :90] = 0
    result = run(kit, tmp_path, kit.write(tmp_path / "f.tif", values, grid), sar)
    assert np.array_equal(result.reference > 0, values > 0)
    assert any("zeros are taken for NoData" in note for note in result.notes)


@pytest.mark.parametrize("fill", [-9999.0, -32768.0, float(np.finfo(np.float32).min)])
@pytest.mark.parametrize("gsd", [None, 23.0])
def test_other_undeclared_fill_is_nodata_and_does_not_decide_the_kind(kit, tmp_path, pair, fill, gsd):
    optical, sar, grid = pair
    values = 10 * np.log10(gdal.Open(sar).ReadAsArray())
    values[:130, :60] = fill
    path = kit.write(tmp_path / "f.tif", values, grid)
    result = run(kit, tmp_path, optical, path, gsd=gsd)
    whole = run(kit, tmp_path / "w", optical, kit.write(tmp_path / "d.tif", values, grid, nodata=fill), gsd=gsd)
    assert np.array_equal(result.moving, whole.moving)
    assert not result.moving[5:50, 5:20].any()
    assert any("look like dB" in note for note in result.notes)
    assert any(f"areas of {fill:.6g} are taken for NoData" in note for note in result.notes)


def test_undeclared_fill_of_scaled_integers(kit, tmp_path, pair):
    optical, sar, grid = pair
    values = (1000 * np.log10(gdal.Open(sar).ReadAsArray())).astype(np.int16)
    values[:, :90] = -32768
    path = kit.write(tmp_path / "f.tif", values, grid)
    dataset = gdal.Open(path, gdal.GA_Update)
    dataset.GetRasterBand(1).SetScale(0.01)
    dataset.GetRasterBand(1).SetOffset(-3.0)
    del dataset
    assert np.array_equal(run(kit, tmp_path, optical, path).moving > 0, values > -32768)


def test_fill_beside_a_declared_nan_is_nodata_too(kit, tmp_path, pair):
    optical, sar, grid = pair
    values = 10 * np.log10(gdal.Open(sar).ReadAsArray())
    values[:130, :60], values[:40, 100:] = -9999.0, np.nan
    path = kit.write(tmp_path / "f.tif", values, grid, nodata=float("nan"))
    result = run(kit, tmp_path, optical, path)
    assert not result.moving[5:50, 5:20].any()
    assert result.fills == (None, -9999.0)
    assert any("areas of -9999 are taken for NoData" in note for note in result.notes)


def test_fill_beside_another_declared_value_is_told(kit, tmp_path, pair):
    optical, sar, grid = pair
    values = 10 * np.log10(gdal.Open(sar).ReadAsArray())
    values[:130, :60], values[:40, 100:] = -9999.0, 0.0
    path = kit.write(tmp_path / "f.tif", values, grid, nodata=0.0)
    result = run(kit, tmp_path, optical, path)
    assert result.fills == (None, None)
    assert any("declares 0 as NoData, but has areas of -9999, too" in note for note in result.notes)
