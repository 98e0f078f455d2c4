"""What a project remembers of the dock."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsGeometry, QgsProject, QgsRectangle
from sarto.ui.dock import RegisterDock
from sarto.ui.dock.area import Polygon
from sarto.ui.dock.area_box import DRAWN, WHOLE
from sarto.ui.dock.settings import KEY, SCOPE, load_settings, save_settings

from .conftest import FakeForesee, Pair


def settle(qtbot: Any) -> None:
    qtbot.wait(60)


def test_guess_leaves_a_project_clean(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    QgsProject.instance().setDirty(False)
    settle(qtbot)
    assert dock.layers.moving.layer is pair.sar
    assert not QgsProject.instance().isDirty()
    assert load_settings(QgsProject.instance()) == {}


def test_only_what_was_changed_is_remembered(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    settle(qtbot)
    dock.method.editors["model.model"].setCurrentIndex(3)
    settle(qtbot)
    assert load_settings(QgsProject.instance()) == {"options": {"model.model": "affine"}}
    assert QgsProject.instance().isDirty()
    dock.method.editors["model.model"].setCurrentIndex(0)
    settle(qtbot)
    assert QgsProject.instance().readEntry(SCOPE, KEY, "-") == ("-", False)


def test_saved_and_opened_again(
    make_dock: Callable[..., RegisterDock],
    foresee_fake: FakeForesee,
    pair: Pair,
    tmp_path: Path,
    qtbot: Any,
) -> None:
    project = QgsProject.instance()
    dock = make_dock(foresee=foresee_fake)
    settle(qtbot)
    dock.layers.swap()
    dock.layers.moving.band_combo.bands = "3,2"
    box = QgsRectangle(600_500, 4_998_500, 601_500, 4_999_500)
    dock.area.set_polygon(Polygon(QgsGeometry.fromRect(box), pair.optical.crs()))
    dock.area.choose(DRAWN)
    dock.method.set_values({"match.range": "wild"})
    dock.advanced.options.set_values({"job.gsd": 12.5})
    dock.output.folder = str(tmp_path)
    settle(qtbot)
    before = dock.job()
    assert before is not None
    file = str(tmp_path / "project.qgz")
    assert project.write(file)

    project.clear()
    settle(qtbot)
    assert dock.layers.moving.layer is None
    assert dock.output.folder == ""
    assert dock.method.changed_values() == {}
    assert not project.isDirty()
    assert load_settings(project) == {}

    assert project.read(file)
    settle(qtbot)
    assert dock.job() == before
    assert dock.layers.reference.is_chosen
    assert not project.isDirty()

    late = make_dock(foresee=foresee_fake)  # opened after the project
    settle(qtbot)
    assert late.job() == before
    assert not project.isDirty()


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[1, 2]",
        '{"layers": 3, "area": [], "options": "x", "folder": 7}',
        '{"layers": {"reference": "gone", "moving_bands": 4}, "options": {"match.points": -1, "x": 2}}',
        '{"area": {"kind": "drawn", "polygon": 5}}',
        '{"area": {"kind": ["drawn"]}}',
        '{"area": {"kind": "drawn", "polygon": "GeometryCollection (Polygon ((0 0, 1 0, 1 1, 0 0)))"}}',
        '{"area": {"kind": "drawn", "polygon": "Polygon ((0 0, 1 0, 1 1, 0 0))", "crs": "EPSG:nothing"}}',
        '{"layers": {"reference": ["a"], "moving_bands": {}}}',
        '{"options": {"model.model": ["tps"], "match.range": {}, "job.gsd": []}}',
        "[" * 100_000,
    ],
)
def test_nonsense_is_ignored(
    make_dock: Callable[..., RegisterDock], foresee_fake: FakeForesee, pair: Pair, qtbot: Any, text: str
) -> None:
    QgsProject.instance().writeEntry(SCOPE, KEY, text)
    dock = make_dock(foresee=foresee_fake)
    qtbot.waitUntil(lambda: dock.run_row.is_ready, timeout=5000)
    assert dock.layers.reference.layer is pair.optical
    job = dock.job()
    assert job is not None
    assert job.match.points == 400


NONSENSE = (None, True, -1, 0.5, 10**400, math.inf, math.nan, "", "nan", "1e300", "-5", "é", [], ["tps"], {"a": 1})


def test_no_value_of_any_option_keeps_the_dock_from_opening(make_dock: Callable[..., RegisterDock]) -> None:
    dock = make_dock()
    for key in (*dock.method.editors, *dock.advanced.options.editors):
        for value in NONSENSE:
            save_settings(QgsProject.instance(), {"options": {key: value}})
            dock._restore()
    assert dock.advanced.options.values()["match.points"] == 400


def test_one_corrupt_value_spoils_its_section_only(
    make_dock: Callable[..., RegisterDock], foresee_fake: FakeForesee, pair: Pair
) -> None:
    state = {
        "options": {"model.model": "tps", "match.points": [1]},
        "layers": {"moving_bands": "2"},
        "area": {"kind": "visible", "crs": None},
    }
    save_settings(QgsProject.instance(), state)
    dock = make_dock(foresee=foresee_fake)
    assert dock.method.changed_values() == {}
    assert dock.layers.moving.band_combo.bands == "2"
    assert dock.area.kind == WHOLE


def test_a_dock_that_cannot_be_made_is_not_called(
    make_dock: Callable[..., RegisterDock], pair: Pair, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[object] = []

    def fail(_dock: RegisterDock) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(RegisterDock, "_restore", fail)
    monkeypatch.setattr(RegisterDock, "_on_layers", lambda *_: called.append("layers"))
    with pytest.raises(ValueError, match="a defect"):
        make_dock()
    QgsProject.instance().removeMapLayer(pair.sar.id())
    assert called == []


def test_same_settings_do_not_touch_the_project(qgis_new_project: None) -> None:
    project = QgsProject.instance()
    save_settings(project, {"folder": "/x"})
    project.setDirty(False)
    save_settings(project, {"folder": "/x"})
    assert not project.isDirty()
    save_settings(project, {})
    assert project.isDirty()
