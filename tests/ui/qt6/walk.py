"""Builds Sarto's windows with PyQt6 and uses them; prints what went wrong. A process of its own for `test_qt6.py`.

The first line of the output is Qt's version; the status is 1 where anything went wrong.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import shim

shim.install()

from made_up import review  # noqa: E402
from PyQt6.QtCore import QT_VERSION_STR, QEvent, QPoint, QPointF, Qt, QTimer  # noqa: E402
from PyQt6.QtGui import QColor, QPalette, QWheelEvent  # noqa: E402
from PyQt6.QtTest import QTest  # noqa: E402
from PyQt6.QtWidgets import QApplication, QComboBox, QMenu, QStyle, QStyleOptionViewItem, QWidget  # noqa: E402
from qgis.core import QgsProject, QgsRasterLayer  # noqa: E402

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NONE, SHIFT, CTRL = (
    getattr(Qt.KeyboardModifier, name) for name in ("NoModifier", "ShiftModifier", "ControlModifier")
)
errors: list[str] = []


def settle() -> None:
    for _ in range(5):
        QApplication.processEvents()
        QTest.qWait(2)


def look(widget: QWidget) -> Any:
    """Paint it."""
    settle()
    return widget.grab().toImage()


def wheel(widget: QWidget, modifiers: Qt.KeyboardModifier = NONE) -> None:
    centre = QPointF(widget.rect().center())
    event = QWheelEvent(
        centre, widget.mapToGlobal(centre), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, modifiers,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


def soon(act: Callable[[QWidget], object]) -> None:
    """Do something with the window that the next line opens and that then waits."""

    def go() -> None:
        window = QApplication.activePopupWidget() or QApplication.activeModalWidget()
        if window is None:
            QTimer.singleShot(20, go)
            return
        window.grab()
        act(window)

    QTimer.singleShot(20, go)


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────


def import_everything() -> None:
    import sarto.plugin
    import sarto.ui

    for found in pkgutil.walk_packages(sarto.ui.__path__, "sarto.ui."):
        importlib.import_module(found.name)


def resolve_every_name() -> None:
    """All that the sources write after a name of Qt, as `Qt.AlignmentFlag.AlignTop`, is there in PyQt6."""
    import sarto

    root = Path(sarto.__file__).parent
    for path in (root / "plugin.py", *sorted((root / "ui").rglob("*.py"))):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        known = {
            alias.asname or alias.name: getattr(sys.modules[node.module], alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("qgis.PyQt.")
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                check_chain(node, known, f"{path.relative_to(root)}:{node.lineno}")


def check_chain(node: ast.Attribute, known: dict[str, Any], place: str) -> None:
    names: list[str] = []
    part: ast.expr = node
    while isinstance(part, ast.Attribute):
        names.insert(0, part.attr)
        part = part.value
    if not isinstance(part, ast.Name) or part.id not in known:
        return
    value, text = known[part.id], part.id
    for name in names:
        text += f".{name}"
        if not hasattr(value, name):
            errors.append(f"{place}: PyQt6 has no {text}")
            return
        value = getattr(value, name)


# ── windows ─────────────────────────────────────────────────────────────────────────────────────────────────


class Walk:
    """The plugin in a window of its own, with two layers in the project."""

    def __init__(self) -> None:
        from gui import Interface
        from sarto.plugin import SartoPlugin

        for name in ("S2 optical", "S1 VV"):
            QgsProject.instance().layers[name] = QgsRasterLayer(name)
        self.iface = Interface()
        self.iface.window.resize(1200, 800)
        self.iface.window.show()
        self.plugin = SartoPlugin(self.iface)
        self.plugin.initGui()
        self.plugin.show_dock()
        self.control = self.plugin.controller
        self.canvas = self.iface.canvas
        settle()

    def steps(self) -> Iterator[Callable[[], object]]:
        yield from (self.use_dock, self.draw_area, self.follow_run, self.change_colours, self.choose_engine)
        yield from (
            self.use_table,
            self.use_menu,
            self.pick_on_map,
            self.compare,
            self.load_algorithms,
            self.unload,
        )

    def use_dock(self) -> None:
        dock = self.control.dock
        look(dock)
        for box in (*dock.findChildren(QComboBox), dock.method, dock.output):
            wheel(box)
        layers = dock.layers
        for row, position in ((layers.reference, 1), (layers.moving, 2)):
            row.layer_combo.setCurrentIndex(position)
            row.layer_combo.activated.emit(position)
            row.band_combo.bands = "2"
        QTest.mouseClick(layers.swap_button, LEFT)
        assert layers.reference.layer.name() == "S1 VV"
        dock.advanced.setCollapsed(False)
        for editor in (*dock.method.editors.values(), *dock.advanced.options.editors.values()):
            QTest.keyClick(editor, Qt.Key.Key_Up)
        self.tick_scenes(dock.advanced.options.editors["match.scene"])
        QTest.keyClicks(dock.advanced.options.editors["job.gsd"], "wide")
        dock.method.editors["match.range"].set_option_value("77")
        look(dock)
        assert "wide" in dock.advanced.options.notes["job.gsd"].plain_text
        QTest.mouseClick(dock.advanced.reset_button, LEFT)
        dock.output.folder = "/nowhere"
        for width in (320, 700):  # rows fold and unfold
            self.iface.window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)
            look(dock)
        QgsProject.instance().readProject.emit()
        settle()

    def tick_scenes(self, edit: Any) -> None:
        edit.parent().setEnabled(True)  # as a method that reads text would
        edit.showPopup()
        look(edit.list)
        QTest.keyClicks(edit.list.search, "harb")
        QTest.keyClick(edit.list.search, Qt.Key.Key_Return)
        QTest.keyClick(edit.list.search, Qt.Key.Key_Down)
        QTest.keyClick(edit.list.view, Qt.Key.Key_Space)
        assert edit.option_value() == "auto", "Enter ticks and Space unticks"
        item = edit.list.view.currentItem()
        QTest.mouseClick(edit.list.view.viewport(), LEFT, NONE, edit.list.view.visualItemRect(item).center())
        assert edit.option_value() == "harbour"
        look(edit)
        edit.hidePopup()
        edit.set_option_value("auto")

    def draw_area(self) -> None:
        area = self.control.dock.area
        area.choose("drawn")
        assert area.is_drawing
        view = self.canvas.viewport()
        for place in (QPoint(50, 50), QPoint(250, 60), QPoint(200, 200)):
            QTest.mouseMove(view, place)
            QTest.mouseClick(view, LEFT, NONE, place)
        QTest.keyClick(self.canvas, Qt.Key.Key_Backspace)
        QTest.mouseClick(view, LEFT, NONE, QPoint(90, 210))
        QTest.mouseClick(view, RIGHT, NONE, QPoint(90, 210))
        assert area.polygon is not None
        area.choose("visible")
        look(self.canvas)
        area.remove()

    def follow_run(self) -> None:
        from sarto.core.contract import OutputError, SartoError
        from sarto.ui.run import Progress

        dock = self.control.dock
        dock.show_running("Register S1 to S2", 2)
        dock.show_progress(Progress("Matching", 0.4, 12.0))
        look(dock)
        dock.run_row.run_button.click()
        dock.show_running(None, 0)
        dock.show_problem(SartoError("The engine stopped.", "Run it again."))
        dock.show_problem(OutputError("The folder is gone.", "Choose another one."))
        look(dock)
        dock.show_result("Trusted.", "trusted")
        QTest.mouseClick(dock.run_row.result.close_button, LEFT)
        assert not dock.run_row.result.isVisible()

    def change_colours(self) -> None:
        """A dark theme while a warning is shown."""
        self.control.dock.show_engine("No Python was found.", False)
        palette = QPalette(QColor(40, 40, 40))
        QApplication.setPalette(palette)
        look(self.iface.window)
        QApplication.setPalette(QPalette(QColor(240, 240, 240)))
        self.control.show_engine()

    def choose_engine(self) -> None:
        def use(dialog: Any) -> None:
            QTest.keyClicks(dialog.path.lineEdit(), "/nowhere/python")
            QTest.mouseClick(dialog.check_button, LEFT)
            QTest.qWait(200)
            assert dialog.status.text() not in ("", "Starting the engine …"), dialog.status.text()
            dialog.accept()

        soon(use)
        self.control.set_engine()

    def use_table(self) -> None:
        table = self.control.table
        table.show_run(review(), "run")
        table.setUserVisible(True)
        look(table)
        view, model = table.view, table.model
        cell = {column: view.visualRect(model.index(1, column)) for column in (0, 3)}
        before = int(table.review.table.enabled.sum())
        option = QStyleOptionViewItem()
        view.initViewItemOption(option)
        option.rect, option.features = cell[0], QStyleOptionViewItem.ViewItemFeature.HasCheckIndicator
        tick = view.style().subElementRect(QStyle.SubElement.SE_ItemViewItemCheckIndicator, option, view).center()
        for enabled in (before - 1, before):
            QTest.mouseClick(view.viewport(), LEFT, NONE, tick)
            assert int(table.review.table.enabled.sum()) == enabled, "a click on a tick does nothing"
        check_alignment(view, 4)
        QTest.mouseClick(view.viewport(), LEFT, NONE, cell[3].center())
        QTest.mouseClick(view.viewport(), LEFT, SHIFT, cell[3].center() + QPoint(0, 60))
        for key in (Qt.Key.Key_Space, Qt.Key.Key_Return):
            QTest.keyClick(view, key)
        QTest.keyClick(view, Qt.Key.Key_C, CTRL)
        assert QApplication.clipboard().text().count("\n") > 1
        for column in range(model.columnCount()):
            view.sortByColumn(column, Qt.SortOrder.DescendingOrder)
        controls = table.controls
        controls.model.setCurrentIndex(2)
        controls.model.activated.emit(2)
        for position in range(controls.kind.count()):
            controls.kind.setCurrentIndex(position)
            QTest.keyClicks(controls.text, "1")
            look(table)
        controls.clear_filter()
        for column in range(model.columnCount()):
            model.headerData(column, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
        table.ask_path = lambda *_: ""
        controls.exports[".csv"].trigger()
        look(self.canvas)

    def use_menu(self) -> None:
        table = self.control.table
        table.view.selectAll()
        soon(QMenu.close)
        table.view.customContextMenuRequested.emit(QPoint(20, 20))
        for action in table.view.build_menu().actions():
            action.trigger()
        look(self.canvas)
        QTest.mouseClick(table.controls.reset, LEFT)

    def pick_on_map(self) -> None:
        table = self.control.table
        QTest.mouseClick(table.controls.pick, LEFT)
        assert self.canvas.mapTool() is table.pick_tool
        x, y = table.positions.in_pixels()[3].tolist()
        QTest.mouseClick(self.canvas.viewport(), LEFT, NONE, QPoint(round(x), round(y)))
        assert table.view.selected_rows().tolist() == [3]
        QTest.mouseClick(self.canvas.viewport(), LEFT, NONE, QPoint(1, 1))
        QTest.mouseClick(table.controls.pick, LEFT)

    def compare(self) -> None:
        bar, view = self.control.compare, self.canvas.viewport()
        bar.start(*QgsProject.instance().layers.values())
        for button in bar.modes.values():
            QTest.mouseClick(button, LEFT)
            look(self.canvas)
            QTest.mousePress(view, LEFT, SHIFT, QPoint(100, 100))
            QTest.mouseMove(view, QPoint(150, 120))
            QTest.mouseRelease(view, LEFT, NONE, QPoint(150, 120))
            wheel(view, CTRL)
            look(self.canvas)
        bar.set_mode("checkerboard")
        side = bar.size.value()
        wheel(view, CTRL)
        assert bar.size.value() > side
        self.iface.window.resize(700, 500)
        look(bar)
        QTest.keyClick(self.canvas, Qt.Key.Key_Escape)
        assert not bar.is_active
        self.control.compare_layers()

    def load_algorithms(self) -> None:
        from sarto.ui.processing import SartoProvider

        provider = SartoProvider()
        provider.loadAlgorithms()
        assert not provider.icon().isNull()
        for kind in (provider, *algorithms()):
            assert kind.name()
        for algorithm in algorithms():
            algorithm.initAlgorithm()

    def unload(self) -> None:
        self.plugin.unload()
        self.iface.window.close()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        settle()


def check_alignment(view: Any, column: int) -> None:
    """Numbers stand at the right of a wide column: Qt must understand what the model says about it."""
    view.setColumnWidth(column, 300)
    settle()
    cell = view.visualRect(view.model().index(1, column)).adjusted(4, 4, -4, -4)
    picture = view.viewport().grab(cell).toImage()
    ink = [x for x in range(picture.width()) if len({picture.pixel(x, y) for y in range(picture.height())}) > 1]
    assert ink, "no number is seen"
    assert ink[0] > 150, "numbers in the GCP table are not aligned to the right"


def algorithms() -> list[Any]:
    from sarto.ui.processing import algorithms as others
    from sarto.ui.processing.register import RegisterAlgorithm

    kinds = (RegisterAlgorithm, others.WarpAlgorithm, others.AssessAlgorithm, others.ExportGcpsAlgorithm)
    return [kind() for kind in kinds]


def main() -> int:
    print(QT_VERSION_STR)
    sys.excepthook = lambda *error: errors.append("".join(traceback.format_exception(*error)))
    application = QApplication([])
    steps: list[Callable[[], object]] = [import_everything, resolve_every_name]
    try:
        for step in steps:
            step()
        for step in Walk().steps():
            print(step.__name__, flush=True)
            step()
            settle()
    except Exception:  # told to the test, which fails by it
        errors.append(traceback.format_exc())
    print(*errors, sep="\n")
    del application
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
