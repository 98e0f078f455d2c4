"""The dock: edits refit at once, the map follows the table, the table follows the map."""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from qgis.core import QgsApplication, QgsCoordinateReferenceSystem, QgsPointXY, QgsRectangle
from qgis.gui import QgsMapToolPan
from qgis.PyQt.QtCore import QPoint, Qt, QTimer
from qgis.PyQt.QtGui import QGuiApplication
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QFileDialog, QLineEdit, QMessageBox, QStyle, QStyleOptionComboBox
from sarto.core.geometry import refit, summary
from sarto.core.pipeline import Review
from sarto.ui.gcps import GcpDock
from sarto.ui.gcps.columns import NONE, NUMBER, ON, RESIDUAL_M, RESIDUAL_PX
from sarto.ui.gcps.filtering import CHECKS

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def dock(canvas, qtbot):
    dock = GcpDock(canvas)
    qtbot.addWidget(dock)
    dock.resize(1000, 300)
    dock.show()
    yield dock
    dock.shut_down()


@pytest.fixture
def review(make_review):
    return make_review(40)


def click_cell(dock, line, column, **more):
    view = dock.view
    place = view.visualRect(dock.model.index(line, column))
    point = place.center() if column != ON else QPoint(place.left() + 10, place.center().y())
    QTest.mouseClick(view.viewport(), LEFT, pos=point, **more)


def on(dock):
    return dock.review.table.enabled


def pixel_of(dock, row):
    x, y = dock.positions.in_pixels()[row]
    return QPoint(round(x), round(y))


def wait_fitted(dock, qtbot):
    qtbot.waitUntil(lambda: not dock._shown.is_fitting, timeout=60_000)


def figures(dock):
    return "\n".join(dock.controls.figures.lines)


def choose_model(dock, name):
    box = dock.controls.model
    box.setCurrentIndex(box.findData(name))
    box.activated.emit(box.currentIndex())


def test_empty_dock_says_what_to_do(dock, qtbot, review):
    assert "Register a SAR layer" in dock.widget().currentWidget().text()
    assert dock.review is None
    dock.show_run(review, "one")
    assert dock.review is review
    assert dock.model.rowCount() == 40
    dock.clear()
    assert dock.model.rowCount() == 0
    assert dock.controls.run.count() == 0


def test_runs_are_listed_once_and_can_be_changed(dock, make_review, tmp_path):
    first, second = make_review(20, name="a"), make_review(30, name="b")
    dock.show_run(first, "first")
    dock.show_run(second, "second")
    dock.show_run(Review(second.result), "second again")
    box = dock.controls.run
    assert [box.itemText(i) for i in range(box.count())] == ["first", "second again"]
    box.setCurrentIndex(0)
    box.activated.emit(0)
    assert dock.review is first
    assert dock.model.rowCount() == 20
    assert not dock.show_record(tmp_path / "c" / "record.json")
    assert dock.show_record(tmp_path / "b" / "record.json")
    assert dock.model.rowCount() == 30


def test_a_click_on_the_tick_refits(dock, review):
    dock.show_run(review, "one")
    before = figures(dock)
    line = dock.model.line_of(5)
    click_cell(dock, line, ON)
    expected = refit(review.result.gcps.with_columns(enabled=on(dock)), "affine")[1]
    assert not on(dock)[5]
    shown = [dock.model.data(dock.model.index(i, RESIDUAL_PX)) for i in range(40)]
    assert shown == [f"{value:.2f}" for value in expected.residual_length_px]
    text = figures(dock)
    assert text != before
    rmse = summary(expected.residual_px, expected.used("gcp")).rmse
    assert 0.1 < rmse < 1
    assert f"Fit RMSE {rmse:.2f} px ({10 * rmse:.2f} m), was " in text
    assert f"was {review.result.assessment.figures.rmse_fit:.2f}, 25 of 30 GCPs" in text
    assert "10 check points" in text
    assert dock.controls.apply.isEnabled()
    click_cell(dock, line, ON)
    assert figures(dock) == before
    assert not dock.controls.apply.isEnabled()


