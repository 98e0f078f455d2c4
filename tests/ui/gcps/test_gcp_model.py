"""The table's model: texts, sorting, filters, and how long they take."""

from __future__ import annotations

import statistics
import time

import numpy as np
import pytest
from qgis.PyQt.QtCore import QItemSelectionModel, Qt
from qgis.PyQt.QtTest import QAbstractItemModelTester
from sarto.ui.gcps.columns import COLUMNS, CONFIDENCE, NUMBER, ON, RESIDUAL_M, RESIDUAL_PX, ROLE, decimals_for
from sarto.ui.gcps.filtering import ABOVE, ALL, CHECKS, GCPS, OFF, RowFilter
from sarto.ui.gcps.model import GcpTableModel
from sarto.ui.gcps.view import GcpView

ASCENDING, DESCENDING = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder


@pytest.fixture
def shown(make_review, qgis_app):
    """(model, table) of 40 points, the fifth without residual."""
    table = make_review(40).table
    residual = table.residual_px.copy()
    residual[4] = np.nan
    table = table.with_columns(residual_px=residual)
    model = GcpTableModel()
    model.show_table(table, 10.0)
    return model, table


def column(model, number):
    return [model.data(model.index(line, number)) for line in range(model.rowCount())]


def rows(model):
    return [model.row_at(line) for line in range(model.rowCount())]


def test_texts(shown):
    model, table = shown
    assert [model.headerData(i, Qt.Orientation.Horizontal) for i in range(len(COLUMNS))] == [
        "On", "No.", "Role", "Map X", "Map Y", "Source X", "Source Y", "dX", "dY", "Residual (px)",
        "Residual (m)", "Confidence",
    ]  # fmt: skip
    assert all(model.headerData(i, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole) for i in range(12))
    line = column(model, 3)[7], column(model, 6)[7], column(model, 7)[7]
    expected = table.map_xy[7, 0], table.source_xy[7, 1], table.displacement[7, 0]
    assert line == tuple(f"{value:.1f}" for value in expected)  # a hundredth of a 10 m pixel
    assert column(model, ROLE)[2:5] == ["GCP", "Check point", "GCP"]
    assert column(model, RESIDUAL_PX)[4] == column(model, RESIDUAL_M)[4] == "–"
    assert float(column(model, RESIDUAL_M)[3]) == pytest.approx(10 * table.residual_length_px[3], abs=0.1)
    state = Qt.ItemDataRole.CheckStateRole
    assert model.data(model.index(0, ON), state) == Qt.CheckState.Unchecked
    assert model.data(model.index(1, ON), state) == Qt.CheckState.Checked


def test_metres_and_displacements_are_dashes_without_crs(make_review, qgis_app):
    model = GcpTableModel()
    model.show_table(make_review(20, epsg=0).table, float("nan"))
    assert set(column(model, RESIDUAL_M)) == set(column(model, 7)) == {"–"}
    assert "–" not in column(model, RESIDUAL_PX)


@pytest.mark.parametrize(
    ("gsd", "expected"), [(10, 1), (1, 2), (0.5, 3), (0.0001, 6), (1000, 0), (float("nan"), 2), (0, 2)]
)
def test_decimals(gsd, expected):
    assert decimals_for(gsd) == expected


@pytest.mark.parametrize("number", range(len(COLUMNS)))
def test_sorting_both_ways_with_nothing_last(shown, number):
    model, _table = shown
    for order, sign in ((ASCENDING, 1), (DESCENDING, -1)):
        model.sort(number, order)
        values = model._values.values[number][rows(model)]
        finite = values[np.isfinite(values)]
        assert (np.diff(sign * finite) >= 0).all()
        assert np.isfinite(values[: len(finite)]).all()
        assert sorted(rows(model)) == list(range(40))


def test_sorting_keeps_the_selection(shown, qtbot):
    model, _table = shown
    view = GcpView(model)
    qtbot.addWidget(view)
    flags = QItemSelectionModel.SelectionFlag
    for row in (3, 8):
        view.selectionModel().select(model.index(model.line_of(row), 0), flags.Select | flags.Rows)
    model.sort(RESIDUAL_PX, DESCENDING)
    assert sorted(view.selected_rows().tolist()) == [3, 8]


