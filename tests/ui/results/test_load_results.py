"""Results in the layer tree: order, styles, georeference, metadata, and nothing at all on failure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qgis.core import (
    QgsContrastEnhancement,
    QgsExpressionContextUtils,
    QgsGraduatedSymbolRenderer,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor
from sarto.core.contract import GcpTable, Grid, InputError
from sarto.ui.results import find_record, load_results, role_of
from sarto.ui.results.arrows import arrow_scale, map_vectors, nice

LIMITS = [(20.0, 200.0)]


@pytest.fixture
def project(qgis_new_project):
    return QgsProject.instance()


def reference_layer(result, project):
    layer = QgsRasterLayer(result.job.reference.source, "Optical")
    project.addMapLayer(layer)
    return layer


def drawn(layers, extent, crs, side=400):
    settings = QgsMapSettings()
    settings.setOutputSize(QSize(side, side))
    settings.setExtent(extent)
    settings.setDestinationCrs(crs)
    settings.setLayers(list(layers))
    settings.setBackgroundColor(QColor("#ff00ff"))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    assert not job.errors()
    return job.renderedImage()


def has_near(image, x, y, colour, reach=5, tolerance=0):
    """Whether a colour, each channel within a tolerance, is seen within `reach` pixels."""
    wanted = QColor(colour).getRgb()
    return any(
        max(abs(a - b) for a, b in zip(image.pixelColor(i, j).getRgb(), wanted, strict=True)) <= tolerance
        for i in range(max(0, x - reach), min(image.width(), x + reach + 1))
        for j in range(max(0, y - reach), min(image.height(), y + reach + 1))
    )


def test_one_group_right_above_the_reference(make_run, project):
    result = make_run()
    inner = project.layerTreeRoot().addGroup("mine")
    below, reference = (QgsRasterLayer(result.job.reference.source, name) for name in ("Below", "Optical"))
    for layer in (reference, below):
        project.addMapLayer(layer, False)
        inner.addLayer(layer)
    loaded = load_results(result, LIMITS, project, reference.id())
    assert [child.name() for child in inner.children()] == ["SAR → Optical: usable with care", "Optical", "Below"]
    assert [role_of(layer) for layer in [node.layer() for node in loaded.group.findLayers()]] == [
        "gcps",
        "residuals",
        "links",
        "aligned",
    ]
    assert loaded.aligned.name() == "SAR (aligned)"
    shown = [role_of(layer) for layer in project.layerTreeRoot().checkedLayers()]
    assert "links" not in shown
    assert {"gcps", "residuals", "aligned"} < set(shown)


def test_on_top_without_the_reference(make_run, project):
    result = make_run()
    reference = reference_layer(result, project)
    loaded = load_results(result, LIMITS, reference_layer_id="gone")
    assert [node.name() for node in project.layerTreeRoot().children()] == [loaded.name, reference.name()]


def test_stretch_is_the_given_and_grey(make_run, project):
    layer = load_results(make_run(bands=2), [(30.0, 90.0), (0.0, 1.0)], project).aligned
    stretch = layer.renderer().contrastEnhancement()
    assert (stretch.minimumValue(), stretch.maximumValue()) == (30.0, 90.0)
    assert layer.renderer().type() == "singlebandgray"
    kinds = QgsContrastEnhancement.ContrastEnhancementAlgorithm
    assert stretch.contrastEnhancementAlgorithm() == kinds.StretchToMinimumMaximum


@pytest.mark.parametrize("limits", [[], [(np.nan, 3.0)], [(5.0, 5.0)]])
def test_without_usable_limits_it_still_loads(make_run, project, limits):
    layer = load_results(make_run(), limits, project).aligned
    assert layer.isValid()
    assert layer.renderer().contrastEnhancement() is None


@pytest.mark.parametrize("georeferenced", [True, False])
def test_everything_lies_on_the_reference(make_run, project, georeferenced):
    result = make_run(georeferenced=georeferenced)
    reference = reference_layer(result, project)
    loaded = load_results(result, LIMITS, project, reference.id())
    assert (loaded.links is not None) == georeferenced
    for layer in loaded.layers:
        assert layer.crs() == reference.crs()
        assert reference.extent().intersects(layer.extent())
    assert loaded.aligned.extent() == reference.extent()
    image = drawn([loaded.gcps], reference.extent(), reference.crs())
    for x, y in (result.gcps.reference_px + 0.5)[result.gcps.enabled] * 2:
        assert has_near(image, round(x), round(y), "#ffffff"), "no marker with its white rim where the GCP is"


def test_classes_shapes_and_disabled_points(make_run, project):
    result = make_run()
    loaded = load_results(result, LIMITS, project)
    renderer = loaded.gcps.renderer()
    assert isinstance(renderer, QgsGraduatedSymbolRenderer)
    assert renderer.classAttribute() == "residual_px"
    labels = [item.label() for item in renderer.legendSymbolItems()]
    assert labels[:5] == ["Up to 0.5 px", "0.5 – 1 px", "1 – 2 px", "2 – 3 px", "Over 3 px"]
    assert labels[5:] == ["Diamond: check point", "Hollow: switched off"]
    image = drawn([loaded.gcps], loaded.aligned.extent(), loaded.aligned.crs())
    fills = {"#440154": (0, 0.5), "#3b528b": (0.5, 1), "#21918c": (1, 2), "#5ec962": (2, 3), "#fde725": (3, 99)}
    table = result.gcps
    for row, (x, y) in enumerate((table.reference_px + 0.5) * 2):
        colour = next(c for c, (low, high) in fills.items() if low <= table.residual_length_px[row] <= high)
        assert has_near(image, round(x), round(y), colour, 2) == table.enabled[row]


def test_arrows_point_to_where_the_aligned_layer_shows_the_point(make_run, project):
    result = make_run()
    table = result.gcps
    loaded = load_results(result, LIMITS, project)
    scale = arrow_scale(table)
    assert loaded.residuals.name() == f"Residuals × {scale:g}"
    variable = QgsExpressionContextUtils.layerScope(loaded.residuals).variable("sarto_residual_scale")
    assert float(variable) == scale
    image = drawn([loaded.residuals], loaded.aligned.extent(), loaded.aligned.crs())
    # Residuals are predicted minus observed: what lies at the observed place is seen on the other side.
    middles = (table.reference_px + 0.5 - 0.5 * scale * table.residual_px) * 2
    for row, (x, y) in enumerate(middles):
        if table.residual_length_px[row] * scale > 6 and min(x, y) > 5 and max(x, y) < 395:
            assert has_near(image, round(x), round(y), "#ff9f1c", 2, 60) or not table.enabled[row]


def test_metadata_carries_the_record(make_run, project):
    result = make_run()
    loaded = load_results(result, LIMITS, project)
    for layer in loaded.layers:
        metadata = layer.metadata()
        assert "usable with care" in metadata.abstract()
        assert "The check points are few." in metadata.abstract()
        assert "0.92 px" in metadata.abstract()
        assert metadata.history() == ["A note.", "Another."]
        assert {Path(link.url).name for link in metadata.links()} == {"report.html", "record.json"}
        assert find_record(layer) == Path(result.files["record"])


def test_record_is_found_in_a_reopened_project_and_a_moved_folder(make_run, project, tmp_path):
    result = make_run()
    load_results(result, LIMITS, project)
    assert project.write(str(tmp_path / "run" / "project.qgz"))
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    project.clear()
    assert project.read(str(tmp_path / "elsewhere" / "project.qgz"))
    found = {role_of(layer): find_record(layer) for layer in project.mapLayers().values()}
    assert set(found) == {"gcps", "residuals", "links", "aligned"}
    assert set(found.values()) == {tmp_path / "elsewhere" / "record.json"}
    aligned = next(layer for layer in project.mapLayers().values() if role_of(layer) == "aligned")
    (tmp_path / "elsewhere" / "record.json").unlink()
    assert find_record(aligned) is None


def test_layers_of_others_have_no_record(make_run, project):
    layer = reference_layer(make_run(), project)
    assert (find_record(layer), role_of(layer), find_record(None), role_of(None)) == (None, "", None, "")


@pytest.mark.parametrize("kind", ["aligned", "gpkg"])
@pytest.mark.parametrize("how", ["missing", "broken", "not written"])
def test_nothing_is_added_where_a_file_is_missing(make_run, project, kind, how):
    result = make_run()
    path = Path(result.files[kind])
    path.unlink()
    if how == "broken":
        path.write_bytes(b"no raster and no GeoPackage")
    if how == "not written":
        result = replace(result, files={k: v for k, v in result.files.items() if k != kind})
    with pytest.raises(InputError) as caught:
        load_results(result, LIMITS, project)
    assert (kind if how == "not written" else path.name) in caught.value.message
    assert caught.value.hint
    assert not project.mapLayers()
    assert not project.layerTreeRoot().children()


def test_inputs_are_not_touched(make_run, project):
    result = make_run()
    folder = Path(result.files["aligned"]).parent
    before = {path.name for path in folder.iterdir()}
    load_results(result, LIMITS, project, reference_layer(result, project).id())
    after = {path.name for path in folder.iterdir()} - {"gcps.gpkg-wal", "gcps.gpkg-shm"}
    assert after == before


@pytest.mark.parametrize(("value", "expected"), [(1.3, 1), (1.5, 2), (3.3, 5), (8, 10), (0.03, 0.02), (70, 50)])
def test_nice_numbers(value, expected):
    assert nice(value) == pytest.approx(expected)


def test_typical_arrow_is_a_twenty_fifth_of_the_overlap(make_run):
    table = make_run(count=400).gcps
    lengths = table.residual_length[table.enabled] * arrow_scale(table)
    assert 2000 / 25 / 1.6 < np.percentile(lengths, 90) < 2000 / 25 * 1.6


def test_arrows_of_a_turned_moving_image_are_turned_back():
    grid = Grid(100, 100, (0.0, 10.0, 0.0, 0.0, 0.0, -10.0), "some CRS")
    points = np.random.default_rng(1).uniform(0, 100, (30, 2))
    turn = np.array([[0.0, -2.0], [2.0, 0.0]])  # a quarter turn, twice as large
    ones = np.ones(30)
    table = GcpTable(
        grid, Grid.of_pixels(300, 300), points, points @ turn.T, ones, ones, np.full((30, 2), np.nan),
        ones > 0, np.full(30, "gcp"),
    )  # fmt: skip
    along = map_vectors(table) @ turn @ np.array([1.0, 0.0])  # the image of one reference pixel to the right
    np.testing.assert_allclose(along, [-10.0, 0.0], atol=1e-9)  # predicted too far right: seen too far left
    assert arrow_scale(table) == 1.0


def test_styles_do_not_need_a_project(make_run):
    """The GeoPackage carries gcps.qml as default style, without any layer variables."""
    package = make_run().files["gpkg"]
    for table, style in (("gcps", "gcps"), ("gcps", "residuals"), ("links", "links")):
        layer = QgsVectorLayer(f"{package}|layername={table}", "dragged in")
        path = Path(__file__).parents[3] / "resources" / "styles" / f"{style}.qml"
        message, is_loaded = layer.loadNamedStyle(str(path))
        assert is_loaded, message
        assert not drawn([layer], layer.extent(), layer.crs()).allGray()