def test_space_switches_what_is_selected(dock, review):
    dock.show_run(review, "one")
    for line in (2, 4):
        click_cell(dock, line, NUMBER, modifier=Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(dock.view, Qt.Key.Key_Space)
    assert not on(dock)[[2, 4]].any()
    QTest.keyClick(dock.view, Qt.Key.Key_Space)
    assert on(dock)[[2, 4]].all()


def test_menu_switches_and_zooms(dock, review, canvas):
    dock.show_run(review, "one")
    dock.view.selectRow(1)
    actions = {action.text(): action for action in dock.view.build_menu().actions()}
    actions["Switch off selected"].trigger()
    assert not on(dock)[1]
    actions["Switch on selected"].trigger()
    assert on(dock)[1]
    dock.view.selectAll()
    canvas.setExtent(QgsRectangle(505_000, 5_495_000, 505_100, 5_495_100))
    actions["Zoom to"].trigger()
    xy = review.table.map_xy
    extent = canvas.extent()
    assert all(extent.contains(QgsPointXY(*place)) for place in xy.tolist())
    dock.view.clearSelection()
    assert not any(action.isEnabled() for action in dock.view.build_menu().actions())


def test_copy(dock, review):
    dock.show_run(review, "one")
    dock.view.selectRow(6)
    QTest.keyClick(dock.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert len(lines) == 2
    assert lines[1].split("\t")[1] == "7"


def test_too_few_gcps_are_said_clearly(dock, review, qtbot):
    dock.show_run(review, "one")
    dock.view.selectAll()
    dock.view.switch_requested.emit(np.arange(40), False)
    assert dock.controls.problem.isVisible()
    assert "GCPs" in dock.controls.problem.text()
    assert not dock.controls.apply.isEnabled()
    assert not dock.controls.export.isEnabled()
    residuals = {dock.model.data(dock.model.index(i, c)) for i in range(40) for c in (RESIDUAL_PX, RESIDUAL_M)}
    assert residuals == {NONE}
    assert dock.controls.figures.lines == ("Fit RMSE –, 0 of 30 GCPs", "Check RMSE –, 0 of 10 check points")
    dock.view.switch_requested.emit(np.array([1, 3]), True)  # a GCP and a check point do not suffice, either
    assert "Check RMSE –" in figures(dock)
    dock.controls.reset.click()
    assert not dock.controls.problem.isVisible()
    assert dock.controls.export.isEnabled()
    assert dock.model.data(dock.model.index(1, RESIDUAL_PX)) != NONE
    assert (on(dock) == review.result.gcps.enabled).all()


def test_another_transform(dock, review, qtbot):
    dock.show_run(review, "one")
    box = dock.controls.model
    assert box.currentData() == "affine"
    assert box.findData("auto") == -1
    box.setCurrentIndex(box.findData("poly2"))
    box.activated.emit(box.currentIndex())
    assert review.model == "poly2"
    with qtbot.waitSignal(dock.apply_requested) as caught:
        dock.controls.apply.click()
    assert caught.args[0].model == "poly2"
    dock.set_busy(True)
    assert not dock.controls.apply.isEnabled()
    dock.set_busy(False)
    assert dock.controls.apply.isEnabled()
    dock.controls.reset.click()
    assert box.currentData() == "affine"


def test_a_large_spline_is_fitted_beside_the_interface(dock, make_review, qtbot):
    review = make_review(2000)
    dock.show_run(review, "one")
    dock.view.switch_requested.emit(np.array([5, 6]), False)
    started = time.perf_counter()
    choose_model(dock, "tps")
    dock.view.switch_requested.emit(np.array([8]), False)
    dock.view.switch_requested.emit(np.array([5, 9]), True)
    assert time.perf_counter() - started < 0.2
    assert "Fitting" in figures(dock)
    controls = dock.controls
    for control in (controls.model, controls.reset, controls.apply, controls.export):
        assert not control.isEnabled()
    assert (on(dock)[[5, 6, 8]] == [False, False, True]).all()  # not yet
    shown = [dock.model.data(dock.model.index(row, ON), Qt.ItemDataRole.CheckStateRole) for row in (5, 6, 8)]
    assert shown == [Qt.CheckState.Checked, Qt.CheckState.Unchecked, Qt.CheckState.Unchecked]
    wait_fitted(dock, qtbot)
    assert dock.review.model == "tps"
    assert controls.model.isEnabled()
    assert (on(dock)[[5, 6, 8, 9]] == [True, False, False, True]).all()
    expected = refit(review.result.gcps.with_columns(enabled=on(dock)), "tps")[1]
    np.testing.assert_allclose(dock.review.table.residual_px, expected.residual_px, atol=1e-3)
    assert "was" in figures(dock)
    for row in (8, 10, 11):  # by now it is quick
        dock.view.switch_requested.emit(np.array([row]), not on(dock)[row])
        wait_fitted(dock, qtbot)
    started = time.perf_counter()
    dock.view.switch_requested.emit(np.array([12]), False)
    assert time.perf_counter() - started < 0.2
    assert not on(dock)[12]
    controls.reset.click()
    assert (dock.review.model, controls.model.currentData()) == ("affine", "affine")


def slow_review(review, seconds=0.15):
    """A review whose fits take their time, as those of thousands of GCPs or without smoothing do."""

    class Slow(type(review)):
        def _refit(self, enabled):
            if self._differs(enabled):
                fits.append(threading.current_thread() is threading.main_thread())
                time.sleep(seconds)
            super()._refit(enabled)

    fits: list[bool] = []
    review.__class__ = Slow
    return review, fits


def test_what_takes_long_once_is_done_beside_the_interface(dock, make_review, qtbot):
    review, in_main_thread = slow_review(make_review(40))
    dock.show_run(review, "one")
    for row in (1, 2, 3, 4):
        dock.view.switch_requested.emit(np.array([row]), False)
    assert in_main_thread[0]
    wait_fitted(dock, qtbot)
    assert not on(dock)[[1, 2, 3, 4]].any()
    assert not any(in_main_thread[1:])
    assert len(in_main_thread) <= 3  # 3 and 4 were asked for while 2 was fitted
    dock.view.switch_requested.emit(np.array([1, 2, 3, 4]), True)  # the run as it was: nothing is computed
    wait_fitted(dock, qtbot)
    assert not dock.review.is_changed
    dock.view.switch_requested.emit(np.array([1]), False)
    wait_fitted(dock, qtbot)
    assert not in_main_thread[-1]


def test_a_spline_without_smoothing_does_not_block(dock, make_review, qtbot):
    review = make_review(2500, model="tps", smoothing=0.0)
    dock.show_run(review, "one")
    for row in (1, 2, 3):
        started = time.perf_counter()
        dock.view.switch_requested.emit(np.array([row]), False)
        assert time.perf_counter() - started < 0.15
        wait_fitted(dock, qtbot)
    assert not on(dock)[[1, 2, 3]].any()


def test_another_run_can_be_edited_meanwhile(dock, make_review, qtbot):
    slow, fast = slow_review(make_review(40, name="a"), 0.5)[0], make_review(40, name="b")
    dock.show_run(slow, "slow")
    dock.view.switch_requested.emit(np.array([1]), False)
    dock.view.switch_requested.emit(np.array([2]), False)
    run = dock._shown
    assert run.is_fitting
    dock.show_run(fast, "fast")
    assert "Fitting" not in figures(dock)
    assert dock.controls.model.isEnabled()
    dock.view.switch_requested.emit(np.array([3]), False)
    assert not fast.table.enabled[3]
    qtbot.waitUntil(lambda: not run.is_fitting, timeout=10_000)
    assert not run.review.table.enabled[[1, 2]].any()
    assert dock.review is fast


def test_what_was_fitted_for_a_replaced_run_is_dropped(dock, make_review, qtbot):
    review = slow_review(make_review(40))[0]
    dock.show_run(review, "one")
    dock.view.switch_requested.emit(np.array([1]), False)
    dock.view.switch_requested.emit(np.array([2]), False)
    again = Review(review.result)
    dock.show_run(again, "again")
    with qtbot.waitSignal(dock.refits.fitted, timeout=10_000):
        pass
    assert dock.review is again
    assert not again.is_changed


def test_shut_down_waits_for_the_spline(canvas, make_review, qtbot):
    dock = GcpDock(canvas)
    qtbot.addWidget(dock)
    dock.show_run(make_review(1500), "one")
    choose_model(dock, "tps")
    dock.shut_down()
    dock.shut_down()
    qtbot.waitUntil(lambda: QgsApplication.taskManager().countActiveTasks() == 0, timeout=10_000)


def test_an_edit_of_2000_points_is_felt_as_immediate(dock, make_review):
    dock.show_run(make_review(2000), "one")
    times = []
    for row in range(1, 8):
        started = time.perf_counter()
        dock.model.toggled.emit(row, not on(dock)[row])
        dock.view.viewport().repaint()
        times.append(time.perf_counter() - started)
    assert statistics.median(times) < 0.1


def test_a_click_on_a_row_centres_and_flashes(dock, review, canvas, monkeypatch):
    flashed = []
    monkeypatch.setattr(type(dock.overlay), "flash", lambda _self, row: flashed.append(row))
    dock.show_run(review, "one")
    dock.view.sortByColumn(RESIDUAL_PX, Qt.SortOrder.DescendingOrder)
    row = dock.model.row_at(1)
    click_cell(dock, 1, NUMBER)
    centre = canvas.center()
    np.testing.assert_allclose((centre.x(), centre.y()), review.table.map_xy[row], atol=0.01)
    assert flashed == [row]
    click_cell(dock, 2, ON)  # a tick moves nothing
    assert canvas.center() == centre


def test_a_click_on_the_map_selects_the_row(dock, review, canvas):
    earlier = QgsMapToolPan(canvas)
    canvas.setMapTool(earlier)
    dock.show_run(review, "one")
    dock.controls.kind.setCurrentIndex(dock.controls.kind.findData(CHECKS))
    dock.controls.pick.click()
    assert canvas.mapTool() is dock.pick_tool
    for row in (3, 12):  # 12 is a GCP, which the filter hides
        QTest.mouseClick(canvas.viewport(), LEFT, pos=pixel_of(dock, row) + QPoint(4, -5))
        assert dock.view.selected_rows().tolist() == [row]
    assert dock.controls.kind.currentIndex() == 0
    away = pixel_of(dock, 12) + QPoint(300, 0)
    if dock.positions.nearest(away.x(), away.y(), 12) < 0:
        QTest.mouseClick(canvas.viewport(), LEFT, pos=away)
        assert dock.view.selected_rows().tolist() == [12]
    dock.controls.pick.click()
    assert canvas.mapTool() is earlier


def test_another_tool_releases_the_button(dock, review, canvas):
    dock.show_run(review, "one")
    dock.controls.pick.click()
    other = QgsMapToolPan(canvas)
    canvas.setMapTool(other)
    assert not dock.controls.pick.isChecked()
    assert canvas.mapTool() is other


def test_positions_in_another_crs_and_turned(dock, review, canvas):
    dock.show_run(review, "one")
    for epsg, angle in ((4326, 0.0), (3857, 30.0)):
        canvas.setDestinationCrs(QgsCoordinateReferenceSystem(f"EPSG:{epsg}"))
        canvas.setRotation(angle)
        expected = [canvas.getCoordinateTransform().transform(*xy) for xy in dock.positions.on_map().tolist()]
        pixels = [(point.x(), point.y()) for point in expected]
        np.testing.assert_allclose(dock.positions.in_pixels(), pixels, atol=1e-3)
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    longitude, latitude = dock.positions.on_map()[0]
    assert 9.0 <= longitude < 9.2
    assert 49.5 < latitude < 49.7


def test_points_without_crs_lie_below_zero(dock, make_review):
    review = make_review(20, epsg=0)
    dock.show_run(review, "one")
    np.testing.assert_allclose(dock.positions.on_map(), review.table.map_xy * (1, -1))


def test_overlay_shows_crosses_and_a_ring(dock, review, canvas, qtbot):
    canvas.setExtent(QgsRectangle(500_000, 5_490_000, 510_000, 5_500_000))
    dock.show_run(review, "one")
    row = int(np.argmin(np.abs(review.table.reference_px - 500).sum(axis=1)))
    place = pixel_of(dock, row)
    dock.view.clearSelection()

    def colours():
        image = canvas.grab().toImage()
        ratio = round(image.devicePixelRatio())
        x, y, reach = ratio * place.x(), ratio * place.y(), range(-14 * ratio, 15 * ratio)
        near = [(x + i, y + j) for i in reach for j in reach]
        return {image.pixelColor(x, y).name() for x, y in near}

    dock.view.switch_requested.emit(np.array([row]), True)
    plain = colours()
    dock.view.switch_requested.emit(np.array([row]), False)
    crossed = colours() - plain
    assert "#ff5c8a" in crossed
    dock.view.select_row(row)
    assert "#ffe94a" in colours() - crossed
    dock.hide()
    assert not {"#ff5c8a", "#ffe94a"} & colours()


def test_ten_thousand_points_are_painted_in_time(dock, make_review, canvas):
    review = make_review(10_000)
    dock.show_run(review, "one")
    review.set_enabled(np.arange(10_000)[10:], False)
    dock._refresh()
    times = []
    for _ in range(5):
        started = time.perf_counter()
        canvas.grab()
        times.append(time.perf_counter() - started)
    assert statistics.median(times) < 0.3


@pytest.mark.parametrize("suffix", [".points", ".csv", ".geojson", ".gpkg"])
def test_export_asks_for_a_path(dock, review, qtbot, tmp_path, monkeypatch, suffix):
    asked = []

    def answer(suggestion, kind):
        asked.append((suggestion, kind))
        return str(tmp_path / "mine")

    monkeypatch.setattr(dock, "ask_path", answer)
    dock.show_run(review, "one")
    dock.view.switch_requested.emit(np.array([3]), False)
    with qtbot.waitSignal(dock.export_requested) as caught:
        dock.controls.exports[suffix].trigger()
    table, job, path = caught.args
    assert (Path(path), job) == (tmp_path / f"mine{suffix}", review.result.job)
    assert not table.enabled[3]
    assert asked == [(str(tmp_path / f"gcps{suffix}"), suffix)]
    monkeypatch.setattr(dock, "ask_path", lambda *_: "")
    with qtbot.assertNotEmitted(dock.export_requested):
        dock.controls.exports[suffix].trigger()


@pytest.mark.parametrize("is_agreed", [True, False])
def test_the_dialog_asks_about_the_file_that_is_written(dock, review, qtbot, tmp_path, is_agreed):
    """The name was typed without its suffix."""
    (tmp_path / "mine.points").write_text("precious")
    asked, written = [], []
    dock.export_requested.connect(lambda _table, _job, path: written.append(path))

    def type_name():
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, QFileDialog)
        dialog.findChild(QLineEdit, "fileNameEdit").setText("mine")
        QTimer.singleShot(50, answer)
        QTest.keyClick(dialog, Qt.Key.Key_Return)
        if not is_agreed:
            dialog.reject()

    def answer():
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            asked.append(box.text())
            kinds = QMessageBox.StandardButton
            box.button(kinds.Yes if is_agreed else kinds.No).click()

    dock.show_run(review, "one")
    QTimer.singleShot(50, type_name)
    dock.controls.exports[".points"].trigger()
    assert len(asked) == 1
    assert "mine.points" in asked[0]
    assert written == ([str(tmp_path / "mine.points")] if is_agreed else [])
    assert (tmp_path / "mine.points").read_text() == "precious"


def test_a_name_with_another_suffix_is_asked_about_once_more(dock, review, tmp_path, monkeypatch):
    (tmp_path / "mine.txt.csv").write_text("precious")
    answers, asked, written = [str(tmp_path / "mine.txt"), ""], [], []
    dock.export_requested.connect(lambda _table, _job, path: written.append(path))
    monkeypatch.setattr(dock, "ask_path", lambda name, _suffix: (asked.append(name), answers.pop(0))[1])
    dock.show_run(review, "one")
    dock.controls.exports[".csv"].trigger()
    assert asked[1] == str(tmp_path / "mine.txt.csv")
    assert written == []


def test_geojson_needs_a_crs(dock, make_review):
    dock.show_run(make_review(20, epsg=0), "one")
    assert not dock.controls.exports[".geojson"].isEnabled()
    assert dock.controls.exports[".csv"].isEnabled()


def test_every_control_has_a_tooltip_and_the_order_is_that_of_reading(dock, review):
    dock.show_run(review, "one")
    controls = dock.controls
    order = [controls.run, controls.model, controls.reset, controls.apply, controls.export, controls.kind,
             controls.above, controls.text, controls.pick]  # fmt: skip
    assert all(widget.toolTip() for widget in order)
    chain, widget = [], controls.run
    for _ in range(60):
        chain.append(widget)
        widget = widget.nextInFocusChain()
    places = [chain.index(widget) for widget in order]
    assert places == sorted(places)


@pytest.fixture
def font_size(qgis_app):
    """font_size(points): of all widgets made from now on."""
    before = QApplication.font()

    def use(points):
        font = QApplication.font()
        font.setPointSize(points)
        QApplication.setFont(font)

    yield use
    QApplication.setFont(before)


@pytest.mark.parametrize("points", [9, 10])
def test_a_low_and_narrow_dock_shows_all_controls_and_some_rows(canvas, make_review, qtbot, font_size, points):
    """As at 1366 × 768, beside the other dock."""
    font_size(points)
    dock = GcpDock(canvas)
    qtbot.addWidget(dock)
    dock.show()
    dock.show_run(make_review(2000, model="similarity"), "sample_sar → sample_optical, trusted")
    dock.view.switch_requested.emit(np.array([1, 2]), False)
    dock.resize(730, 230)
    qtbot.wait(50)
    controls = dock.controls
    assert (dock.width(), dock.height()) == (730, 230)
    assert controls.figures.text() == figures(dock)
    assert dock.view.viewport().height() >= 4 * dock.view.verticalHeader().defaultSectionSize()
    box = controls.model
    texts = [box.itemText(i) for i in range(box.count())]
    assert "Similarity" in texts
    assert "Similarity (shift, rotation, scale)" in box.toolTip()
    assert "sample_sar → sample_optical, trusted" in controls.run.toolTip()
    option, part = QStyleOptionComboBox(), QStyle.SubControl.SC_ComboBoxEditField
    option.initFrom(box)
    room = box.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, box).width()
    assert max(map(box.fontMetrics().horizontalAdvance, texts)) <= room
    for button in (controls.reset, controls.apply, controls.export, controls.pick):
        assert button.width() >= button.sizeHint().width()
    dock.shut_down()


def test_no_text_of_the_table_is_cut_off(dock, make_review):
    dock.show_run(make_review(2000), "one")
    metrics, model = dock.view.fontMetrics(), dock.model
    for column in range(model.columnCount()):
        texts = [model.data(model.index(line, column)) for line in range(model.rowCount())]
        assert max(map(metrics.horizontalAdvance, texts)) + 6 <= dock.view.columnWidth(column)


def test_nothing_is_left_on_the_canvas(canvas, qtbot, review):
    before = len(canvas.scene().items())
    dock = GcpDock(canvas)
    qtbot.addWidget(dock)
    dock.show_run(review, "one")
    dock.controls.pick.click()
    tool = dock.pick_tool
    dock.shut_down()
    assert len(canvas.scene().items()) == before
    assert canvas.mapTool() is not tool
