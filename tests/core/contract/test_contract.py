"""The contract: coordinates, options, JSON."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sarto.core.contract import (
    CHECK,
    GCP,
    RANGES,
    Cancelled,
    EngineError,
    GcpTable,
    Grid,
    InputError,
    LayerSource,
    MatchOptions,
    ModelOptions,
    OptionError,
    OutputOptions,
    PreparedPair,
    RadiometryOptions,
    RegisterJob,
    Reporter,
    SearchRange,
    check_options,
    error_from_code,
    from_dict,
    to_dict,
)

UTM = Grid(200, 100, (500000.0, 10.0, 0.0, 5000000.0, 0.0, -10.0), "EPSG:32633")


def test_the_first_pixels_centre_is_at_zero() -> None:
    assert np.allclose(UTM.to_world([[0, 0]]), [[500005, 4999995]])
    assert np.allclose(UTM.corners()[0], [500000, 5000000])
    assert np.allclose(UTM.corners()[2], [502000, 4999000])
    assert UTM.bounds() == (500000, 4999000, 502000, 5000000)


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(0.1, 100), st.floats(-3.1, 3.1), st.floats(-1e7, 1e7))
def test_world_and_back(x: float, y: float, gsd: float, angle: float, origin: float) -> None:
    c, s = gsd * math.cos(angle), gsd * math.sin(angle)
    grid = Grid(10, 10, (origin, c, s, -origin, s, -c))
    assert np.allclose(grid.to_pixel(grid.to_world([[x, y]])), [[x, y]], atol=1e-4)
    assert grid.gsd == pytest.approx(gsd)


@pytest.mark.parametrize("gsd", [10.0, 20.0, 33.0, 4.0])
def test_resampling_keeps_the_footprint(gsd: float) -> None:
    assert np.allclose(UTM.resampled(gsd).corners(), UTM.corners())


def test_a_grid_through_a_lattice_shows_the_same_world() -> None:
    grid = Grid(100, 60, (300_000.0, 9.0, 2.0, 5e6, 2.0, -9.0), "EPSG:32632")
    lattice = np.array([[8.0, 1.0, 3.5], [-1.0, 8.0, 40.25]])
    cells = grid.through(lattice, 12, 7)
    assert (cells.width, cells.height, cells.crs) == (12, 7, grid.crs)
    points = np.array([[0.0, 0.0], [11.0, 2.0], [3.0, 6.0]])
    there = points @ lattice[:, :2].T + lattice[:, 2]
    np.testing.assert_allclose(cells.to_world(points), grid.to_world(there), atol=1e-7)
    assert grid.through(np.eye(2, 3), 100, 60) == grid


def test_a_window_shows_the_same_world() -> None:
    window = UTM.window(30, 20, 50, 40)
    assert np.allclose(window.to_world([[0, 0]]), UTM.to_world([[30, 20]]))
    assert window.shape == (40, 50)


@pytest.mark.parametrize("text", sorted(RANGES))
def test_range_presets(text: str) -> None:
    assert SearchRange.parse(text) == RANGES[text]


def test_range_in_pixels() -> None:
    search = SearchRange.parse("37.5")
    assert search.max_shift(1000, 500) == 37.5
    assert search.rotation_deg == RANGES["georef"].rotation_deg
    assert RANGES["georef"].max_shift(1000, 500) == pytest.approx(90)


@pytest.mark.parametrize("text", ["", "far", "-3", "0", "nan", "1e9"])
def test_bad_ranges_are_refused(text: str) -> None:
    with pytest.raises(OptionError):
        SearchRange.parse(text)


def test_a_job_survives_json() -> None:
    job = RegisterJob(LayerSource("a.tif"), LayerSource("b.tif", bands="VV", nodata=-9999.0), gsd=20.0)
    assert from_dict(RegisterJob, json.loads(json.dumps(to_dict(job)))) == job
    job = dataclasses.replace(job, land_use_layer=LayerSource("cover.tif", nodata=0.0))
    stored = json.loads(json.dumps(to_dict(job)))
    assert from_dict(RegisterJob, stored) == job
    del stored["land_use_layer"]  # of an older version, as are these
    for name in ("land_use", "legend", "keypoints"):
        del stored["match"][name]
    assert from_dict(RegisterJob, stored) == dataclasses.replace(job, land_use_layer=None)


def table() -> GcpTable:
    return GcpTable(
        reference_grid=UTM,
        moving_grid=UTM,
        reference_px=np.array([[1.0, 2.0], [30.5, 40.25]]),
        moving_px=np.array([[3.0, 2.0], [31.5, 42.25]]),
        confidence=np.array([0.9, 0.5]),
        round_trip=np.array([0.1, np.nan]),
        residual_px=np.array([[3.0, 4.0], [np.nan, np.nan]]),
        enabled=np.array([True, False]),
        role=np.array([GCP, CHECK]),
    )


def test_a_gcp_table_survives_json() -> None:
    first = table()
    second = from_dict(GcpTable, json.loads(json.dumps(to_dict(first), allow_nan=False)))
    for field in dataclasses.fields(GcpTable):
        a, b = getattr(first, field.name), getattr(second, field.name)
        if isinstance(a, np.ndarray):
            assert a.dtype.kind == b.dtype.kind
            assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        else:
            assert a == b


def test_displacement_is_true_minus_present_position() -> None:
    assert np.allclose(table().displacement, [[-20, 0], [-10, 20]])
    assert table().residual_length_px[0] == 5
    assert table().residual_length[0] == 50


def test_images_without_crs_have_no_displacement() -> None:
    plain = Grid.of_pixels(200, 100)
    bare = table().with_columns(reference_grid=plain, moving_grid=plain)
    assert np.isnan(bare.displacement).all()
    image = np.ones((100, 200), np.uint8)
    assert not PreparedPair(image, image, plain, plain).is_georeferenced
    assert PreparedPair(image, image, UTM, UTM).is_georeferenced


def test_unknown_fields_are_named() -> None:
    with pytest.raises(InputError, match="colour"):
        from_dict(MatchOptions, {"colour": 3})


def test_errors_cross_the_boundary() -> None:
    error = error_from_code("input", "Layer 'a' is empty.", "Choose another.")
    assert isinstance(error, InputError)
    assert str(error) == "Layer 'a' is empty. Choose another."
    assert isinstance(error_from_code("no such code", "x"), EngineError)


def test_a_cancelled_reporter_raises() -> None:
    with pytest.raises(Cancelled):
        Reporter(is_cancelled=lambda: True).progress("anything", 0.5)


LAYERS = LayerSource("a.tif"), LayerSource("b.tif")


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (MatchOptions(seed=-1), "seed"),
        (MatchOptions(seed=2**31), "seed"),
        (MatchOptions(points=9), "points"),
        (MatchOptions(points=20001), "points"),
        (MatchOptions(points=400.0), "points"),  # type: ignore[arg-type]
        (MatchOptions(points=True), "points"),
        (MatchOptions(range="far"), "far"),
        (MatchOptions(range=None), "range"),  # type: ignore[arg-type]
        (MatchOptions(device="tpu"), "device"),
        (ModelOptions(model="spline"), "model"),
        (ModelOptions(tolerance_px=math.nan), "tolerance_px"),
        (ModelOptions(tolerance_px=0.0), "tolerance_px"),
        (ModelOptions(check_share=0.6), "check_share"),
        (ModelOptions(smoothing=math.inf), "smoothing"),
        (ModelOptions(smoothing="1"), "smoothing"),  # type: ignore[arg-type]
        (RadiometryOptions(sar_kind="sonar"), "sar_kind"),
        (RadiometryOptions(low_percentile=-1), "low_percentile"),
        (RadiometryOptions(low_percentile=60.0, high_percentile=60.0), "high_percentile"),
        (OutputOptions(overwrite="no"), "overwrite"),  # type: ignore[arg-type]
        (RegisterJob(*LAYERS, gsd=0.0), "gsd"),
        (RegisterJob(*LAYERS, land_use_layer="cover.tif"), "land_use_layer"),  # type: ignore[arg-type]
        (MatchOptions(legend="modis"), "legend"),
        (RegisterJob(*LAYERS, gsd=math.nan), "gsd"),
        (RegisterJob(LAYERS[0], LayerSource("b.tif", nodata="x")), "nodata"),  # type: ignore[arg-type]
        (RegisterJob(*LAYERS, match=MatchOptions(points=0)), "points"),
        (RegisterJob(*LAYERS, match=None), "match"),  # type: ignore[arg-type]
    ],
)
def test_options_outside_their_limits_are_named(options: object, name: str) -> None:
    with pytest.raises(OptionError, match=name):
        check_options(options)


def test_options_at_their_limits_are_taken() -> None:
    check_options(RegisterJob(LAYERS[0], LayerSource("b.tif", nodata=math.nan), gsd=10))
    check_options(MatchOptions(points=10, seed=2**31 - 1, range="50"))
    check_options(ModelOptions(tolerance_px=100, check_share=0, smoothing=0))
    check_options(RadiometryOptions(low_percentile=0, high_percentile=100))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"points": "400"}, "points"),
        ({"points": 3.5}, "points"),
        ({"points": True}, "points"),
        ({"points": None}, "points"),
        ({"method": 3}, "method"),
    ],
)
def test_fields_of_another_type_are_named(data: dict[str, object], name: str) -> None:
    with pytest.raises(InputError, match=name):
        from_dict(MatchOptions, data)


def test_more_fields_of_another_type() -> None:
    for kind, data, name in (
        (OutputOptions, {"overwrite": 1}, "overwrite"),
        (ModelOptions, {"tolerance_px": "3"}, "tolerance_px"),
        (ModelOptions, {"tolerance_px": 10**400}, "tolerance_px"),
        (Grid, {"width": 1, "height": 1, "geotransform": "abcdef"}, "geotransform"),
        (RegisterJob, {"reference": {"source": 3}, "moving": {"source": "b"}}, "source"),
    ):
        with pytest.raises(InputError, match=name):
            from_dict(kind, data)
