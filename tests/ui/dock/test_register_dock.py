"""The dock as a whole, with real layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtCore import QPoint, Qt
from qgis.PyQt.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QWidget
from sarto.core.contract import EngineError, InputError, OptionError, OutputError, Verdict
from sarto.ui.dock import RegisterDock, guess, layers_box
from sarto.ui.dock.tones import ToneLabel
from sarto.ui.run import Progress

from .conftest import FakeForesee, Pair, write_raster

WAIT = 5000


def wait_ready(qtbot: Any, dock: RegisterDock, is_ready: bool = True) -> None:
    qtbot.waitUntil(lambda: dock.run_row.is_ready is is_ready, timeout=WAIT)


def settle(qtbot: Any) -> None:
    """Let the timers of 0 ms run."""
    qtbot.wait(30)


def test_empty_project_shows_no_error(dock: RegisterDock, qtbot: Any) -> None:
    settle(qtbot)
    assert dock.job() is None
    assert not dock.run_row.run_button.isEnabled()
    assert dock.layers.reference.layer_note.isHidden()
    assert "Choose an optical and a SAR layer" in dock.run_row.forecast_label.plain_text


def test_guesses_runs_and_plans_other_folders(dock: RegisterDock, pair: Pair, tmp_path: Path, qtbot: Any) -> None:
    wait_ready(qtbot, dock)
    assert dock.layers.reference.layer is pair.optical
    assert dock.layers.moving.layer is pair.sar
    dock.output.folder = str(tmp_path)
    settle(qtbot)
    jobs = []
    dock.run_requested.connect(jobs.append)
    qtbot.mouseClick(dock.run_row.run_button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(dock.run_row.run_button, Qt.MouseButton.LeftButton)
    first, second = jobs
    assert first.reference.source == pair.optical.source()
    assert first.moving.name == "S1 VV"
    assert first.area == ""
    assert first.gsd is None
    assert first.output.directory == str(tmp_path / "S1_VV_aligned")
    assert second.output.directory == str(tmp_path / "S1_VV_aligned_2")


def test_forecast_in_words(dock: RegisterDock, pair: Pair, tmp_path: Path, qtbot: Any) -> None:
    dock.output.folder = str(tmp_path)
    label = dock.run_row.forecast_label
    qtbot.waitUntil(lambda: "S1_VV_aligned" in label.plain_text, timeout=WAIT)
    folder = tmp_path / "S1_VV_aligned"
    assert label.plain_text == (f"3,072 × 2,048 pixels of 10 m, 629 km² overlap. About 30 s. Results: {folder}.")


def test_real_foresight(make_dock: Any, pair: Pair, qtbot: Any) -> None:
    dock = make_dock()
    wait_ready(qtbot, dock)
    assert "200 × 200 pixels of 10 m" in dock.run_row.forecast_label.plain_text


def test_user_choice_survives_new_layers(dock: RegisterDock, pair: Pair, tmp_path: Path, qtbot: Any) -> None:
    settle(qtbot)
    dock.layers.swap()
    other = QgsRasterLayer(str(write_raster(tmp_path / "sar_gamma0.tif")), "Sentinel-1 gamma0")
    QgsProject.instance().addMapLayer(other)
    settle(qtbot)
    assert dock.layers.reference.layer is pair.sar
    assert dock.layers.moving.layer is pair.optical


def test_bands_and_nodata_go_with_their_layer(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    wait_ready(qtbot, dock)
    dock.layers.moving.band_combo.bands = "VH"
    dock.advanced.options.set_values({"moving.nodata": 0.0})
    dock.layers.swap_button.click()
    job = dock.job()
    assert job is not None
    assert (job.reference.name, job.reference.bands, job.reference.nodata) == ("S1 VV", "VH", 0.0)
    assert (job.moving.name, job.moving.bands, job.moving.nodata) == ("S2 scene", "auto", None)


def test_what_was_run_is_not_guessed_away(dock: RegisterDock, pair: Pair, tmp_path: Path, qtbot: Any) -> None:
    wait_ready(qtbot, dock)
    dock.run_row.run_button.click()
    better = QgsRasterLayer(str(write_raster(tmp_path / "sar.tif")), "Sentinel-1 SAR sigma0 VV")
    QgsProject.instance().addMapLayer(better)
    settle(qtbot)
    assert dock.layers.moving.layer is pair.sar


def test_guess_looks_at_each_of_many_layers_once(
    dock: RegisterDock, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(write_raster(tmp_path / "many.tif"))
    layers = [QgsRasterLayer(path, f"{'S1' if i % 2 else 'S2'} scene {i}") for i in range(100)]
    QgsProject.instance().addMapLayers(layers)
    settle(qtbot)
    dock.layers.clear()
    read: list[str] = []
    judged: list[str] = []
    facts_of, fits = layers_box.facts_of, guess.fits
    monkeypatch.setattr(layers_box, "facts_of", lambda layer: read.append(layer.id()) or facts_of(layer))
    monkeypatch.setattr(guess, "fits", lambda facts: judged.append(facts.key) or fits(facts))
    dock.layers.guess()
    assert sorted(read) == sorted(layer.id() for layer in layers)
    assert len(judged) <= 3 * len(layers)  # not for each of the 2,500 pairs
    assert dock.layers.moving.layer is not None


def test_removed_layer_is_replaced_or_asked_for(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    wait_ready(qtbot, dock)
    QgsProject.instance().removeMapLayer(pair.sar.id())
    wait_ready(qtbot, dock, False)
    assert dock.layers.moving.layer is None
    assert "No SAR layer is chosen" in dock.layers.moving.layer_note.plain_text
    assert dock.job() is None


def test_choose_layer_from_the_context_menu(dock: RegisterDock, pair: Pair, tmp_path: Path, qtbot: Any) -> None:
    other = QgsRasterLayer(str(write_raster(tmp_path / "b.tif")), "ALOS PALSAR HH")
    QgsProject.instance().addMapLayer(other)
    dock.choose_layer(other)
    settle(qtbot)
    assert dock.layers.moving.layer is other
    assert dock.layers.reference.layer is pair.optical


def test_same_layer_twice(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    wait_ready(qtbot, dock)
    dock.layers.moving.set_layer(pair.optical, is_chosen=True)
    wait_ready(qtbot, dock, False)
    assert "'S2 scene' is chosen twice" in dock.layers.moving.layer_note.plain_text


def test_web_layer_names_the_way_out(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    web = QgsRasterLayer("type=xyz&url=http://localhost:1/{z}/{x}/{y}.png&zmax=1&zmin=0", "Web map", "wms")
    QgsProject.instance().addMapLayer(web)
    wait_ready(qtbot, dock)
    assert dock.layers.reference.layer is pair.optical
    dock.layers.reference.set_layer(web, is_chosen=True)
    wait_ready(qtbot, dock, False)
    text = dock.layers.reference.layer_note.plain_text
    assert "'Web map' is a web service" in text
    assert "Save As… ▸ Raw data" in text


def test_vector_layers_are_not_offered(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    QgsProject.instance().addMapLayer(QgsVectorLayer("Point", "points", "memory"))
    settle(qtbot)
    assert dock.layers.moving.layer_combo.count() == 3  # empty, optical, SAR


@pytest.mark.parametrize(("text", "bands"), [("4,3,2", "4,3,2"), ("VV", "VV"), ("", "auto"), (" 2 , 1", "2,1")])
def test_bands_typed_in(dock: RegisterDock, pair: Pair, qtbot: Any, text: str, bands: str) -> None:
    settle(qtbot)
    dock.layers.moving.band_combo.setEditText(text)
    assert dock.layers.moving.band_combo.bands == bands


def test_bands_from_the_list(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    wait_ready(qtbot, dock)
    combo = dock.layers.moving.band_combo
    assert [combo.itemData(i) for i in range(combo.count())] == ["auto", "mean", "1", "2"]
    assert "VH" in combo.itemText(3)
    combo.setCurrentIndex(3)
    job = dock.job()
    assert job is not None
    assert job.moving.bands == "2"


def test_wrong_bands_are_told_at_once(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    wait_ready(qtbot, dock)
    for text, said in (("3", "bands 1 to 2"), ("1,,2", "between the commas")):
        dock.layers.moving.band_combo.setEditText(text)
        settle(qtbot)
        assert said in dock.layers.moving.band_note.plain_text
        assert not dock.run_row.is_ready
    dock.layers.moving.band_combo.setEditText("1")
    wait_ready(qtbot, dock)
    assert dock.layers.moving.band_note.isHidden()


def test_folder_that_is_a_file(dock: RegisterDock, pair: Pair, tmp_path: Path, qtbot: Any) -> None:
    wait_ready(qtbot, dock)
    file = tmp_path / "file"
    file.write_text("")
    dock.output.folder = str(file)
    wait_ready(qtbot, dock, False)
    assert "is a file" in dock.output.note.plain_text
    assert dock.job() is None


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (InputError("Layer 'S1 VV' has no band 'HH'.", "Its bands are 1 to 2."), "moving.bands"),
        (InputError("Layer 'S2 scene' cannot be opened: gone."), "reference"),
        (InputError("'S2 scene' (x) and 'S1 VV' (y) do not overlap."), "moving"),
        (InputError("The area (x 0 … 1) lies outside the overlap."), "area"),
        (InputError("The NoData value 300 of layer 'S1 VV' does not fit."), "moving.nodata"),
        (OptionError("An analysis GSD of 0.1 m is far finer than both layers."), "gsd"),
        (OptionError("Option 'points' is 1."), "points"),
        (OptionError("Search range 'x' is not known."), "range"),
        (OutputError("The folder '/x' cannot be written."), "folder"),
    ],
)
def test_errors_appear_at_their_control(
    dock: RegisterDock, pair: Pair, foresee_fake: FakeForesee, qtbot: Any, error: Exception, note: str
) -> None:
    foresee_fake.error = error
    label = dock.notes.at(note)
    assert label is not None
    qtbot.waitUntil(lambda: label.plain_text == str(error), timeout=WAIT)
    assert label.isVisible()  # an option inside the folded group unfolds it
    assert not dock.run_row.is_ready
    foresee_fake.error = None
    dock.method.set_values({"match.range": "50"})
    wait_ready(qtbot, dock)
    assert label.plain_text == ""


def test_error_of_a_run_stays_until_something_is_changed(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    wait_ready(qtbot, dock)
    dock.show_running("S1 VV", 0)
    dock.show_problem(InputError("Layer 'S1 VV' is constant.", "Choose another band."))
    dock.show_running(None, 0)
    qtbot.wait(600)  # a new forecast, which knows nothing of it
    note = dock.layers.moving.layer_note
    assert note.plain_text == "Layer 'S1 VV' is constant. Choose another band."
    assert dock.run_row.is_ready
    dock.layers.moving.band_combo.bands = "2"
    settle(qtbot)
    assert note.plain_text == ""


def test_error_without_place_is_dismissable(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    wait_ready(qtbot, dock)
    dock.show_problem(EngineError("The engine stopped.", "Run it again."))
    banner = dock.run_row.problem
    assert banner.isVisible()
    assert banner.label.plain_text == "The engine stopped. Run it again."
    banner.close_button.click()
    assert banner.isHidden()


def test_missing_engine_keeps_from_running(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    wait_ready(qtbot, dock)
    dock.show_engine("No Python with torch was found.", False)
    wait_ready(qtbot, dock, False)
    assert dock.advanced.engine_label.isVisible()
    dock.show_engine("Python 3.11, torch", True)
    wait_ready(qtbot, dock)
    with qtbot.waitSignal(dock.engine_settings_requested, timeout=WAIT):
        dock.advanced.engine_button.click()


def test_run_becomes_cancel_and_queue(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    wait_ready(qtbot, dock)
    row = dock.run_row
    assert row.queue_button.isHidden()
    dock.show_running("S1 VV → S2 scene", 1)
    dock.show_progress(Progress("Reading the SAR layer", 0.25, 21.0))
    assert row.run_button.text() == "Cancel"
    assert row.bar.value() == 250
    assert row.stage_label.plain_text == "Reading the SAR layer — about 20 s left"
    assert row.waiting_label.text() == "1 more waiting"
    with qtbot.waitSignal(dock.run_requested, timeout=WAIT):
        row.queue_button.click()
    with qtbot.waitSignal(dock.cancel_requested, timeout=WAIT), qtbot.assertNotEmitted(dock.run_requested):
        row.run_button.click()
    assert not row.run_button.isEnabled()
    dock.show_running(None, 0)
    assert row.run_button.text() == "Register"
    assert row.run_button.isEnabled()
    assert row.bar.isHidden()


def test_a_waiting_run_can_be_taken_away(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    row = dock.run_row
    dock.show_running("S1 VV → S2 scene", 2)
    assert row.waiting_label.text() == "2 more waiting"
    assert row.remove_button.isVisible()
    with (
        qtbot.waitSignal(dock.waiting_cancel_requested, timeout=WAIT),
        qtbot.assertNotEmitted(dock.cancel_requested),
    ):
        row.remove_button.click()
    dock.show_running("S1 VV → S2 scene", 0)
    assert not row.waiting_label.isVisible()
    assert not row.remove_button.isVisible()


def test_a_layer_that_was_left_is_not_watched(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    row = dock.layers.moving
    settle(qtbot)
    row.set_layer(pair.optical, is_chosen=True)
    watchers = pair.sar.receivers(pair.sar.willBeDeleted)
    for _ in range(3):
        row.set_layer(pair.sar, is_chosen=True)
        row.set_layer(pair.optical, is_chosen=True)
    assert pair.sar.receivers(pair.sar.willBeDeleted) == watchers
    with qtbot.assertNotEmitted(row.changed):
        pair.sar.setName("another")
    QgsProject.instance().removeMapLayer(pair.sar.id())
    with qtbot.waitSignal(row.changed, timeout=WAIT):
        pair.optical.setName("another")


def test_settings_stay_open_while_it_runs(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    wait_ready(qtbot, dock)
    dock.show_running("S1", 0)
    dock.layers.moving.band_combo.setEditText("7")
    settle(qtbot)
    assert not dock.run_row.queue_button.isEnabled()
    assert dock.run_row.run_button.isEnabled()  # cancel is always possible


@pytest.mark.parametrize("verdict", list(Verdict))
def test_verdict_names_what_to_do(dock: RegisterDock, verdict: Verdict) -> None:
    dock.show_result("S1 VV: 40 GCPs.", verdict.value)
    text = dock.run_row.result.label.plain_text
    assert text.startswith("S1 VV: 40 GCPs.")
    assert (text != "S1 VV: 40 GCPs.") is (verdict is not Verdict.TRUSTED)


def test_every_control_has_a_tooltip(dock: RegisterDock) -> None:
    dock.advanced.setCollapsed(False)
    kinds = (QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit)
    bare = [
        f"{type(w).__name__} in {type(w.parent()).__name__}"
        for kind in kinds
        for w in dock.widget().findChildren(kind)
        if not _tooltip(w) and not _is_decoration(w)
    ]
    assert bare == []


def _tooltip(widget: QWidget) -> str:
    """Its own tooltip, or that of the control that it is a part of."""
    while widget is not None and not widget.toolTip():
        if not isinstance(widget.parent(), (QComboBox, QAbstractSpinBox, QLineEdit)):
            return ""
        widget = widget.parent()
    return str(widget.toolTip())


def _is_decoration(widget: QWidget) -> bool:
    return widget.objectName().startswith("qt_")


def test_tab_order_is_reading_order(dock: RegisterDock, qtbot: Any) -> None:
    dock.area.choose("drawn")
    dock.area.stop_drawing()
    dock.resize(360, 900)
    settle(qtbot)
    order, widget = [], dock.layers.reference.layer_combo
    for _ in range(400):
        if widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus and dock.isAncestorOf(widget):
            order.append(widget)
        widget = widget.nextInFocusChain()
        if widget is dock.layers.reference.layer_combo:
            break
    body = [w for w in order if dock.body.isAncestorOf(w)]
    tops = [(w.mapTo(dock.body, QPoint(0, 0)).y() + w.height() // 2) // 12 for w in body]
    assert len(body) >= 10
    assert tops == sorted(tops)


def test_nothing_is_wider_than_the_dock(dock: RegisterDock, pair: Pair, qtbot: Any) -> None:
    dock.advanced.setCollapsed(False)
    dock.output.folder = "/somewhere/" + "a_very_long_folder_name/" * 5
    dock.show_problem(EngineError("x" * 20 + "/" + "y" * 30 + "/" + "z" * 30 + ".", "Way out."))
    dock.resize(320, 600)
    wait_ready(qtbot, dock)
    assert dock.width() == 320
    assert dock.body.width() <= dock.scroll.viewport().width()


def test_shut_down_twice(make_dock: Any, foresee_fake: FakeForesee, pair: Pair, qtbot: Any) -> None:
    dock = make_dock(foresee=foresee_fake)
    settle(qtbot)
    dock.shut_down()
    dock.shut_down()
    QgsProject.instance().removeMapLayer(pair.sar.id())
    settle(qtbot)


@pytest.mark.parametrize("points", [9, 12, 16])
def test_no_line_is_cut_off(dock: RegisterDock, pair: Pair, qtbot: Any, points: int) -> None:
    font = dock.font()
    font.setPointSize(points)
    dock.setFont(font)
    dock.resize(360, 600)
    dock.advanced.options.editors["job.gsd"].setText("a very long text that is no number at all")
    dock.layers.moving.band_combo.setEditText("17")
    settle(qtbot)
    qtbot.wait(100)
    notes = [note for note in dock.body.findChildren(ToneLabel) if note.isVisible()]
    assert len(notes) >= 3
    for note in notes:
        assert note.height() >= note.heightForWidth(note.width()), note.plain_text
