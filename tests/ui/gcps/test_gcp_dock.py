"""The dock: rows, ticks, filters, looks."""

from __future__ import annotations

import numpy as np
import pytest
from qgis.core import QgsPointXY, QgsRectangle
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QGuiApplication
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QStyle, QStyleOptionComboBox
from sarto.core.geometry import refit, summary
from sarto.core.pipeline import Review
from sarto.ui.gcps import GcpDock
from sarto.ui.gcps.columns import NONE, NUMBER, ON, RESIDUAL_M, RESIDUAL_PX

from .dock_helpers import click_cell, figures, on


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