@pytest.mark.parametrize("kind", [ALL, GCPS, CHECKS, OFF, ABOVE])
def test_filters(shown, kind):
    model, table = shown
    model.set_filter(RowFilter(kind, 0.8))
    expected = {
        ALL: np.ones(40, bool),
        GCPS: table.role == "gcp",
        CHECKS: table.role == "check",
        OFF: ~table.enabled,
        ABOVE: table.residual_length_px > 0.8,
    }[kind]
    assert rows(model) == np.flatnonzero(expected).tolist()
    assert 0 < len(rows(model)) <= 40


def test_text_filter(shown):
    model, table = shown
    model.set_filter(RowFilter(text=" CHECK point "))
    assert rows(model) == np.flatnonzero(table.role == "check").tolist()
    model.set_filter(RowFilter(GCPS, text=f"{table.map_xy[2, 0]:.1f}"))
    assert rows(model) == [2]
    model.set_filter(RowFilter(text="no such thing"))
    assert model.rowCount() == 0


def test_edits_do_not_move_lines(shown):
    model, table = shown
    model.set_filter(RowFilter(OFF))
    before = rows(model)
    model.follow(table.with_columns(enabled=np.ones(40, bool)))
    assert rows(model) == before
    model.set_filter(RowFilter(OFF))
    assert rows(model) == []


def test_ticking_asks_and_changes_nothing_itself(shown, qtbot):
    model, _table = shown
    model.sort(RESIDUAL_PX, DESCENDING)
    index = model.index(model.line_of(7), ON)
    role = Qt.ItemDataRole.CheckStateRole
    for value in (Qt.CheckState.Unchecked, 0):  # ours, and what Qt's delegate hands over
        with qtbot.waitSignal(model.toggled) as caught:
            assert model.setData(index, value, role)
        assert caught.args == [7, False]
    assert model.data(index, role) == Qt.CheckState.Checked
    model.is_editable = False
    assert not model.setData(index, Qt.CheckState.Unchecked, role)
    assert not model.flags(index) & Qt.ItemFlag.ItemIsUserCheckable


def test_qt_finds_the_model_sound(shown):
    model, table = shown
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Warning)
    model.sort(CONFIDENCE, DESCENDING)
    model.set_filter(RowFilter(CHECKS))
    model.sort(NUMBER, ASCENDING)
    model.follow(table)
    model.show_table(None, float("nan"))
    assert tester.model() is model
    assert model.rowCount() == 0


def test_copied_text(shown):
    model, _table = shown
    lines = model.as_text([0, 3]).splitlines()
    assert lines[0].split("\t")[:3] == ["On", "No.", "Role"]
    assert [line.split("\t")[:3] for line in lines[1:]] == [["no", "1", "GCP"], ["yes", "4", "Check point"]]


def test_ten_thousand_rows_sort_and_filter_in_time(make_review, qtbot):
    model = GcpTableModel()
    view = GcpView(model)
    qtbot.addWidget(view)
    view.resize(900, 300)
    view.show()
    model.show_table(make_review(10_000).table, 10.0)

    def seconds(act):
        times = []
        for number in range(5):
            started = time.perf_counter()
            act(number)
            view.viewport().repaint()
            times.append(time.perf_counter() - started)
        return statistics.median(times)

    assert seconds(lambda n: view.sortByColumn(RESIDUAL_PX, (ASCENDING, DESCENDING)[n % 2])) < 0.3
    assert seconds(lambda n: model.set_filter(RowFilter(ABOVE, 0.1 * n))) < 0.3
    assert seconds(lambda n: model.set_filter(RowFilter(text=str(n)))) < 0.3
    view.selectAll()
    assert seconds(lambda n: view.sortByColumn(ROLE, (ASCENDING, DESCENDING)[n % 2])) < 0.3
    started = time.perf_counter()  # the first search prepares the texts
    model.show_table(make_review(10_000).table, 10.0)
    model.set_filter(RowFilter(text="check"))
    assert time.perf_counter() - started < 1.0
