"""The synthetic picture in the layer tree: hidden, below the aligned layer, and called what it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qgis.core import QgsProject, QgsSingleBandGrayRenderer
from sarto.core.contract import InputError, Painting
from sarto.core.raster import write_synthetic
from sarto.ui.results import find_record, load_results, role_of

from .test_load_results import LIMITS, drawn, reference_layer


@pytest.fixture
def project(qgis_new_project):
    return QgsProject.instance()


@pytest.fixture
def make_painted(make_run):
    """A run whose method painted the left half dark, the right half light, and nothing in the first rows."""

    def make(**kwargs):
        result = make_run(**kwargs)
        grid = result.reference_grid
        values = np.full((grid.height, grid.width), 64, np.uint8)
        values[:, grid.width // 2 :] = 192
        values[:20] = 0
        path = Path(result.files["report"]).with_name("synthetic_optical.tif")
        told = {"METHOD": "promptmid"}
        write_synthetic(Painting(values, np.eye(2, 3)), lambda points: points, grid, grid, path, told)
        return replace(result, files={**result.files, "painted": str(path)})

    return make


def test_hidden_below_the_aligned_layer_and_named_synthetic(make_painted, project):
    loaded = load_results(make_painted(), LIMITS, project)
    roles = [role_of(node.layer()) for node in loaded.group.findLayers()]
    assert roles == ["gcps", "residuals", "links", "aligned", "painted"]
    assert "painted" not in [role_of(layer) for layer in project.layerTreeRoot().checkedLayers()]
    assert loaded.painted.name() == "SAR as if optical (synthetic)"
    abstract = loaded.painted.metadata().abstract()
    assert abstract.startswith("Synthetic")
    assert "for the eye only" in abstract
    assert find_record(loaded.painted) is not None
    assert isinstance(loaded.painted.renderer(), QgsSingleBandGrayRenderer)


@pytest.mark.parametrize("georeferenced", [True, False])
def test_drawn_where_it_belongs(make_painted, project, georeferenced):
    result = make_painted(georeferenced=georeferenced)
    reference = reference_layer(result, project)
    layer = load_results(result, LIMITS, project, reference.id()).painted
    assert layer.crs() == reference.crs()
    assert layer.extent() == reference.extent()
    image = drawn([layer], reference.extent(), reference.crs())
    assert image.pixelColor(100, 200).red() == pytest.approx(64, abs=2)
    assert image.pixelColor(300, 200).red() == pytest.approx(192, abs=2)
    assert image.pixelColor(100, 10).name() == "#ff00ff", "NoData is not transparent"


def test_without_one_there_is_no_such_layer(make_run, project):
    assert load_results(make_run(), LIMITS, project).painted is None


def test_nothing_is_added_where_it_cannot_be_read(make_painted, project):
    result = make_painted()
    Path(result.files["painted"]).write_bytes(b"no raster")
    with pytest.raises(InputError, match=r"synthetic_optical\.tif"):
        load_results(result, LIMITS, project)
    assert not project.mapLayers()
