"""Forms made from the contract: every option has its place, its default and its limits."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest
from qgis.PyQt.QtCore import QPoint, QPointF, Qt
from qgis.PyQt.QtGui import QWheelEvent
from qgis.PyQt.QtWidgets import QApplication
from sarto.core.contract import (
    LayerSource,
    MatchOptions,
    ModelOptions,
    OutputOptions,
    RadiometryOptions,
    RegisterJob,
    check_options,
)
from sarto.core.pipeline import METHODS
from sarto.ui.dock import RegisterDock
from sarto.ui.dock.options_form import SECTIONS, OptionsForm, advanced_specs, main_specs, options_from
from sarto.ui.words import choice_of

from .conftest import Pair


@pytest.fixture
def form(qgis_app: Any, qtbot: Any) -> OptionsForm:
    form = OptionsForm({"": main_specs(METHODS), **advanced_specs()})
    qtbot.addWidget(form)
    form.show()
    return form


def test_every_option_of_the_contract_has_one_control(form: OptionsForm) -> None:
    wanted = {f"{section}.{f.name}" for section, owner in SECTIONS.items() for f in fields(owner)}
    wanted -= {"output.directory", "output.overwrite"}  # chosen by the dock
    wanted |= {"job.gsd", "job.land_use_layer", "reference.nodata", "moving.nodata"}
    assert set(form.editors) == wanted
    held = {f.name for f in fields(RegisterJob)} - {"reference", "moving", "area", "gsd", "land_use_layer"}
    assert held == set(SECTIONS)
    assert {f.name for f in fields(LayerSource)} == {"source", "name", "bands", "nodata"}


def test_untouched_controls_give_the_defaults(form: OptionsForm) -> None:
    values = form.values()
    assert options_from(values) == {
        "match": MatchOptions(),
        "model": ModelOptions(),
        "radiometry": RadiometryOptions(),
        "output": OutputOptions(),
    }
    assert values["job.gsd"] is None
    assert values["moving.nodata"] is None
    assert form.changed_values() == {}


def test_controls_know_help_choices_and_limits(form: OptionsForm) -> None:
    points = form.editors["match.points"]
    assert (points.minimum(), points.maximum()) == (10, 20000)
    assert "About how many tie points" in points.toolTip()
    model = form.editors["model.model"]
    assert [model.itemData(i) for i in range(model.count())][:2] == ["auto", "shift"]
    assert model.itemText(1) == choice_of("model", "shift")
    assert form.editors["job.gsd"].placeholderText() == "Automatic"
    assert all(spec.help for spec in form.specs.values())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("match.range", "50"),
        ("match.range", "123"),
        ("match.range", "tar"),
        ("match.scene", "harbour,river"),
        ("output.land_cover", True),
        ("output.painted", True),
        ("match.points", 1000),
        ("model.model", "tps"),
        ("model.check_share", 0.4),
        ("radiometry.low_percentile", 99.5),
        ("output.grid", "source"),
        ("job.gsd", 0.0001),
        ("reference.nodata", -9999.0),
        ("moving.nodata", -3.4028234663852886e38),
    ],
)
def test_values_there_and_back(form: OptionsForm, qtbot: Any, key: str, value: Any) -> None:
    with qtbot.waitSignal(form.changed):
        form.set_values({key: value})
    assert form.changed_values() == {key: value}
    form.reset()
    assert form.changed_values() == {}


def test_nan_is_a_nodata_value(form: OptionsForm) -> None:
    form.set_values({"moving.nodata": math.nan})
    assert math.isnan(form.values()["moving.nodata"])
    assert form.problems() == {}


@pytest.mark.parametrize(
    "values",
    [
        {"match.points": 5},
        {"match.points": "many"},
        {"match.range": "anywhere"},
        {"match.scene": "mars"},
        {"output.land_cover": "yes"},
        {"model.model": "magic"},
        {"match.method": "magic"},
        {"job.gsd": "ten"},
        {"unknown.option": 1},
        {"model.check_share": None},
    ],
)
def test_values_that_are_not_allowed_are_ignored(form: OptionsForm, values: dict[str, Any]) -> None:
    form.set_values(values)
    assert form.changed_values() == {}


def test_text_that_is_no_number(form: OptionsForm) -> None:
    form.editors["job.gsd"].setText("ten")
    assert "'ten' is no number" in str(form.problems()["job.gsd"])
    form.editors["job.gsd"].setText("2,5")
    assert form.problems() == {}
    assert form.values()["job.gsd"] == 2.5


def test_own_number_of_pixels(form: OptionsForm) -> None:
    editor = form.editors["match.range"]
    assert editor.spin.isHidden()
    editor.combo.setCurrentIndex(editor.combo.count() - 1)
    assert editor.spin.isVisible()
    editor.spin.setValue(77)
    assert form.values()["match.range"] == "77"
    check_options(options_from(form.values())["match"])


def test_options_reach_the_job(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: dock.run_row.is_ready, timeout=5000)
    dock.method.set_values({"model.model": "poly2", "match.range": "wild"})
    dock.advanced.options.set_values(
        {"job.gsd": 20.0, "moving.nodata": 0.0, "radiometry.speckle": "refined-lee", "output.grid": "source"}
    )
    job = dock.job()
    assert job is not None
    assert (job.model.model, job.match.range, job.gsd) == ("poly2", "wild", 20.0)
    assert (job.reference.nodata, job.moving.nodata) == (None, 0.0)
    assert (job.radiometry.speckle, job.output.grid, job.output.overwrite) == ("refined-lee", "source", False)
    dock.advanced.reset_button.click()
    job = dock.job()
    assert job is not None
    assert (job.gsd, job.radiometry, job.model.model) == (None, RadiometryOptions(), "poly2")


def test_percentiles_the_wrong_way_round(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: dock.run_row.is_ready, timeout=5000)
    dock.advanced.options.set_values({"radiometry.low_percentile": 99.5})
    note = dock.advanced.options.notes["radiometry.low_percentile"]
    qtbot.waitUntil(note.isVisible, timeout=5000)
    assert "must be below" in note.plain_text
    assert not dock.run_row.is_ready


def test_wheel_scrolls_and_does_not_change_values(dock: RegisterDock, qtbot: Any) -> None:
    combo = dock.method.editors["model.model"]
    before = combo.currentIndex()
    nothing = QPoint(0, 0)
    turn = QWheelEvent(
        QPointF(5, 5),
        QPointF(5, 5),
        nothing,
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(combo, turn)
    assert combo.currentIndex() == before
