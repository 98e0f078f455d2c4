"""Swipe and checkerboard, looked at pixel by pixel."""

from __future__ import annotations

import pytest
from qgis.core import QgsProject, QgsRectangle
from qgis.gui import QgsMapToolPan
from qgis.PyQt.QtCore import QEvent, QPoint, QPointF, Qt
from qgis.PyQt.QtGui import QColor, QMouseEvent, QPalette, QWheelEvent
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication
from sarto.ui.compare import CHECKERBOARD, OFF, SWIPE

RED, BLUE, GREEN = "#ff0000", "#0000ff", "#00ff00"
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def compare(bar, layers, qtbot):
    """compare(mode) → the bar, when both layers are on the canvas."""

    def start(mode=SWIPE):
        bar.start(*layers, mode)
        qtbot.waitUntil(lambda: bar.overlay.is_ready, timeout=10_000)
        return bar

    return start


def colour_at(canvas, x, y):
    image = canvas.grab().toImage()
    return image.pixelColor(*(round(image.devicePixelRatio() * (value + 0.5) - 0.5) for value in (x, y))).name()


def drag(canvas, start, end, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.mousePress(canvas.viewport(), LEFT, modifier, QPoint(*start))
    kind, none = QEvent.Type.MouseMove, Qt.MouseButton.NoButton
    QApplication.sendEvent(
        canvas.viewport(), QMouseEvent(kind, QPointF(*end), QPointF(*end), none, LEFT, modifier)
    )
    QTest.mouseRelease(canvas.viewport(), LEFT, modifier, QPoint(*end))


def wheel(canvas, notches, modifier):
    place = QPointF(300, 200)
    none, phase = Qt.MouseButton.NoButton, Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(place, place, QPoint(), QPoint(0, 120 * notches), none, modifier, phase, False)
    QApplication.sendEvent(canvas.viewport(), event)


def test_swipe_shows_the_reference_left_and_the_aligned_layer_right(compare, canvas):
    compare()
    assert colour_at(canvas, 40, 100) == RED
    assert colour_at(canvas, 290, 100) == RED
    assert colour_at(canvas, 310, 100) == BLUE
    assert colour_at(canvas, 560, 100) == BLUE


def test_dragging_moves_the_line(compare, canvas):
    compare()
    drag(canvas, (300, 200), (150, 210))
    assert [colour_at(canvas, x, 100) for x in (140, 160)] == [RED, BLUE]
    drag(canvas, (300, 200), (5000, 200))  # beyond the edge
    assert colour_at(canvas, 590, 100) == RED


def test_the_line_can_lie_across(compare, canvas):
    bar = compare()
    bar.turn.click()
    assert [colour_at(canvas, 40, y) for y in (190, 210)] == [RED, BLUE]
    drag(canvas, (300, 200), (300, 100))
    assert [colour_at(canvas, 40, y) for y in (90, 110)] == [RED, BLUE]
    drag(canvas, (120, 50), (120, 60), Qt.KeyboardModifier.ShiftModifier)
    assert not bar.turn.isChecked()
    assert [colour_at(canvas, x, 50) for x in (110, 130)] == [RED, BLUE]


def test_checkerboard_squares_alternate_and_change_size(compare, canvas):
    bar = compare(CHECKERBOARD)
    for side in (96, 48):
        bar.size.setValue(side)
        for i in range(3):
            for j in range(2):
                seen = colour_at(canvas, round((i + 0.5) * side), round((j + 0.5) * side))
                assert seen == (BLUE if (i + j) % 2 else RED)
    drag(canvas, (100, 100), (148, 100))
    assert colour_at(canvas, 24, 24) == BLUE


def test_wheel_with_ctrl_sizes_the_squares_and_without_it_zooms(compare, canvas):
    bar = compare(CHECKERBOARD)
    scale = canvas.scale()
    wheel(canvas, 2, Qt.KeyboardModifier.ControlModifier)
    assert bar.size.value() == round(96 * 1.15**2)
    assert canvas.scale() == scale
    wheel(canvas, 1, Qt.KeyboardModifier.NoModifier)
    assert canvas.scale() != scale


def test_off_shows_the_map_and_returns_the_tool(compare, canvas, qtbot, bar):
    earlier = QgsMapToolPan(canvas)
    canvas.setMapTool(earlier)
    compare()
    assert canvas.mapTool() is bar.tool
    bar.modes[OFF].click()
    assert canvas.mapTool() is earlier
    assert bar.isVisible()
    canvas.refresh()
    qtbot.waitUntil(lambda: colour_at(canvas, 40, 100) == GREEN)
    bar.modes[SWIPE].click()
    assert canvas.mapTool() is bar.tool
    assert colour_at(canvas, 40, 100) == RED
    bar.close_button.click()
    assert canvas.mapTool() is earlier
    assert not bar.isVisible()
    assert not bar.is_active


def test_another_tool_leaves_the_comparison_on(compare, canvas, bar):
    compare()
    other = QgsMapToolPan(canvas)
    canvas.setMapTool(other)
    assert colour_at(canvas, 40, 100) == RED
    bar.stop()
    assert canvas.mapTool() is other


def test_escape_ends_it(compare, canvas, bar):
    compare()
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    assert not bar.is_active


@pytest.mark.parametrize("number", [0, 1])
def test_ends_when_a_layer_is_removed(compare, canvas, layers, bar, number, qtbot):
    compare()
    with qtbot.waitSignal(bar.stopped):
        QgsProject.instance().removeMapLayer(layers[number].id())
    assert not bar.is_active
    assert colour_at(canvas, 40, 100) != RED


def test_ends_with_the_project(compare, bar):
    compare()
    QgsProject.instance().clear()
    assert not bar.is_active


def test_follows_the_map(compare, canvas, bar, qtbot):
    """Half of the new extent lies outside the layers: the old picture is moved at once, the new one follows."""
    compare()
    canvas.setExtent(QgsRectangle(499_900, 5_499_400, 500_200, 5_499_600))
    assert not bar.overlay.is_ready
    assert colour_at(canvas, 100, 100) != RED
    qtbot.waitUntil(lambda: bar.overlay.is_ready, timeout=10_000)
    drag(canvas, (300, 200), (590, 200))
    background = canvas.canvasColor().name()
    assert [colour_at(canvas, x, 100) for x in (190, 210)] == [background, RED]


def test_many_changes_leave_one_picture(compare, canvas, bar, qtbot):
    compare()
    for step in range(20):
        canvas.setExtent(QgsRectangle(500_300 + step, 5_499_400, 500_600 + step, 5_499_600))
        QApplication.processEvents()
    qtbot.waitUntil(lambda: bar.overlay.is_ready, timeout=10_000)
    assert colour_at(canvas, 40, 100) == RED
    assert colour_at(canvas, 560, 100) == BLUE


def test_turned_map(compare, canvas, bar, qtbot):
    compare()
    canvas.setRotation(30)
    qtbot.waitUntil(lambda: bar.overlay.is_ready, timeout=10_000)
    assert [colour_at(canvas, x, 200) for x in (270, 330)] == [RED, BLUE]


def test_a_changed_style_is_followed(compare, canvas, layers, bar, qtbot):
    compare()
    layers[1].setOpacity(0.0)
    layers[1].triggerRepaint()
    background = canvas.canvasColor().name()
    qtbot.waitUntil(lambda: colour_at(canvas, 560, 100) == background, timeout=10_000)


def test_starting_again_takes_the_new_layers(compare, canvas, layers, bar, qtbot):
    compare()
    bar.start(layers[1], layers[0])
    qtbot.waitUntil(lambda: bar.overlay.is_ready, timeout=10_000)
    assert colour_at(canvas, 40, 100) == BLUE
    assert sum(type(item) is type(bar.overlay) for item in canvas.scene().items()) == 1


def test_bar_stays_within_the_canvas_and_names_the_layers(compare, canvas, bar):
    compare()
    assert bar.names.toolTip() == "Left: Optical\nRight: SAR (aligned)"
    bar.turn.click()
    assert bar.names.toolTip() == "Top: Optical\nBottom: SAR (aligned)"
    for width in (900, 420):
        canvas.resize(width, 300)
        QApplication.processEvents()
        assert canvas.rect().contains(bar.geometry())
    for widget in (*bar.modes.values(), bar.turn, bar.size, bar.close_button):
        assert widget.toolTip()


def test_pictures_have_the_screens_own_pixels(compare, canvas, bar, monkeypatch, qtbot):
    settings = canvas.mapSettings()
    compare()
    shot = bar._pictures[0]._shot
    ratio = canvas.devicePixelRatioF()
    assert shot.image.devicePixelRatio() == ratio
    assert shot.image.width() == round(settings.outputSize().width() * ratio)


def test_nothing_is_left_after_the_end(compare, canvas, layers, qtbot):
    before = len(canvas.scene().items())
    bar = compare()
    bar.stop()
    bar.stop()
    assert len(canvas.scene().items()) == before
    canvas.setExtent(QgsRectangle(500_300, 5_499_400, 500_500, 5_499_600))
    QApplication.processEvents()
    assert not bar.is_active


@pytest.mark.parametrize(
    ("window", "text"), [("#323232", "#aaaaaa"), ("#727272", "#0e0e0e"), ("#efefef", "#000000")]
)
def test_the_bar_has_the_windows_colours_on_qgis_s_themes(compare, canvas, qtbot, window, text):
    """They make all widgets transparent, and the application's palette has colours that are shown nowhere."""
    application = QApplication.instance()
    palette, sheet = application.palette(), application.styleSheet()
    odd = QPalette(palette)
    for role in (QPalette.ColorRole.Window, QPalette.ColorRole.WindowText):
        odd.setColor(role, QColor("#535353"))
    try:
        application.setPalette(odd)
        application.setStyleSheet(
            "QWidget { background: transparent; } QLabel { color: #123456; }"
            f"QMainWindow, QAbstractScrollArea {{ background-color: {window}; color: {text}; }}"
        )
        bar = compare()
        place = bar.geometry()
        assert colour_at(canvas, place.left() + 4, place.center().y()) == window
        assert bar.names.palette().color(QPalette.ColorRole.WindowText).name() == text
    finally:
        application.setStyleSheet(sheet)
        application.setPalette(palette)


def test_colours_of_the_background_are_the_canvas(compare, canvas, bar, qtbot):
    canvas.setCanvasColor(QColor("#123456"))
    compare()
    canvas.setExtent(QgsRectangle(600_000, 5_499_400, 600_300, 5_499_600))
    qtbot.waitUntil(lambda: bar.overlay.is_ready, timeout=10_000)
    assert colour_at(canvas, 40, 100) == "#123456"
