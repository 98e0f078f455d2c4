"""Scene hint and land cover through a whole run, with a stand-in for a method that reads text."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from sarto.core.contract import (
    InputError,
    LayerSource,
    MatchOptions,
    OptionError,
    OutputError,
    OutputOptions,
    RegisterJob,
    RegisterResult,
    Reporter,
    from_dict,
)
from sarto.core.matching import create, prompts
from sarto.core.pipeline import (
    FILES,
    Review,
    apply_edits,
    check_hints,
    foresee,
    known_scenes,
    register,
    register_in_worker,
    scene_hint,
    scene_names,
)


def job_of(scene, out: Path | str = "", method: str = "reader", hint: str = "auto", land_cover: bool = True):
    return RegisterJob(
        LayerSource(str(scene.optical)),
        LayerSource(str(scene.sar)),
        match=MatchOptions(method=method, scene=hint, points=60),
        output=OutputOptions(directory=str(out), land_cover=land_cover),
    )


def unpainted() -> set[str]:
    """The files of a run that was not asked for a synthetic picture."""
    return set(FILES.values()) - {"synthetic_optical.tif"}


# ── the scene hint ──────────────────────────────────────────────────────────────────────────────────────────


def test_scenes_are_those_of_the_library_by_title() -> None:
    scenes = known_scenes()
    assert scenes["harbour"] == "Harbour"
    assert len(scenes) == len(prompts.load_library().scenes)
    assert list(scenes.values()) == sorted(scenes.values(), key=str.lower)


def test_hints_there_and_back() -> None:
    assert scene_names("auto") == ()
    assert scene_names("Open sea, harbour") == ("open-sea", "harbour")
    assert scene_hint(("harbour", "river")) == "harbour,river"
    assert scene_hint(()) == "auto"


@pytest.mark.parametrize("hint", ["harbor", "harbour,mars", "auto,harbour"])
def test_an_unknown_scene_is_said_before_anything_is_read(hint: str, sample_scene, tmp_path) -> None:
    job = replace(job_of(sample_scene, tmp_path / "out", hint=hint), reference=LayerSource("/nowhere/a.tif"))
    for act in (foresee, lambda job: register(job, None), lambda job: check_hints(job.match)):
        with pytest.raises(OptionError, match="is not in the prompt library"):
            act(job)
    assert not (tmp_path / "out").exists()
    with pytest.raises(OptionError, match="Closest: harbour"):
        check_hints(MatchOptions(scene="harbor"))


def test_a_broken_library_is_no_matter_where_no_scene_is_named(monkeypatch, tmp_path, sample_scene) -> None:
    monkeypatch.setattr(prompts, "FOLDER", tmp_path)
    assert foresee(job_of(sample_scene)).seconds > 0
    with pytest.raises(InputError, match=r"scenes\.json"):
        foresee(job_of(sample_scene, hint="harbour"))


def test_the_hint_reaches_the_method_in_the_worker(sample_scene, reader_python) -> None:
    job = job_of(sample_scene, hint="River, Harbour", land_cover=False)
    result = register_in_worker(job, reader_python, kinds=())
    assert result.steps["scenes"] == ["river", "harbour"]
    assert result.steps["asked"] is False
    assert not [note for note in result.notes if "scene" in note or "land cover" in note]


def test_records_from_before_still_load(sample_scene, reader, tmp_path) -> None:
    result = register(job_of(sample_scene, tmp_path / "a"), create("reader"))
    stored = json.loads(Path(result.files["record"]).read_text(encoding="utf-8"))
    del stored["job"]["match"]["scene"], stored["job"]["output"]["land_cover"]
    job = from_dict(RegisterResult, stored).job
    assert (job.match.scene, job.output.land_cover) == ("auto", False)


# ── the land cover ──────────────────────────────────────────────────────────────────────────────────────────


def test_land_cover_through_the_worker(sample_scene, reader_python, tmp_path) -> None:
    out = tmp_path / "out"
    result = register_in_worker(job_of(sample_scene, out), reader_python)
    assert sorted(os.listdir(out)) == sorted([*unpainted(), "land_cover.tif.aux.xml"])
    assert result.files["land_cover"] == str(out / "land_cover.tif")
    raster, optical = gdal.Open(result.files["land_cover"]), gdal.Open(str(sample_scene.optical))
    x0, gsd, _, y0, _, _ = optical.GetGeoTransform()
    assert raster.GetGeoTransform() == (x0, 16 * gsd, 0.0, y0, 0.0, -16 * gsd)
    values = raster.GetRasterBand(1).ReadAsArray()
    assert values.shape == (48, 48)
    assert set(np.unique(values)) == {0, 10, 80}
    assert not values[0].any()  # the method did not look there
    assert values[1:, 2].tolist() == [10] * 47
    assert not values[:, 40].any()  # all alike
    assert set(np.unique(raster.GetRasterBand(2).ReadAsArray())) == {0, 70}
    html = Path(result.files["report"]).read_text(encoding="utf-8")
    assert "Land cover that the method saw" in html
    assert "Tree cover" in html


def test_only_on_request(sample_scene, reader, tmp_path) -> None:
    result = register(job_of(sample_scene, tmp_path / "out", land_cover=False), create("reader"))
    assert result.steps["asked"] is False
    assert not (tmp_path / "out" / "land_cover.tif").exists()
    assert "land_cover" not in result.files
    assert "Land cover" not in Path(result.files["report"]).read_text(encoding="utf-8")


def test_a_method_without_text_is_noted_and_nothing_fails(sample_scene, tmp_path) -> None:
    said: list[str] = []
    job = job_of(sample_scene, tmp_path / "out", "structural", "harbour")
    result = register(job, create("structural"), Reporter(on_log=said.append))
    for note in (
        "The scene hint was not used: the method 'structural' reads no text.",
        "No land cover was written: the method 'structural' sees none.",
    ):
        assert note in result.notes
        assert note in said
    assert sorted(os.listdir(tmp_path / "out")) == sorted(unpainted() - {"land_cover.tif"})


def test_an_assessment_asks_for_none(sample_scene, reader) -> None:
    result = register(job_of(sample_scene), create("reader"), kinds=())
    assert result.steps["asked"] is False
    assert not [note for note in result.notes if "land cover" in note]


@pytest.mark.parametrize("name", ["land_cover.tif", "land_cover.tif.aux.xml"])
def test_a_file_in_the_way_is_said_before_the_work(name: str, sample_scene, reader, tmp_path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(OutputError, match=rf"{re.escape(name)}' exists already"):
        register(job_of(sample_scene, tmp_path), None)
    result = register(job_of(sample_scene, tmp_path, land_cover=False), create("reader"))
    assert "land_cover" not in result.files


def test_edits_hand_the_land_cover_on(sample_scene, reader, tmp_path) -> None:
    result = register(job_of(sample_scene, tmp_path / "a"), create("reader"))
    review = Review.load(Path(result.files["record"]))
    review.set_enabled([0], False)
    again = apply_edits(review.edited(), str(tmp_path / "b"))
    first, second = (gdal.Open(r.files["land_cover"]) for r in (result, again))
    assert first.GetGeoTransform() == second.GetGeoTransform()
    assert (first.ReadAsArray() == second.ReadAsArray()).all()
    assert "Land cover that the method saw" in Path(again.files["report"]).read_text(encoding="utf-8")
    Path(result.files["land_cover"]).unlink()
    gone = apply_edits(review.edited(), str(tmp_path / "c"))
    assert "land_cover" not in gone.files
