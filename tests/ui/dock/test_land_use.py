"""Land use in the dock: the layer, its legend, the named classes, for methods that read them."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from qgis.core import QgsProject, QgsRasterLayer
from sarto.core.contract import InputError, LayerSource, OptionError
from sarto.core.matching.land_use import CLASSES
from sarto.core.pipeline import known_classes
from sarto.ui.dock import RegisterDock
from sarto.ui.dock.settings import load_settings, save_settings

from .conftest import FakeForesee, Pair

LAYER, LEGEND, NAMED = "job.land_use_layer", "match.legend", "match.land_use"


@pytest.fixture
def reading_dock(reader: ModuleType, dock: RegisterDock, pair: Pair, qtbot: Any) -> RegisterDock:
    qtbot.waitUntil(lambda: dock.run_row.is_ready, timeout=5000)
    dock.advanced.setCollapsed(False)
    dock.method.set_values({"match.method": "reader"})
    return dock


def test_only_for_methods_that_read_land_use(reading_dock: RegisterDock) -> None:
    editors = reading_dock.advanced.options.editors
    for method, is_on in (("structural", False), ("reader", True)):
        reading_dock.method.set_values({"match.method": method})
        assert [editors[key].isEnabled() for key in (LAYER, LEGEND, NAMED)] == [is_on] * 3
        assert ("Only with the method" in editors[LAYER].toolTip()) is not is_on


def test_the_classes_are_to_be_ticked_in_their_order(reading_dock: RegisterDock) -> None:
    edit = reading_dock.advanced.options.editors[NAMED]
    assert edit.currentText() == "Not named"
    assert [item.text() for item in edit.list.items()] == list(known_classes().values())
    edit.list.tick({"water", "farmland"})
    assert edit.option_value() == "farmland,water"
    assert len(edit.list.items()) == len(CLASSES)


def test_what_is_chosen_reaches_the_job_and_the_project(
    reading_dock: RegisterDock,
    pair: Pair,
    make_dock: Callable[..., RegisterDock],
    foresee_fake: FakeForesee,
    qtbot: Any,
) -> None:
    options = reading_dock.advanced.options
    job = reading_dock.job()
    assert job is not None
    assert job.land_use_layer is None
    options.editors[LAYER].setLayer(pair.optical)  # any raster will do here
    options.set_values({LEGEND: "nlcd", NAMED: "water"})
    job = reading_dock.job()
    assert job is not None
    assert job.land_use_layer == LayerSource(pair.optical.source(), pair.optical.name())
    assert (job.match.legend, job.match.land_use) == ("nlcd", "water")
    qtbot.wait(60)
    stored = load_settings(QgsProject.instance())["options"]
    assert stored == {"match.method": "reader", LAYER: pair.optical.id(), LEGEND: "nlcd", NAMED: "water"}
    again = make_dock(foresee=foresee_fake).job()
    assert again is not None
    assert again.land_use_layer == job.land_use_layer
    reading_dock.method.set_values({"match.method": "structural"})
    job = reading_dock.job()
    assert job is not None
    assert (job.land_use_layer, job.match.legend, job.match.land_use) == (None, "auto", "auto")


@pytest.mark.parametrize("value", ["no such layer", 7, None])
def test_a_layer_that_is_gone_is_forgotten(
    reader: ModuleType, make_dock: Callable[..., RegisterDock], value: Any
) -> None:
    save_settings(QgsProject.instance(), {"options": {"match.method": "reader", LAYER: value}})
    assert make_dock().advanced.options.values()[LAYER] == ""


def test_a_layer_that_cannot_be_used_is_said_below_it(reading_dock: RegisterDock, qtbot: Any) -> None:
    url = "type=xyz&url=http://127.0.0.1:9/%7Bz%7D/%7Bx%7D/%7By%7D.png"
    web = QgsRasterLayer(url, "map", "wms")
    QgsProject.instance().addMapLayer(web)
    options = reading_dock.advanced.options
    options.editors[LAYER].setLayer(web)
    qtbot.waitUntil(lambda: "web service" in options.notes[LAYER].plain_text, timeout=5000)
    assert reading_dock.job() is None
    reading_dock.method.set_values({"match.method": "structural"})
    assert reading_dock.job() is not None


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (InputError("Land-cover layer 'lc' does not cover the place.", "Choose another."), LAYER),
        (OptionError("Option 'legend' is 'auto', but the codes 1 of 'lc' fit two.", "Set it."), LEGEND),
        (OptionError("Land use 'mars' is not known.", "Known: water."), NAMED),
    ],
)
def test_errors_are_said_where_they_belong(
    make_dock: Callable[..., RegisterDock], pair: Pair, qtbot: Any, error: Any, key: str
) -> None:
    dock = make_dock(foresee=FakeForesee(error))
    note = dock.advanced.options.notes[key]
    qtbot.waitUntil(lambda: error.message in note.plain_text, timeout=5000)
    assert not dock.run_row.is_ready
