"""Sarto's map tools borrow the canvas: they give it back to a tool that is still of use, and go at the end."""

from __future__ import annotations

import pytest
from qgis.gui import QgsMapTool, QgsMapToolPan, QgsMapToolZoom
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QEvent
from qgis.PyQt.QtWidgets import QApplication
from sarto.ui.compare import OFF, SWIPE, CompareBar
from sarto.ui.dock.area_box import DRAWN, AreaBox
from sarto.ui.gcps import GcpDock


@pytest.fixture
def pan(canvas):
    tool = QgsMapToolPan(canvas)
    canvas.setMapTool(tool)
    return tool


@pytest.fixture
def box(canvas, qtbot):
    box = AreaBox(canvas)
    qtbot.addWidget(box)
    yield box
    box.shut_down()


@pytest.fixture
def table(canvas, qtbot):
    table = GcpDock(canvas)
    qtbot.addWidget(table)
    yield table
    table.shut_down()


def clear_away():
    """Let what was to be deleted later go now."""
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def test_nothing_is_left_of_the_tools(canvas, layers, pan, qtbot):
    before = len(canvas.findChildren(QgsMapTool))
    for _ in range(2):
        bar, box, table = CompareBar(canvas), AreaBox(canvas), GcpDock(canvas)
        for widget in (box, table):
            qtbot.addWidget(widget)
        bar.start(*layers)
        box.choose(DRAWN)
        assert canvas.mapTool() is box.tool
        for widget in (bar, table, box):
            widget.shut_down()
            widget.shut_down()
        assert canvas.mapTool() is pan
        clear_away()
        assert len(canvas.findChildren(QgsMapTool)) == before
        assert canvas.mapTool() is pan


@pytest.mark.parametrize("first", ["bar", "box"])
def test_an_unloaded_tool_is_not_the_canvas_s(canvas, layers, bar, box, pan, first):
    bar.start(*layers)
    box.choose(DRAWN)
    for widget in (bar, box) if first == "bar" else (box, bar):
        widget.shut_down()
    assert canvas.mapTool() is pan


def test_without_an_earlier_tool_the_canvas_has_none(canvas, box):
    canvas.unsetMapTool(canvas.mapTool()) if canvas.mapTool() else None
    box.choose(DRAWN)
    box.shut_down()
    clear_away()
    assert canvas.mapTool() is None


def test_the_comparison_has_the_canvas_again_after_the_drawing(canvas, layers, bar, box, pan):
    bar.start(*layers)
    box.choose(DRAWN)
    box.stop_drawing()
    assert canvas.mapTool() is bar.tool
    bar.stop()
    assert canvas.mapTool() is pan


def test_a_comparison_that_has_ended_has_not(canvas, layers, bar, box, pan):
    bar.start(*layers)
    box.choose(DRAWN)
    bar.stop()
    assert canvas.mapTool() is box.tool
    box.stop_drawing()
    assert canvas.mapTool() is pan


def test_two_tools_that_took_turns(canvas, layers, bar, box, pan):
    bar.start(*layers)
    box.choose(DRAWN)
    bar.set_mode(OFF)
    bar.set_mode(SWIPE)
    assert not box.draw_button.isChecked()
    bar.stop()
    assert canvas.mapTool() is pan


def test_an_earlier_tool_that_is_gone(canvas, box, pan):
    box.choose(DRAWN)
    sip.delete(pan)
    box.stop_drawing()
    assert canvas.mapTool() is not box.tool


def test_the_next_tool_comes_without_a_detour(canvas, table, pan):
    """QGIS tells a tool that it is left while the canvas still has it."""
    table.controls.pick.setChecked(True)
    assert canvas.mapTool() is table.pick_tool
    seen = []
    canvas.mapToolSet.connect(lambda new, _old: seen.append(new))
    zoom = QgsMapToolZoom(canvas, False)
    canvas.setMapTool(zoom)
    assert seen == [zoom]
    assert not table.controls.pick.isChecked()
    table.controls.pick.setChecked(True)
    table.controls.pick.setChecked(False)
    assert canvas.mapTool() is zoom
