"""Land use through a whole run: layer and named classes reach the method in the worker; what is not heeded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, osr
from sarto.core.contract import (
    InputError,
    LayerSource,
    MatchOptions,
    OptionError,
    OutputError,
    OutputOptions,
    RegisterJob,
    RegisterResult,
    from_dict,
)
from sarto.core.matching import METHODS, TRAITS, Traits, create, methods_with
from sarto.core.matching.land_use import CLASSES
from sarto.core.pipeline import (
    Review,
    apply_edits,
    check_hints,
    class_names,
    class_text,
    foresee,
    known_classes,
    register,
    register_in_worker,
)

FOREST, CROPS, WATER = 10, 40, 80  # of ESA WorldCover


@pytest.fixture
def cover(sample_scene, tmp_path) -> Path:
    """Forest in the west, crops in the middle, water in the east of the sample scene, in degrees."""
    optical = gdal.Open(str(sample_scene.optical))
    x0, gsd, _, y0, _, _ = optical.GetGeoTransform()
    side = optical.RasterXSize * gsd
    degrees, own = osr.SpatialReference(), osr.SpatialReference()
    degrees.ImportFromEPSG(4326)
    own.ImportFromWkt(optical.GetProjection())
    for reference in (degrees, own):
        reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    there = osr.CoordinateTransformation(own, degrees)
    corners = [there.TransformPoint(x0 + i * side, y0 - j * side)[:2] for i in (0, 1) for j in (0, 1)]
    (west, south), (east, north) = np.min(corners, axis=0) - 0.003, np.max(corners, axis=0) + 0.003
    step = 0.0002
    columns, rows = round((east - west) / step), round((north - south) / step)
    lon, lat = np.meshgrid(west + (np.arange(columns) + 0.5) * step, north - (np.arange(rows) + 0.5) * step)
    back = osr.CoordinateTransformation(degrees, own)
    x = np.array(back.TransformPoints(np.stack([lon.ravel(), lat.ravel()], axis=1)))[:, 0].reshape(lon.shape)
    codes = np.select([x < x0 + side / 4, x < x0 + side / 2], [FOREST, CROPS], WATER).astype(np.uint8)
    path = tmp_path / "cover.tif"
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), columns, rows, 1, gdal.GDT_Byte)
    dataset.SetGeoTransform((west, step, 0, north, 0, -step))
    dataset.SetProjection(degrees.ExportToWkt())
    dataset.GetRasterBand(1).WriteArray(codes)
    return path


def job_of(scene, cover: Path | None, out: Path | str = "", method: str = "reader", **match) -> RegisterJob:
    return RegisterJob(
        LayerSource(str(scene.optical)),
        LayerSource(str(scene.sar)),
        match=MatchOptions(method=method, points=60, **match),
        output=OutputOptions(directory=str(out)),
        land_use_layer=None if cover is None else LayerSource(str(cover)),
    )


def test_the_layer_reaches_the_method_in_the_worker_on_the_right_grid(sample_scene, cover, reader_python) -> None:
    result = register_in_worker(job_of(sample_scene, cover), reader_python, kinds=())
    told = result.steps["land_use"]
    grid = result.reference_grid
    assert told["shape"] == [grid.height, grid.width]
    values = {name: CLASSES.index(name) + 1 for name in CLASSES}
    found = dict(zip(CLASSES, told["shares"]))
    assert found == pytest.approx(
        dict.fromkeys(CLASSES, 0.0) | {"forest": 0.25, "farmland": 0.25, "water": 0.5}, abs=0.01
    )
    along = told["middle"][:8]
    assert along[0] == along[1] == values["forest"]
    assert along[3] == values["farmland"]
    assert along[5:8] == [values["water"]] * 3
    note = "Land use from 'cover.tif': legend of ESA WorldCover, told by its codes or its name; known for 100 %"
    assert any(line.startswith(note) for line in result.notes)
    assert result.steps["named"] == []


def test_an_area_of_interest_and_another_pixel_size(sample_scene, cover, reader) -> None:
    optical = gdal.Open(str(sample_scene.optical))
    x0, gsd, _, y0, _, _ = optical.GetGeoTransform()
    x1, y1 = x0 + 300 * gsd, y0 - 400 * gsd
    area = f"POLYGON(({x0} {y0}, {x1} {y0}, {x1} {y1}, {x0} {y1}, {x0} {y0}))"
    job = replace(job_of(sample_scene, cover, legend="worldcover"), area=area, gsd=2 * gsd)
    result = register(job, create("reader"), kinds=())
    told = result.steps["land_use"]
    assert tuple(told["shape"]) == result.reference_grid.shape == (200, 150)
    share = optical.RasterXSize / 4 / 300
    assert told["shares"][CLASSES.index("forest")] == pytest.approx(share, abs=0.02)


def test_classes_that_are_named(sample_scene, reader) -> None:
    result = register(job_of(sample_scene, None, land_use="Water, farmland"), create("reader"), kinds=())
    assert result.steps["named"] == ["farmland", "water"]
    assert result.steps["land_use"] is None


def test_words_there_and_back() -> None:
    assert list(known_classes()) == list(CLASSES)
    assert class_names("auto") == ()
    assert class_text(class_names("water, road")) == "water,road"
    assert class_text(()) == "auto"


@pytest.mark.parametrize("text", ["watr", "water,mars"])
def test_an_unknown_class_is_said_before_anything_is_read(text: str, sample_scene) -> None:
    job = replace(job_of(sample_scene, None, land_use=text), reference=LayerSource("/nowhere/a.tif"))
    for act in (foresee, lambda job: register(job, None), lambda job: check_hints(job.match)):
        with pytest.raises(OptionError, match="Land use"):
            act(job)


def test_a_method_that_reads_none_is_noted_and_the_layer_not_opened(sample_scene, tmp_path) -> None:
    job = job_of(sample_scene, tmp_path / "nothing.tif", method="structural", land_use="water")
    result = register(job, create("structural"), kinds=())
    for what in ("land-cover layer", "named land use"):
        assert f"The {what} was not used: the method 'structural' reads no land use." in result.notes
    assert foresee(job).seconds > 0


def test_a_layer_that_cannot_be_used_is_foreseen(sample_scene, reader, tmp_path) -> None:
    job = job_of(sample_scene, tmp_path / "nothing.tif")
    for act in (foresee, lambda job: register(job, None, kinds=())):
        with pytest.raises(InputError, match=r"nothing\.tif"):
            act(job)


def test_codes_of_two_legends_ask_for_the_option(sample_scene, cover, reader) -> None:
    dataset = gdal.OpenEx(str(cover), gdal.OF_UPDATE)
    band = dataset.GetRasterBand(1)
    band.WriteArray(np.where(band.ReadAsArray() == WATER, 1, 4).astype(np.uint8))
    band = dataset = None
    job = job_of(sample_scene, cover)
    with pytest.raises(OptionError) as caught:
        register(job, None, kinds=())
    assert "Option 'legend' is 'auto'" in caught.value.message
    chosen = replace(job, match=replace(job.match, legend="dynamicworld"))
    shares = register(chosen, create("reader"), kinds=()).steps["land_use"]["shares"]
    assert shares[CLASSES.index("forest")] == pytest.approx(0.5, abs=0.01)
    named = cover.with_name("U2018_CLC2018_V2020.tif")
    cover.rename(named)
    shares = register(job_of(sample_scene, named), create("reader"), kinds=()).steps["land_use"]["shares"]
    assert shares[CLASSES.index("road")] == pytest.approx(0.5, abs=0.01)


def test_the_record_repeats_it_and_edits_do_not_need_it(
    sample_scene, cover, reader, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(cover.parent)
    job = job_of(sample_scene, Path(cover.name), tmp_path / "a")
    result = register(job, create("reader"))
    stored = json.loads(Path(result.files["record"]).read_text(encoding="utf-8"))
    again = from_dict(RegisterResult, stored).job
    assert again.land_use_layer == LayerSource(str(cover))
    assert "cover.tif" in Path(result.files["report"]).read_text(encoding="utf-8")
    cover.unlink()
    review = Review.load(Path(result.files["record"]))
    review.set_enabled([0], False)
    assert Path(apply_edits(review.edited(), str(tmp_path / "b")).files["aligned"]).is_file()


def test_the_layer_is_never_written_over(sample_scene, cover, reader) -> None:
    aligned = cover.rename(cover.with_name("aligned.tif"))
    job = job_of(sample_scene, aligned, aligned.parent)
    before = aligned.read_bytes()
    with pytest.raises(OutputError):
        register(replace(job, output=replace(job.output, overwrite=True)), create("reader"))
    assert aligned.read_bytes() == before


def test_methods_by_their_traits(monkeypatch) -> None:
    monkeypatch.setitem(METHODS, "surveyor", "surveyor:Surveyor")
    assert "surveyor" not in methods_with("reads_land_use")
    monkeypatch.setitem(TRAITS, "surveyor", Traits("Surveyor", reads_land_use=True))
    assert "surveyor" in methods_with("reads_land_use")
    assert "surveyor" not in methods_with("reads_text")
