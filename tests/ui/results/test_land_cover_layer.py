"""The land cover in the layer tree: hidden, with a legend, in its colours, where it belongs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qgis.core import QgsPalettedRasterRenderer, QgsProject
from qgis.PyQt.QtGui import QColor
from sarto.core.contract import InputError
from sarto.core.raster import CoverClass, LandCover, write_land_cover
from sarto.ui.results import find_record, load_results, role_of

from .test_load_results import LIMITS, drawn, reference_layer

CELL = 10


@pytest.fixture
def project(qgis_new_project):
    return QgsProject.instance()


@pytest.fixture
def make_seen(make_run):
    """A run whose method saw trees on the left, water on the right, and nothing in the first row of cells."""

    def make(**kwargs):
        result = make_run(**kwargs)
        grid = result.reference_grid
        lattice = np.array([[CELL, 0, (CELL - 1) / 2], [0, CELL, (CELL - 1) / 2]])
        side = grid.width // CELL
        values = np.full((side, side), 10, np.uint8)
        values[:, side // 2 :] = 80
        values[0] = 0
        classes = (CoverClass(10, "Tree cover", "#006400"), CoverClass(80, "Permanent water", "#0064c8"))
        cover = LandCover(values, values, classes, grid.through(lattice, side, side))
        path = write_land_cover(cover, Path(result.files["report"]).with_name("land_cover.tif"))
        return replace(result, files={**result.files, "land_cover": str(path)})

    return make


def test_hidden_above_the_aligned_layer(make_seen, project):
    loaded = load_results(make_seen(), LIMITS, project)
    roles = [role_of(node.layer()) for node in loaded.group.findLayers()]
    assert roles == ["gcps", "residuals", "links", "land_cover", "aligned"]
    shown = [role_of(layer) for layer in project.layerTreeRoot().checkedLayers()]
    assert "land_cover" not in shown
    assert "aligned" in shown
    assert loaded.land_cover.name() == "Land cover seen"
    assert find_record(loaded.land_cover) is not None
    assert "no land-cover product" in loaded.land_cover.metadata().abstract()


def test_the_legend_names_the_classes(make_seen, project):
    renderer = load_results(make_seen(), LIMITS, project).land_cover.renderer()
    assert isinstance(renderer, QgsPalettedRasterRenderer)
    legend = [(item.value, item.label, item.color.name()) for item in renderer.classes()]
    assert legend == [(10, "Tree cover", "#006400"), (80, "Permanent water", "#0064c8")]


@pytest.mark.parametrize("georeferenced", [True, False])
def test_drawn_where_it_belongs(make_seen, project, georeferenced):
    result = make_seen(georeferenced=georeferenced)
    reference = reference_layer(result, project)
    layer = load_results(result, LIMITS, project, reference.id()).land_cover
    assert layer.crs() == reference.crs()
    assert layer.extent() == reference.extent()
    layer.renderer().setOpacity(1.0)
    image = drawn([layer], reference.extent(), reference.crs())
    assert image.pixelColor(100, 200) == QColor("#006400")
    assert image.pixelColor(300, 200) == QColor("#0064c8")
    assert image.pixelColor(100, 10) == QColor("#ff00ff"), "NoData is not transparent"


def test_without_one_there_is_no_such_layer(make_run, project):
    loaded = load_results(make_run(), LIMITS, project)
    assert loaded.land_cover is None
    assert len(loaded.layers) == 4


@pytest.mark.parametrize("how", ["missing", "broken"])
def test_nothing_is_added_where_it_cannot_be_read(make_seen, project, how):
    result = make_seen()
    path = Path(result.files["land_cover"])
    path.unlink()
    if how == "broken":
        path.write_bytes(b"no raster")
    with pytest.raises(InputError, match=r"land_cover\.tif"):
        load_results(result, LIMITS, project)
    assert not project.mapLayers()
