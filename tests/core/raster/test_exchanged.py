"""Layers given for each other are noticed, and layers that are not raise no alarm."""

import numpy as np
import pytest
from osgeo import gdal

from .layers import layer, run


@pytest.fixture
def alarms(kit, tmp_path):
    """What is said of an optical and a SAR layer as regards their exchange."""

    def said(reference, moving) -> list[str]:
        return [note for note in run(kit, tmp_path, reference, moving).notes if "exchanged" in note]

    return said


def in_db(kit, path, grid):
    truth = kit.pattern(kit.centres(grid), 900.0)
    noise = np.random.default_rng(0).gamma(4, 0.25, truth.shape)
    return kit.write(path, (truth / 10 - 20 + 10 * np.log10(noise)).astype(np.float32), grid)


def test_layers_in_their_places_raise_no_alarm(kit, tmp_path, pair, alarms):
    optical, sar, grid = pair
    assert alarms(optical, sar) == []
    assert alarms(optical, in_db(kit, tmp_path / "db.tif", grid)) == []


def test_a_grey_optical_layer_raises_none_either(kit, tmp_path, pair, alarms):
    grey = kit.write(tmp_path / "grey.tif", gdal.Open(pair[0]).ReadAsArray()[0], pair[2])
    assert alarms(grey, pair[1]) == []


def test_colours_of_the_sar_layer_are_noticed(pair, alarms):
    optical, sar, _ = pair
    (note,) = alarms(sar, optical)
    assert "'opt.tif', given as the SAR layer, has red, green and blue bands" in note


def test_decibels_of_the_optical_layer_are_noticed(kit, tmp_path, pair, alarms):
    optical, _, grid = pair
    grey = kit.write(tmp_path / "grey.tif", gdal.Open(optical).ReadAsArray()[0], grid)
    (note,) = alarms(in_db(kit, tmp_path / "db.tif", grid), grey)
    assert "'db.tif', given as the optical layer, has values below zero in" in note


def test_colour_images_on_both_sides_are_not(kit, tmp_path, pair, alarms):
    """SAR images are often saved as displays of three equal bands."""
    optical, _, grid = pair
    assert alarms(optical, layer(kit, tmp_path / "display.tif", grid)) == []
