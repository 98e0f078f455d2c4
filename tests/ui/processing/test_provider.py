"""The algorithms through QGIS's registry: parameters, defaults, a real run, cancel, errors."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsGeometry,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelParameter,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterRasterLayer,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from sarto.core.contract import (
    LayerSource,
    MatchOptions,
    ModelOptions,
    OutputOptions,
    RadiometryOptions,
    RegisterJob,
)
from sarto.core.matching import prompts
from sarto.core.matching.prompts import load_library
from sarto.core.raster import read_gcps
from sarto.ui.engine import remember_engine
from sarto.ui.processing import SartoProvider
from sarto.ui.processing.register import RegisterAlgorithm

QUICK = {"POINTS": 80}


@pytest.fixture(scope="module")
def registry(qgis_app):
    provider = SartoProvider()
    assert QgsApplication.processingRegistry().addProvider(provider)
    yield QgsApplication.processingRegistry()
    QgsApplication.processingRegistry().removeProvider(provider)


@pytest.fixture
def engine(qgis_app):
    remember_engine(sys.executable)


def run(registry, name: str, parameters: dict, feedback: QgsProcessingFeedback | None = None):
    context, feedback = QgsProcessingContext(), feedback or QgsProcessingFeedback()
    algorithm = registry.createAlgorithmById(f"sarto:{name}")
    ok, message = algorithm.checkParameterValues(parameters, context)
    assert ok, message
    results, ok = algorithm.run(parameters, context, feedback)
    return results, ok, feedback


@pytest.fixture
def layers(sample_scene):
    return {"REFERENCE": str(sample_scene.optical), "MOVING": str(sample_scene.sar)}


@pytest.mark.parametrize("name", ["register", "warp", "assess", "exportgcps"])
def test_all_four_are_there_and_explained(registry, name: str) -> None:
    algorithm = registry.algorithmById(f"sarto:{name}")
    assert len(algorithm.shortHelpString()) > 80
    assert not algorithm.icon().isNull()
    assert all(p.description() for p in algorithm.parameterDefinitions())
    helped = [p for p in algorithm.parameterDefinitions() if p.type() not in ("folderDestination",)]
    lacking = [p.name() for p in helped if not p.help() and not p.isDestination()]
    assert lacking == []


def test_defaults_are_the_contract_s(registry) -> None:
    algorithm = registry.algorithmById("sarto:register")
    context = QgsProcessingContext()
    for kind in (MatchOptions, ModelOptions, RadiometryOptions, OutputOptions):
        found = algorithm.create().options_of(kind, {}, context)
        assert found == kind()
    names = {p.name() for p in algorithm.parameterDefinitions()}
    for kind in (MatchOptions, ModelOptions, RadiometryOptions, OutputOptions):
        fields = {f.name.upper() for f in dataclasses.fields(kind) if "help" in f.metadata} - {"DIRECTORY"}
        assert fields <= names


def test_limits_and_choices_are_checked_before_the_run(registry, layers, tmp_path) -> None:
    algorithm = registry.createAlgorithmById("sarto:register")
    for wrong in ({"POINTS": 1}, {"MODEL": "bananas"}, {"CHECK_SHARE": 0.9}):
        parameters = {**layers, "FOLDER": str(tmp_path / "out"), **wrong}
        ok, _ = algorithm.checkParameterValues(parameters, QgsProcessingContext())
        assert not ok, wrong


def test_values_given_reach_the_job(registry, layers, engine) -> None:
    algorithm = registry.createAlgorithmById("sarto:register")
    context = QgsProcessingContext()
    parameters = {
        **layers,
        "FOLDER": "TEMPORARY_OUTPUT",
        "MODEL": "poly2",
        "RANGE": "50",
        "POINTS": 99,
        "REFERENCE_BANDS": "3,2,1",
        "MOVING_NODATA": 0,
        "GSD": 20,
        "AREA": "Polygon ((0 0, 1 0, 1 1, 0 0))",
        "SEED": 3,
    }
    assert algorithm.prepareAlgorithm(parameters, context, QgsProcessingFeedback())
    job = algorithm.job(parameters, context, OutputOptions())
    assert isinstance(job, RegisterJob)
    assert job.model.model == "poly2"
    assert job.match == MatchOptions(range="50", points=99, seed=3)
    assert job.reference == LayerSource(layers["REFERENCE"], "sample_optical", "3,2,1")
    assert job.moving.nodata == 0.0
    assert job.gsd == 20.0
    assert job.area.lower().startswith("polygon")


def test_land_use_reaches_the_job(registry, layers, engine) -> None:
    algorithm = registry.createAlgorithmById("sarto:register")
    context = QgsProcessingContext()
    cover = {"LAND_USE_LAYER": layers["REFERENCE"], "LAND_USE": ["water", "road"], "LEGEND": "nlcd"}
    parameters = {**layers, "FOLDER": "TEMPORARY_OUTPUT", **cover}
    assert algorithm.checkParameterValues(parameters, context)[0]
    assert algorithm.prepareAlgorithm(parameters, context, QgsProcessingFeedback())
    job = algorithm.job(parameters, context, OutputOptions())
    assert job.land_use_layer == LayerSource(layers["REFERENCE"], "sample_optical")
    assert (job.match.land_use, job.match.legend) == ("water,road", "nlcd")
    bare = registry.createAlgorithmById("sarto:register")
    for empty in ({}, {"LAND_USE_LAYER": None}, {"LAND_USE_LAYER": ""}):
        assert bare.prepareAlgorithm({**layers, **empty}, context, QgsProcessingFeedback())
        assert bare.job({**layers, **empty}, context, OutputOptions()).land_use_layer is None
    with pytest.raises(QgsProcessingException, match="Land-cover layer"):
        bare.prepareAlgorithm({**layers, "LAND_USE_LAYER": "/nowhere.tif"}, context, QgsProcessingFeedback())


@pytest.mark.slow
def test_register_warp_export_assess(registry, layers, engine, sample_scene, tmp_path) -> None:
    before = sample_scene.fingerprint()
    out = str(tmp_path / "out")
    results, ok, feedback = run(registry, "register", {**layers, **QUICK, "FOLDER": out})
    assert ok, feedback.textLog()
    assert results["VERDICT"] == "trusted"
    assert results["RMSE_CHECK"] < 1
    assert QgsRasterLayer(results["ALIGNED"]).isValid()
    assert QgsVectorLayer(results["GCPS"]).featureCount() > 20
    assert all(Path(results[kind]).is_file() for kind in ("POINTS", "RECORD", "REPORT"))
    assert "Verdict: trusted" in feedback.textLog()

    points = str(tmp_path / "again.points")
    gcps = str(Path(out) / "gcps.gpkg")
    results, ok, _ = run(registry, "exportgcps", {**layers, "GCPS": gcps, "OUTPUT": points})
    assert ok
    assert len(read_gcps(points)) == len(read_gcps(gcps))

    aligned = str(tmp_path / "again.tif")
    results, ok, _ = run(registry, "warp", {**layers, "GCPS": gcps, "OUTPUT": aligned, "MODEL": "affine"})
    assert ok
    assert results["MODEL"] == "affine"
    assert QgsRasterLayer(aligned).isValid()

    moved = run(registry, "assess", {**layers, **QUICK})[0]
    fits = run(registry, "assess", {**layers, **QUICK, "MOVING": aligned})[0]
    assert moved["MEDIAN"] > 10
    assert fits["MEDIAN"] < 1
    assert sample_scene.fingerprint() == before


@pytest.mark.slow
def test_cancel(registry, layers, engine, tmp_path) -> None:
    feedback = QgsProcessingFeedback()
    threading.Timer(2.0, feedback.cancel).start()
    started = time.monotonic()
    results, _ok, _ = run(registry, "register", {**layers, "FOLDER": str(tmp_path / "out")}, feedback)
    assert time.monotonic() - started < 5
    assert "ALIGNED" not in results
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_errors_name_the_way_out(registry, layers, engine, tmp_path) -> None:
    feedback = QgsProcessingFeedback()
    parameters = {**layers, "MOVING_BANDS": "17", "FOLDER": str(tmp_path / "out")}
    _results, ok, _ = run(registry, "register", parameters, feedback)
    assert not ok
    assert "'sample_sar'" in feedback.textLog()
    assert "17" in feedback.textLog()


def test_no_engine(registry, layers, tmp_path) -> None:
    remember_engine("/nowhere/python")
    algorithm = registry.createAlgorithmById("sarto:register")
    with pytest.raises(QgsProcessingException, match="/nowhere/python"):
        algorithm.prepareAlgorithm(
            {**layers, "FOLDER": str(tmp_path)}, QgsProcessingContext(), QgsProcessingFeedback()
        )


def job_of(registry, layers, **values):
    algorithm = registry.createAlgorithmById("sarto:register")
    parameters = {**layers, "FOLDER": "TEMPORARY_OUTPUT", **values}
    context = QgsProcessingContext()
    assert algorithm.prepareAlgorithm(parameters, context, QgsProcessingFeedback())
    return algorithm.job(parameters, context, OutputOptions())


def test_empty_values_are_not_given(registry, layers, engine) -> None:
    job = job_of(registry, layers, GSD="", MOVING_NODATA="", POINTS="", AREA="")
    assert job.gsd is None
    assert job.moving.nodata is None
    assert job.match == MatchOptions()
    assert job.area == ""


def test_scenes_are_ticked_by_name(registry, layers, engine) -> None:
    assert job_of(registry, layers).match.scene == "auto"
    for given in (["harbour", "river"], "harbour,river"):  # as a dialog and as `qgis_process` give them
        assert job_of(registry, layers, SCENE=given).match.scene == "harbour,river"
    for given in ([], "", None):
        assert job_of(registry, layers, SCENE=given).match.scene == "auto"
    definition = registry.algorithmById("sarto:register").parameterDefinition("SCENE")
    assert definition.allowMultiple()
    assert definition.usesStaticStrings()
    assert set(definition.options()) == {scene.name for scene in load_library().scenes}


def test_a_file_of_weights_is_chosen_as_a_file(registry, layers, engine, tmp_path) -> None:
    assert registry.algorithmById("sarto:register").parameterDefinition("WEIGHTS").type() == "file"
    assert job_of(registry, layers).match.weights == ""
    assert job_of(registry, layers, WEIGHTS=None).match.weights == ""
    path = str(tmp_path / "mine.safetensors")
    assert job_of(registry, layers, METHOD="tar", WEIGHTS=path).match.weights == path


def test_an_unknown_scene_is_refused_before_the_run(registry, layers, tmp_path) -> None:
    algorithm = registry.createAlgorithmById("sarto:register")
    for wrong in (["mars"], ["harbour", "mars"]):
        parameters = {**layers, "FOLDER": str(tmp_path / "out"), "SCENE": wrong}
        assert not algorithm.checkParameterValues(parameters, QgsProcessingContext())[0]


def test_without_the_prompt_library_the_algorithms_are_there(qgis_app, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(prompts, "FOLDER", tmp_path)
    algorithm = RegisterAlgorithm().create()
    assert algorithm.parameterDefinition("SCENE").type() == "string"
    assert algorithm.options_of(MatchOptions, {}, QgsProcessingContext()) == MatchOptions()


def test_warping_sees_no_land_cover(registry) -> None:
    names = {name: {p.name() for p in registry.algorithmById(f"sarto:{name}").parameterDefinitions()}
             for name in ("register", "warp", "assess")}  # fmt: skip
    assert [name for name in names if "LAND_COVER" in names[name]] == ["register"]
    assert [name for name in names if "PAINTED" in names[name]] == ["register"]
    assert [name for name in names if "SCENE" in names[name]] == ["register", "assess"]


def test_land_cover_and_a_synthetic_picture_as_outputs(registry, layers, reader_python, tmp_path) -> None:
    remember_engine(reader_python)
    provider = QgsApplication.processingRegistry().providerById("sarto")
    provider.refreshAlgorithms()  # the method was registered just now
    out = str(tmp_path / "out")
    chosen = {"METHOD": "reader", "SCENE": ["river"], "LAND_COVER": True, "PAINTED": True}
    results, ok, feedback = run(registry, "register", {**layers, **chosen, "FOLDER": out})
    assert ok, feedback.textLog()
    assert QgsRasterLayer(results["LAND_COVER_MAP"]).isValid()
    assert QgsRasterLayer(results["SYNTHETIC_PICTURE"]).isValid()
    assert results["SYNTHETIC_PICTURE"].endswith("synthetic_optical.tif")
    results, ok, _ = run(registry, "register", {**layers, "METHOD": "reader", "FOLDER": str(tmp_path / "b")})
    assert ok
    assert not {"LAND_COVER_MAP", "SYNTHETIC_PICTURE"} & set(results)


def test_area_in_another_crs(registry, layers, engine) -> None:
    layer = QgsRasterLayer(layers["REFERENCE"])
    to_degrees = QgsCoordinateTransform(
        layer.crs(), QgsCoordinateReferenceSystem("EPSG:4326"), QgsProject.instance()
    )
    box = QgsGeometry.fromRect(layer.extent().buffered(-1000))
    degrees = QgsGeometry(box)
    degrees.transform(to_degrees)
    area = QgsGeometry.fromWkt(job_of(registry, layers, AREA=f"CRS=EPSG:4326;{degrees.asWkt(12)}").area)
    assert area.symDifference(box).area() < 0.001 * box.area()


def test_area_on_a_plain_image_is_where_qgis_shows_it(registry, engine, tmp_path) -> None:
    raster = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "plain.tif"), 200, 100, 1)
    raster.GetRasterBand(1).Fill(7)
    del raster
    plain = {"REFERENCE": str(tmp_path / "plain.tif"), "MOVING": str(tmp_path / "plain.tif")}
    job = job_of(registry, plain, AREA="POLYGON((10 -20, 90 -20, 90 -80, 10 -80, 10 -20))")
    box = QgsGeometry.fromWkt(job.area).boundingBox()
    assert (box.yMinimum(), box.yMaximum()) == (20, 80)  # rows, downwards


def test_layers_without_a_common_world_have_no_distance(registry, engine, tmp_path) -> None:
    for name, rows in (("a", 128), ("b", 140)):
        raster = gdal.GetDriverByName("GTiff").Create(str(tmp_path / f"{name}.tif"), 128, rows, 1)
        raster.GetRasterBand(1).WriteArray(np.arange(rows * 128).reshape(rows, 128) % 200)
        del raster
    feedback = QgsProcessingFeedback()
    plain = {"REFERENCE": str(tmp_path / "a.tif"), "MOVING": str(tmp_path / "b.tif")}
    _results, ok, _ = run(registry, "assess", plain, feedback)
    assert not ok
    assert "not both georeferenced" in feedback.textLog()


@pytest.mark.slow
def test_in_a_background_task(registry, layers, engine, qtbot, tmp_path) -> None:
    """As the Processing dialog runs it."""
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
    algorithm = registry.createAlgorithmById("sarto:assess")
    task = QgsProcessingAlgRunnerTask(algorithm, {**layers, **QUICK}, context, feedback)
    with qtbot.waitSignal(task.executed, timeout=60_000) as done:
        QgsApplication.taskManager().addTask(task)
    ok, results = done.args
    assert ok
    assert results["COUNT"] > 20


@pytest.mark.slow
def test_usable_in_a_model(registry, layers, engine, tmp_path) -> None:
    """One algorithm's aligned raster is the next one's layer."""
    source = QgsProcessingModelChildParameterSource
    model = QgsProcessingModelAlgorithm("chain", "chain", "tests")
    for name in layers:
        model.addModelParameter(QgsProcessingParameterRasterLayer(name, name), QgsProcessingModelParameter(name))

    def child(algorithm: str, name: str, moving: QgsProcessingModelChildParameterSource, **fixed: object) -> None:
        step = QgsProcessingModelChildAlgorithm(algorithm)
        step.setChildId(name)
        step.addParameterSources("REFERENCE", [source.fromModelParameter("REFERENCE")])
        step.addParameterSources("MOVING", [moving])
        for key, value in fixed.items():
            step.addParameterSources(key, [source.fromStaticValue(value)])
        model.addChildAlgorithm(step)

    out = str(tmp_path / "out")
    child("sarto:register", "align", source.fromModelParameter("MOVING"), POINTS=80, FOLDER=out)
    child("sarto:assess", "measure", source.fromChildOutput("align", "ALIGNED"), POINTS=80)
    feedback = QgsProcessingFeedback()
    results, ok = model.run(layers, QgsProcessingContext(), feedback)
    assert ok, feedback.textLog()
    assert results["CHILD_RESULTS"]["measure"]["MEDIAN"] < 1


def test_advanced_options_are_marked(registry) -> None:
    algorithm = registry.algorithmById("sarto:register")
    advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    plain = {p.name() for p in algorithm.parameterDefinitions() if not p.flags() & advanced}
    assert plain == {"REFERENCE", "MOVING", "AREA", "METHOD", "RANGE", "MODEL", "FOLDER"}


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("qgis_process.bin") or shutil.which("qgis_process")), reason="qgis_process is not installed"
)
def test_qgis_process(layers, tmp_path) -> None:
    """From outside, as a script would call it."""
    root = Path(__file__).resolve().parents[3]
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "sarto").symlink_to(root, target_is_directory=True)
    program = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "QT_QPA_PLATFORM": "offscreen",
        "QGIS_PLUGINPATH": str(tmp_path / "plugins"),
        "SARTO_PYTHON": sys.executable,
        "OMP_NUM_THREADS": "1",
    }

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(program), *arguments], capture_output=True, text=True, timeout=180, env=environment, cwd=tmp_path
        )

    assert "sarto" in call("plugins", "enable", "sarto").stdout
    arguments = [f"--{name}={path}" for name, path in layers.items()]
    done = call("run", "sarto:register", *arguments, "--POINTS=80", f"--FOLDER={tmp_path / 'out'}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "VERDICT:\ttrusted" in done.stdout
    assert (tmp_path / "out" / "aligned.tif").is_file()
    failed = call("run", "sarto:register", *arguments, "--MOVING_BANDS=17", f"--FOLDER={tmp_path / 'out2'}")
    assert failed.returncode != 0
    assert "'sample_sar'" in failed.stdout + failed.stderr
    assert not (tmp_path / "out2").exists()
