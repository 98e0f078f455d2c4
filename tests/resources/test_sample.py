"""The generated sample scene: the same every time, and misregistered as `truth.json` says."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from osgeo import gdal
from sarto.core.contract import Grid
from sarto.resources.sample.generate import generate, views
from sarto.resources.sample.landscape import Cover, build
from sarto.resources.sample.surface import draw
from sarto.resources.sample.terrain import SUPERSAMPLING


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sample")
    generate(directory)
    return directory


def opened(path):
    dataset = gdal.Open(str(path))
    grid = Grid(dataset.RasterXSize, dataset.RasterYSize, dataset.GetGeoTransform(), dataset.GetProjection())
    return np.atleast_3d(dataset.ReadAsArray()), grid


def sar_position(truth, optical_grid, sar_grid, places):
    """True optical pixels (N, 2) → SAR pixels (N, 2), by the truth and both files' georeference."""
    matrix = np.array(truth["matrix"])
    return sar_grid.to_pixel(optical_grid.to_world(places @ matrix[:, :2].T + matrix[:, 2]))


def test_files(scene):
    optical, optical_grid = opened(scene / "sample_optical.tif")
    sar, sar_grid = opened(scene / "sample_sar.tif")
    assert optical.dtype == np.uint8
    assert optical.shape == (3, 768, 768)
    assert optical.min() > 0
    assert sar.dtype == np.float32
    assert sar.shape[0] == 2
    assert (sar > 0).all()
    assert 'AUTHORITY["EPSG","32633"]' in optical_grid.crs
    assert optical_grid.crs == sar_grid.crs
    assert optical_grid.gsd == sar_grid.gsd == 10.0
    assert sar_grid.geotransform[2] == sar_grid.geotransform[4] == 0  # not rotated
    assert sum(path.stat().st_size for path in scene.iterdir()) < 6e6


def test_sar_covers_the_optical_footprint(scene):
    _, optical_grid = opened(scene / "sample_optical.tif")
    _, sar_grid = opened(scene / "sample_sar.tif")
    truth = json.loads((scene / "truth.json").read_text())
    corners = np.array([[0.0, 0], [767, 0], [767, 767], [0, 767]])
    found = sar_position(truth, optical_grid, sar_grid, corners)
    assert (found > 10).all()
    assert (found < np.array([sar_grid.width, sar_grid.height]) - 10).all()


def test_same_seed_same_scene_other_seed_other_scene(scene, tmp_path):
    generate(tmp_path / "again")
    generate(tmp_path / "other", seed=8)
    for name in ("sample_optical.tif", "sample_sar.tif"):
        first, _ = opened(scene / name)
        again, _ = opened(tmp_path / "again" / name)
        other, _ = opened(tmp_path / "other" / name)
        np.testing.assert_array_equal(first, again)
        assert (first != other).mean() > 0.5


def test_both_sensors_see_the_same_ground():
    land = build(7)
    optical, sar = (draw(land, view) for view in views())
    rng = np.random.default_rng(0)
    places = rng.integers(0, optical.x.shape[0], (20_000, 2))
    ground = np.column_stack([optical.x[tuple(places.T)], optical.y[tuple(places.T)]])
    column, row = np.round(views()[1].to_sub(ground)).astype(int).T
    assert np.abs(sar.x[row, column] - ground[:, 0]).max() < 1 / SUPERSAMPLING
    assert np.abs(sar.y[row, column] - ground[:, 1]).max() < 1 / SUPERSAMPLING
    assert (optical.cover[tuple(places.T)] == sar.cover[row, column]).mean() > 0.9


def test_truth_aligns_the_lake(scene):
    """The lake is dark for the radar where the landscape has it, and not some pixels beside."""
    truth = json.loads((scene / "truth.json").read_text())
    _, optical_grid = opened(scene / "sample_optical.tif")
    sar, sar_grid = opened(scene / "sample_sar.tif")
    surface = draw(build(7), views()[0])
    water = cv2.resize((surface.cover == Cover.WATER).astype(np.float32), (768, 768), interpolation=cv2.INTER_AREA)
    db = cv2.GaussianBlur(10 * np.log10(sar[0]), (0, 0), 1.0)
    rows, columns = np.mgrid[480:620, 120:340]
    places = np.column_stack([columns.ravel(), rows.ravel()]).astype(float)

    def correlation(shift):
        x, y = sar_position(truth, optical_grid, sar_grid, places + shift).astype(np.float32).T
        seen = cv2.remap(db, x.reshape(rows.shape), y.reshape(rows.shape), cv2.INTER_LINEAR)
        return -np.corrcoef(seen.ravel(), water[480:620, 120:340].ravel())[0, 1]

    at_truth = correlation(np.zeros(2))
    assert at_truth > 0.8
    for shift in ([2, 0], [-2, 0], [0, 2], [0, -2]):
        assert correlation(np.array(shift, dtype=float)) < at_truth


def test_contrast_differs_between_the_sensors(scene):
    """Grey values alone must not give the answer away."""
    truth = json.loads((scene / "truth.json").read_text())
    optical, optical_grid = opened(scene / "sample_optical.tif")
    sar, sar_grid = opened(scene / "sample_sar.tif")
    rows, columns = np.mgrid[10:758, 10:758]
    x, y = sar_position(
        truth, optical_grid, sar_grid, np.column_stack([columns.ravel(), rows.ravel()]).astype(float)
    ).T.astype(np.float32)
    db = cv2.remap(10 * np.log10(sar[0]), x.reshape(rows.shape), y.reshape(rows.shape), cv2.INTER_LINEAR)
    grey = optical.mean(axis=0)[10:758, 10:758]
    assert abs(np.corrcoef(db.ravel(), grey.ravel())[0, 1]) < 0.35
