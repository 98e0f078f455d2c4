"""The options that only methods that read text heed: the scene list and the land cover."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from qgis.core import QgsProject
from qgis.PyQt.QtCore import QPoint, Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QLabel
from sarto.core.contract import OptionError
from sarto.core.matching import METHODS, prompts
from sarto.core.pipeline import known_scenes
from sarto.ui.dock import RegisterDock
from sarto.ui.dock.scene_edit import SceneEdit
from sarto.ui.dock.settings import load_settings, save_settings
from sarto.ui.words import choice_of, hint_of

from .conftest import FakeForesee, Pair

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def edit(qgis_app: Any, qtbot: Any) -> SceneEdit:
    edit = SceneEdit("auto")
    qtbot.addWidget(edit)
    edit.resize(200, 30)
    edit.show()
    return edit


def click(edit: SceneEdit, title: str) -> None:
    """On the middle of a row, far from its checkbox."""
    (item,) = (item for item in edit.list.items() if item.text() == title)
    edit.list.view.scrollToItem(item)
    place = edit.list.view.visualItemRect(item).center()
    QTest.mouseClick(edit.list.view.viewport(), LEFT, NONE, place)


def test_ticked_with_the_mouse(edit: SceneEdit, qtbot: Any) -> None:
    assert edit.currentText() == "Any scene"
    QTest.mouseClick(edit, LEFT)
    assert edit.list.isVisible()
    with qtbot.waitSignal(edit.changed):
        click(edit, "Open sea")
    click(edit, "Harbour")
    assert edit.option_value() == "harbour,open-sea"
    assert edit.currentText() == "Harbour, Open sea"
    assert edit.toolTip().endswith("Ticked: Harbour, Open sea.")
    click(edit, "Harbour")
    assert edit.option_value() == "open-sea"
    assert edit.list.isVisible(), "the list stays open for the next"
    with qtbot.waitSignal(edit.changed):
        QTest.mouseClick(edit.list.clear_button, LEFT)
    assert edit.option_value() == "auto"
    assert edit.currentText() == "Any scene"


def test_ticked_with_the_checkbox_itself(edit: SceneEdit) -> None:
    edit.showPopup()
    view = edit.list.view
    row = view.visualItemRect(view.item(0))
    QTest.mouseClick(view.viewport(), LEFT, NONE, QPoint(row.left() + 8, row.center().y()))
    assert list(edit.list.ticked().values()) == [view.item(0).text()]


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_F4])
def test_ticked_with_the_keyboard(edit: SceneEdit, key: Qt.Key) -> None:
    edit.setFocus()
    QTest.keyClick(edit, key)
    shown = edit.list
    assert shown.isVisible()
    QTest.keyClicks(shown.search, "fore")
    assert [item.text() for item in shown.items() if not item.isHidden()] == [
        "Broadleaf forest",
        "Coniferous forest",
    ]
    QTest.keyClick(shown.search, Qt.Key.Key_Return)
    assert edit.option_value() == "broadleaf-forest"
    QTest.keyClick(shown.search, Qt.Key.Key_Down)
    QTest.keyClick(shown.view, Qt.Key.Key_Down)
    QTest.keyClick(shown.view, Qt.Key.Key_Space)
    assert edit.option_value() == "broadleaf-forest,coniferous-forest"
    QTest.keyClick(shown.view, Qt.Key.Key_Escape)
    assert not shown.isVisible()
    assert edit.currentText().startswith("Broadleaf")


def test_keys_on_the_closed_box_tick_nothing(edit: SceneEdit) -> None:
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_H, Qt.Key.Key_Home):
        QTest.keyClick(edit, key)
    assert edit.option_value() == "auto"
    assert edit.currentText() == "Any scene"


def test_enter_in_an_empty_search_ticks_nothing(edit: SceneEdit) -> None:
    edit.showPopup()
    QTest.keyClick(edit.list.search, Qt.Key.Key_Return)
    QTest.keyClicks(edit.list.search, "no such scene")
    QTest.keyClick(edit.list.search, Qt.Key.Key_Return)
    QTest.keyClick(edit.list.search, Qt.Key.Key_Down)
    assert edit.option_value() == "auto"
    edit.hidePopup()
    edit.showPopup()
    assert edit.list.search.text() == ""
    assert not any(item.isHidden() for item in edit.list.items())


def test_a_long_choice_is_elided_and_told_in_full(edit: SceneEdit) -> None:
    edit.set_option_value(",".join(list(known_scenes())[:6]))
    assert edit.currentText().endswith("…")
    assert edit.toolTip().count(",") >= 5
    edit.resize(1500, 30)
    assert "…" not in edit.currentText()


def test_all_scenes_are_there_by_title(edit: SceneEdit) -> None:
    assert {item.data(Qt.ItemDataRole.UserRole): item.text() for item in edit.list.items()} == known_scenes()


def test_a_broken_library_is_told_and_the_box_is_there(qgis_app: Any, qtbot: Any, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(prompts, "FOLDER", tmp_path)
    edit = SceneEdit("auto")
    qtbot.addWidget(edit)
    edit.set_option_value("harbour")
    assert edit.option_value() == "auto"
    assert "scenes.json" in edit.toolTip()


# ── in the dock ─────────────────────────────────────────────────────────────────────────────────────────────


def controls(dock: RegisterDock) -> tuple[Any, Any]:
    editors = dock.advanced.options.editors
    return editors["match.scene"], editors["output.land_cover"]


@pytest.fixture
def reading_dock(reader: ModuleType, dock: RegisterDock, pair: Pair, qtbot: Any) -> RegisterDock:
    """A dock in which a method that reads text can be chosen."""
    qtbot.waitUntil(lambda: dock.run_row.is_ready, timeout=5000)
    dock.advanced.setCollapsed(False)
    return dock


def test_only_for_methods_that_read_text(reading_dock: RegisterDock) -> None:
    dock = reading_dock
    scene, cover = controls(dock)
    dock.method.set_values({"match.method": "structural"})
    assert not scene.isEnabled()
    assert not cover.isEnabled()
    assert "Reader (for tests)" in scene.toolTip()
    assert "Only with the method" in cover.toolTip()
    dock.method.set_values({"match.method": "reader"})
    assert scene.isEnabled()
    assert cover.isEnabled()
    assert "Only with the method" not in scene.toolTip() + cover.toolTip()


def test_only_for_methods_that_paint(reading_dock: RegisterDock) -> None:
    dock = reading_dock
    box = dock.advanced.options.editors["output.painted"]
    assert box.text() == "Write a synthetic optical picture"
    for method, paints in (("structural", False), ("reader", True), ("tar", False), ("promptmid", True)):
        dock.method.set_values({"match.method": method})
        assert box.isEnabled() is paints
        assert ("Only with the method" in box.toolTip()) is not paints
    assert "for the eye only" in box.toolTip()


def test_what_is_switched_off_does_not_reach_the_job_and_comes_back(reading_dock: RegisterDock) -> None:
    dock = reading_dock
    scene, cover = controls(dock)
    dock.method.set_values({"match.method": "reader"})
    scene.set_option_value("harbour")
    cover.set_option_value(True)
    job = dock.job()
    assert job is not None
    assert (job.match.scene, job.output.land_cover) == ("harbour", True)
    dock.method.set_values({"match.method": "structural"})
    job = dock.job()
    assert job is not None
    assert (job.match.scene, job.output.land_cover) == ("auto", False)
    dock.method.set_values({"match.method": "reader"})
    job = dock.job()
    assert job is not None
    assert (job.match.scene, job.output.land_cover) == ("harbour", True)
    dock.advanced.reset_button.click()
    assert (scene.option_value(), cover.option_value()) == ("auto", False)


def test_remembered_with_the_project(
    reading_dock: RegisterDock, make_dock: Callable[..., RegisterDock], foresee_fake: FakeForesee, qtbot: Any
) -> None:
    dock = reading_dock
    dock.method.set_values({"match.method": "reader"})
    scene, cover = controls(dock)
    scene.showPopup()
    click(scene, "Harbour")
    click(scene, "River")
    scene.hidePopup()
    QTest.mouseClick(cover, LEFT, NONE, QPoint(8, cover.height() // 2))
    qtbot.wait(60)
    stored = load_settings(QgsProject.instance())["options"]
    assert stored == {"match.method": "reader", "match.scene": "harbour,river", "output.land_cover": True}
    job = make_dock(foresee=foresee_fake).job()
    assert job is not None
    assert (job.match.scene, job.output.land_cover) == ("harbour,river", True)


@pytest.mark.parametrize("value", ["mars", "auto,harbour", "", 7, None])
def test_scenes_that_are_not_there_any_more_are_forgotten(
    reader: ModuleType, make_dock: Callable[..., RegisterDock], value: Any
) -> None:
    state = {"options": {"match.method": "reader", "match.scene": value}}
    save_settings(QgsProject.instance(), state)
    dock = make_dock()
    assert dock.advanced.options.values()["match.scene"] == "auto"
    assert dock.method.values()["match.method"] == "reader"


def test_an_error_about_the_scene_is_said_below_it(
    make_dock: Callable[..., RegisterDock], pair: Pair, qtbot: Any
) -> None:
    error = OptionError("Scene 'mars' is not in the prompt library.", "Closest: marsh.")
    dock = make_dock(foresee=FakeForesee(error))
    note = dock.advanced.options.notes["match.scene"]
    qtbot.waitUntil(lambda: "mars" in note.plain_text, timeout=5000)
    assert not dock.run_row.is_ready


def test_tab_goes_through_both(reading_dock: RegisterDock) -> None:
    dock = reading_dock
    dock.method.set_values({"match.method": "reader"})
    QApplication.processEvents()
    editors, seen = dock.advanced.options.editors, []
    widget = editors["job.gsd"]
    for _ in range(150):
        widget = widget.nextInFocusChain()
        keys = [key for key, editor in editors.items() if editor is widget]
        seen += keys
    order = [key for key in editors if key != "job.gsd"]
    assert seen[: len(order)] == order


def test_methods_have_plain_names_and_say_when_to_choose_them(reading_dock: RegisterDock) -> None:
    combo = reading_dock.method.editors["match.method"]
    assert [combo.itemData(row) for row in range(combo.count())] == list(METHODS)
    for row, name in enumerate(METHODS):
        assert combo.itemText(row) == choice_of("method", name) != name
        assert combo.itemData(row, Qt.ItemDataRole.ToolTipRole) == hint_of("method", name)
        assert hint_of("method", name) in combo.toolTip()


def test_a_checkbox_has_no_second_label(reading_dock: RegisterDock) -> None:
    _, cover = controls(reading_dock)
    assert cover.text() == "Write the land cover seen"
    assert not [x for x in cover.parent().findChildren(QLabel) if x.isVisible() and x.text() == cover.text()]


def test_nothing_is_cut_off_in_the_narrowest_dock(reading_dock: RegisterDock, qtbot: Any) -> None:
    dock = reading_dock
    dock.method.set_values({"match.method": "reader"})
    scene, cover = controls(dock)
    scene.set_option_value("harbour,industrial-area,railway-station")
    dock.resize(dock.minimumSizeHint().width(), 900)
    qtbot.wait(50)
    assert cover.sizeHint().width() <= cover.width()
    assert scene.currentText().endswith("…")
    assert scene.fontMetrics().horizontalAdvance(scene.currentText()) < scene.width() - 20


def test_the_list_stays_on_the_screen(edit: SceneEdit) -> None:
    screen = edit.screen().availableGeometry()
    edit.move(screen.right() - 60, screen.bottom() - 40)
    edit.showPopup()
    frame = 4  # that the offscreen screen draws around windows
    assert screen.adjusted(-frame, -frame, frame, frame).contains(edit.list.geometry())
    edit.hidePopup()
