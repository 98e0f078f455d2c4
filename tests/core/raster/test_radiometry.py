"""From values to 8 bit: kinds of SAR values, dB, stretch; the speckle filter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sarto.core.contract import InputError, LayerSource
from sarto.core.raster import Scene
from sarto.core.raster.radiometry import (
    db_unit,
    detect_sar_kind,
    find_fill,
    power_to_db,
    stretch_limits,
    to_power,
    to_uint8,
)
from sarto.core.raster.speckle import MARGIN, estimate_looks, refined_lee

MAKE = {
    "power": lambda p: p,
    "noise-corrected power": lambda p: p - np.float32(0.004),
    "amplitude": lambda p: (np.sqrt(p) * 700).astype(np.uint16),
    "int16 amplitude": lambda p: (np.sqrt(p) * 700).astype(np.int16),
    "float amplitude": lambda p: np.sqrt(p) * 700,
    "db": lambda p: 10 * np.log10(p),
    "int16 db": lambda p: (1000 * np.log10(p)).astype(np.int16),
    "raw db": lambda p: 20 * np.log10(np.sqrt(p) * 700),
    "8bit": lambda p: np.clip(10 * np.log10(p) * 6 + 200, 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("looks", [1, 4, 20])
@pytest.mark.parametrize("seed", [0, 1])
def test_kinds_are_told_apart(kit, name, looks, seed):
    values = MAKE[name](kit.speckled((256, 256), looks, seed))
    assert detect_sar_kind(values) == name.split()[-1]


REAL = {
    "san_antonio_s1": "8bit", "sen12mscr_1970_s1": "db", "terramind_433D_629L_3_1_s1": "db",
    "terramind_637U_59R_1_3_s1": "db",
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_real_scenes_are_told_apart(scene_file, name, untouched):
    untouched(scene_file(name))
    scene = Scene(LayerSource(scene_file(name)), "SAR")
    values, valid = scene.read(scene.grid)
    assert detect_sar_kind(values[:, valid], scene.dtype) == REAL[name]


def to_db(values, kind, unit=1.0):
    """As preparation does it."""
    return power_to_db(to_power(values, kind, unit), kind)


@given(st.floats(1e-6, 1e3), st.sampled_from(["power", "amplitude", "db"]))
def test_db_of_every_kind_agrees(power, kind):
    value = {"power": power, "amplitude": np.sqrt(power), "db": 10 * np.log10(power)}[kind]
    assert to_db(np.array([value]), kind)[0] == pytest.approx(10 * np.log10(power), abs=1e-4)
    assert to_power(np.array([value]), kind)[0] == pytest.approx(power, rel=1e-4)


def test_zero_and_negative_power_are_invalid():
    values = np.array([0.0, -1.0, np.nan, np.inf, 2.0])
    assert list(np.isfinite(to_db(values, "power"))) == [False, False, False, False, True]
    assert list(np.isfinite(to_db(values, "amplitude"))) == [False, False, False, False, True]
    assert list(np.isfinite(to_db(values, "db"))) == [True, True, False, False, True]


def test_scaled_db(kit):
    values = MAKE["int16 db"](kit.speckled((64, 64)))
    assert db_unit(values) == 100
    np.testing.assert_allclose(to_db(values, "db", 100), values / 100, rtol=1e-3, atol=1e-3)


@given(st.integers(0, 2**32 - 1))
def test_stretch_keeps_zero_for_nodata(seed):
    rng = np.random.default_rng(seed)
    values, valid = rng.normal(size=(9, 9)) * 10.0 ** rng.integers(-5, 5), rng.random((9, 9)) > 0.3
    valid[0, :2] = True
    low, high = stretch_limits(values, valid, 1, 99, "a")
    image = to_uint8(np.where(valid, values, np.nan), valid, low, high)
    assert np.array_equal(image > 0, valid)
    assert image[valid].min() == 1
    assert image[valid].max() == 255
    order = np.argsort(values[valid])
    assert (np.diff(image[valid][order].astype(int)) >= 0).all()


def test_constant_and_empty_layers_are_named():
    ones = np.ones((8, 8))
    with pytest.raises(InputError, match=r"'Lake' is constant.*are 1\."):
        stretch_limits(ones, ones > 0, 1, 99, "Lake")
    with pytest.raises(InputError, match="'Lake' has no valid pixels"):
        stretch_limits(ones, ones > 1, 1, 99, "Lake")


def test_areas_of_zeros_are_fill_but_dark_pixels_are_not(kit):
    values = np.random.default_rng(0).integers(0, 20, (1, 100, 100)).astype(float)
    valid = np.ones((100, 100), bool)
    assert find_fill(values, valid) is None
    values[:, :, :30] = 0
    assert find_fill(np.zeros_like(values), valid) is None
    assert find_fill(values + (np.arange(100) >= 30), valid) == 0


LOWEST = float(np.finfo(np.float32).min)


@pytest.mark.parametrize("fill", [-9999.0, -32768.0, LOWEST, 1e20, -999.0, 65535.0])
@pytest.mark.parametrize("kind", ["power", "db", "amplitude", "float amplitude"])
def test_far_values_in_areas_are_fill(kit, fill, kind):
    values = MAKE[kind](kit.speckled((200, 200))).astype(np.float32)[None]
    valid = np.ones((200, 200), bool)
    assert find_fill(values, valid) is None
    values[:, 20:60, 30:190] = fill
    values[:, 19, 30:190] = (fill + values[:, 18, 30:190]) / 2  # a blend at the edge
    assert find_fill(values, valid, "Float32") == pytest.approx(fill)
    assert find_fill(values, valid, "Byte") is None


def test_clipped_and_bright_pixels_are_not_fill(kit):
    db = MAKE["db"](kit.speckled((200, 200)))[None]
    valid = np.ones((200, 200), bool)
    water = db.copy()
    water[:, :80] = -25
    assert find_fill(np.clip(water, -25, 0), valid) is None
    bright = 10 ** (db / 10)
    bright[:, ::37, ::41] = 5000.0
    assert find_fill(bright, valid) is None
    usual = np.random.default_rng(1).integers(-20000, 20000, (1, 200, 200)).astype(np.float32)
    usual[usual < -9999] = -9999
    assert find_fill(usual, valid, "Int16") is None


def test_speckle_filter_smooths_even_areas_and_keeps_the_mean():
    rng = np.random.default_rng(0)
    power = rng.gamma(4, 0.25, (200, 200)).astype(np.float32)
    valid = np.ones_like(power, bool)
    smooth = refined_lee(power, valid, 4.0)

    def enl(image):
        return image.mean() ** 2 / image.var()

    assert enl(smooth) > 4 * enl(power)
    assert smooth.mean() == pytest.approx(power.mean(), rel=0.02)
    assert 3.5 < estimate_looks(power, valid) < 7


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("slope", [0, 1, -1])
def test_speckle_filter_keeps_edges_in_place(turn, slope):
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:120, :120]
    bright = columns - slope * (rows - 60) >= 60
    scene = np.where(bright, 8.0, 1.0)
    power = np.rot90(scene * rng.gamma(4, 0.25, scene.shape), turn)
    smooth = np.rot90(refined_lee(power, np.ones_like(power, bool), 4.0), -turn)
    offset = columns - slope * (rows - 60) - 60
    inner = (rows > 20) & (rows < 100) & (abs(slope * (rows - 60)) < 40)
    means = np.array([smooth[inner & (offset == d)].mean() for d in range(-6, 6)])
    crossing = np.interp(4.5, means, np.arange(-6, 6))
    assert crossing == pytest.approx(-0.5, abs=0.25)
    assert means[4] < 2.2
    assert means[7] > 6


def test_speckle_filter_ignores_nodata_and_is_block_safe():
    rng = np.random.default_rng(2)
    power = rng.gamma(4, 0.25, (90, 80)).astype(np.float32)
    valid = rng.random(power.shape) > 0.1
    valid[30:50, 20:40] = False
    whole = refined_lee(np.where(valid, power, np.nan), valid, 4.0)
    assert np.array_equal(np.isfinite(whole), valid)
    assert np.array_equal(whole, refined_lee(np.where(valid, power, 1e9), valid, 4.0), equal_nan=True)
    m = MARGIN
    part = refined_lee(power[20 - m : 60 + m, 10 - m : 70 + m], valid[20 - m : 60 + m, 10 - m : 70 + m], 4.0)
    np.testing.assert_allclose(part[m:-m, m:-m], whole[20:60, 10:70], rtol=1e-5)
