"""What a project remembers of the dock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsGeometry, QgsProject, QgsRectangle
from sarto.ui.dock import RegisterDock
from sarto.ui.dock.area import Polygon
from sarto.ui.dock.area_box import DRAWN
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


def test_same_settings_do_not_touch_the_project(qgis_new_project: None) -> None:
    project = QgsProject.instance()
    save_settings(project, {"folder": "/x"})
    project.setDirty(False)
    save_settings(project, {"folder": "/x"})
    assert not project.isDirty()
    save_settings(project, {})
    assert project.isDirty()
