"""What a run will do, said before it does it."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from osgeo import gdal, osr
from sarto.core.contract import (
    InputError,
    LayerSource,
    MatchOptions,
    OptionError,
    OutputOptions,
    RegisterJob,
    Reporter,
)
from sarto.core.matching import TRAITS, Traits, create
from sarto.core.pipeline import STAGES, Overall, display_limits, foresee, register
from sarto.core.pipeline.foresight import stages_of


def job_of(scene, **changes: object) -> RegisterJob:
    return replace(RegisterJob(LayerSource(str(scene.optical)), LayerSource(str(scene.sar))), **changes)


def test_sample_scene(sample_scene) -> None:
    forecast = foresee(job_of(sample_scene))
    assert forecast.gsd_text == "10 m"
    assert forecast.reference_grid.shape == (768, 768)
    assert forecast.overlap_km2 == pytest.approx(forecast.overlap_pixels * 1e-4, rel=2e-3)
    assert forecast.seconds > 0


def test_area_in_degrees_is_measured_on_the_ground(tmp_path) -> None:
    """One degree by one degree at 60° north has about half the area that it has at the equator."""
    areas = []
    for name, top in (("equator", 0.5), ("north", 60.5)):
        path = tmp_path / f"{name}.tif"
        raster = gdal.GetDriverByName("GTiff").Create(str(path), 200, 200, 1)
        raster.SetGeoTransform((10, 0.005, 0, top, 0, -0.005))
        crs = osr.SpatialReference()
        crs.ImportFromEPSG(4326)
        raster.SetProjection(crs.ExportToWkt())
        del raster
        layer = LayerSource(str(path))
        forecast = foresee(RegisterJob(layer, layer))
        assert forecast.gsd_text == "0.005°"
        areas.append(forecast.overlap_km2)
    assert areas[0] == pytest.approx(12309, rel=0.01)  # 111.32 km × 110.57 km
    assert areas[1] / areas[0] == pytest.approx(0.5, abs=0.02)


def test_area_of_interest_counts(sample_scene) -> None:
    whole = foresee(job_of(sample_scene))
    xmin, ymin, xmax, ymax = whole.reference_grid.bounds()
    x, y = (xmin + xmax) / 2, (ymin + ymax) / 2
    triangle = f"POLYGON(({xmin} {ymin},{x} {ymin},{xmin} {y},{xmin} {ymin}))"
    part = foresee(job_of(sample_scene, area=triangle))
    assert part.overlap_km2 == pytest.approx((xmax - xmin) * (ymax - ymin) / 8e6, rel=0.02)
    assert part.overlap_pixels == pytest.approx(whole.overlap_pixels / 8, rel=0.05)
    assert part.seconds < whole.seconds


def test_images_without_crs(tmp_path) -> None:
    for name in ("a", "b"):
        gdal.GetDriverByName("PNG").CreateCopy(str(tmp_path / f"{name}.png"), _plain(300, 200))
    forecast = foresee(RegisterJob(LayerSource(str(tmp_path / "a.png")), LayerSource(str(tmp_path / "b.png"))))
    assert math.isnan(forecast.overlap_km2)
    assert forecast.gsd_text == "1 px"


def _plain(width: int, height: int):
    raster = gdal.GetDriverByName("MEM").Create("", width, height, 1)
    raster.GetRasterBand(1).WriteArray(np.arange(width * height).reshape(height, width) % 251)
    return raster


def test_errors_are_those_of_the_run(sample_scene) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        foresee(job_of(sample_scene, moving=LayerSource("/nowhere/sar.tif")))
    with pytest.raises(OptionError, match="points"):
        foresee(job_of(sample_scene, match=MatchOptions(points=1)))


@pytest.mark.slow
def test_all_stages_of_a_run_are_known_and_in_order(sample_scene, tmp_path) -> None:
    seen: list[str] = []
    job = job_of(
        sample_scene,
        match=MatchOptions(method="structural", points=60),
        output=OutputOptions(directory=str(tmp_path / "out")),
    )
    register(job, create("structural"), Reporter(on_progress=lambda stage, _f: seen.append(stage)))
    known = [stage for stage, _ in STAGES]
    order = [known.index(stage) for stage in dict.fromkeys(seen) if stage != "Done"]
    assert order == sorted(order)
    assert len(order) >= len(known) - 2  # the worker's start, and one that small scenes skip


def test_shares_sum_to_one_and_progress_never_goes_back() -> None:
    assert sum(share for _, share in STAGES) == pytest.approx(1.0)
    overall = Overall(10.0)
    last = 0.0
    for stage, fraction in (
        ("Reading the SAR layer", 0.5),
        ("Reading the optical layer", 0.1),
        ("?", 1),
        ("Done", 1),
    ):
        now, left = overall.update(stage, fraction)
        assert now >= last
        assert left >= 0
        last = now
    assert last == 1.0


def test_time_left_follows_what_is_seen(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    overall = Overall(1000.0)  # far too much
    overall.update("Starting the engine", 0.0)
    now[0] = 9.0
    share, left = overall.update("Writing the report", 0.0)
    assert share > 0.9
    assert left < 100
    assert math.isnan(Overall().update("Reading the optical layer", 0.0)[1])


def test_a_slower_method_takes_longer_and_only_for_the_matching(sample_scene, monkeypatch) -> None:
    monkeypatch.setitem(TRAITS, "slow", Traits("Slow", pace=5.0))
    quick, slow = (
        foresee(job_of(sample_scene, match=MatchOptions(method=name))).seconds for name in ("structural", "slow")
    )
    assert 2 * quick < slow < 5 * quick
    stages = dict(stages_of("slow"))
    assert list(stages) == [stage for stage, _ in STAGES]
    assert sum(stages.values()) == pytest.approx(1.0)
    assert stages["Matching tie points"] > 1.5 * dict(STAGES)["Matching tie points"]
    assert dict(stages_of("structural")) == pytest.approx(dict(STAGES))


def test_the_bar_moves_evenly_with_a_slow_method(monkeypatch) -> None:
    monkeypatch.setitem(TRAITS, "slow", Traits("Slow", pace=9.0))
    before = Overall().update("Matching tie points", 0.0)[0]
    assert Overall(method="slow").update("Searching the position", 0.0)[0] < 0.12
    assert Overall(method="slow").update("Fitting the transform", 0.0)[0] > 0.9
    assert Overall().update("Fitting the transform", 0.0)[0] > before


def test_display_limits(tmp_path) -> None:
    path = tmp_path / "a.tif"
    raster = gdal.GetDriverByName("GTiff").Create(str(path), 100, 100, 2, gdal.GDT_Float32)
    values = np.linspace(0, 100, 10_000, dtype=np.float32).reshape(100, 100)
    values[0, :50] = -9999
    raster.GetRasterBand(1).WriteArray(values)
    raster.GetRasterBand(1).SetNoDataValue(-9999)
    raster.GetRasterBand(2).WriteArray(np.full((100, 100), np.nan))
    del raster
    (low, high), empty = display_limits(str(path))
    assert low == pytest.approx(2, abs=0.7)
    assert high == pytest.approx(98, abs=0.7)
    assert all(math.isnan(value) for value in empty)
