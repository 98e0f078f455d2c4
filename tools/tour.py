"""Runs inside QGIS (`--code`): a whole registration as a user does it, with screenshots and a watchdog.

What to do is in the environment variable SARTO_TOUR (see desktop.py); what came out is written to tour.json.
Further steps: `cancel` (cancels a run first), `georeferencer` (loads the .points there), `advanced` (unfolds it).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QAction, QApplication, QFileDialog, QLineEdit
from qgis.utils import iface, plugins

WISH = json.loads(os.environ["SARTO_TOUR"])
OUT = Path(WISH["out"])
GAP_MS = 100.0
PATIENCE = 300  # seconds

Condition = Callable[[], bool]


class Watchdog:
    """Measures how long the event loop is away, and what it does meanwhile."""

    def __init__(self) -> None:
        self.longest, self._last = 0.0, time.monotonic()
        self.gaps: list[dict[str, Any]] = []
        self.stage = ""
        self._is_on = False
        self._timer = QTimer()
        self._timer.setInterval(5)
        self._timer.timeout.connect(self._tick)
        self._main = threading.get_ident()
        self._stacks: list[str] = []
        threading.Thread(target=self._look, daemon=True).start()

    def start(self) -> None:
        self._last, self._is_on = time.monotonic(), True
        self._timer.start()

    def stop(self) -> None:
        self._tick()
        self._is_on = False
        self._timer.stop()

    def pause(self, seconds: float) -> None:
        """What the tour itself does (a screenshot) does not count."""
        self._last += seconds

    def _tick(self) -> None:
        now = time.monotonic()
        gap = 1000 * (now - self._last)
        self._last = now
        if self._is_on and gap > self.longest:
            self.longest = gap
        if self._is_on and gap > GAP_MS:
            self.gaps.append({"ms": round(gap), "stage": self.stage, "where": list(dict.fromkeys(self._stacks))})
        self._stacks.clear()

    def _look(self) -> None:
        while True:
            time.sleep(0.01)
            if self._is_on and time.monotonic() - self._last > GAP_MS / 2000:
                frame = sys._current_frames().get(self._main)
                self._stacks.append("".join(traceback.format_stack(frame)[-6:]) if frame else "(in Qt)")


watchdog = Watchdog()
summary: dict[str, Any] = {"qgis": Qgis.QGIS_VERSION, "last_screenshot": ""}


def screenshot(name: str) -> None:
    """The whole screen."""
    started = time.monotonic()
    QApplication.processEvents()
    path = OUT / f"{name}.png"
    QApplication.primaryScreen().grabWindow(0).save(str(path))
    summary["last_screenshot"] = path.name
    watchdog.pause(time.monotonic() - started)


def passed(seconds: float) -> Condition:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def rendered() -> Condition:
    settled = passed(0.5)
    return lambda: settled() and not iface.mapCanvas().isDrawing()


def tour() -> Iterator[Condition]:
    """The steps; each yields what to wait for."""
    window = iface.mainWindow()
    window.showNormal()
    window.setGeometry(0, 0, *(round(side / window.devicePixelRatioF()) for side in WISH["size"]))
    for name in ("Browser", "LayerOrder"):
        dock = window.findChild(object, name)
        if dock is not None:
            dock.hide()
    yield passed(1.0)
    for key in ("optical", "sar"):
        layer = QgsRasterLayer(WISH[key], Path(WISH[key]).stem)
        if not layer.isValid():
            raise RuntimeError(f"{WISH[key]} cannot be opened")
        QgsProject.instance().addMapLayer(layer)
    iface.zoomFull()
    yield rendered()
    plugin = plugins["sarto"]
    plugin.show_dock()
    control = plugin.controller
    dock = control.dock
    dock.output.folder = WISH["out"]
    yield lambda: dock.job() is not None and dock.run_row.is_ready
    yield passed(1.5)
    screenshot("1-dock")
    if "advanced" in WISH["steps"]:
        yield from show_advanced(dock)
    if "cancel" in WISH["steps"]:
        yield from cancel_a_run(control)
    yield from run(control)
    yield from look_at_gcps(control)
    yield from compare(control)
    if "georeferencer" in WISH["steps"]:
        yield from georeferencer(control)


def show_advanced(dock: Any) -> Iterator[Condition]:
    box = dock.advanced
    box.setCollapsed(False)
    yield passed(0.7)
    dock.scroll.verticalScrollBar().setValue(dock.scroll.verticalScrollBar().maximum())
    yield passed(0.7)
    screenshot("1b-advanced")
    box.setCollapsed(True)
    yield passed(0.5)


def cancel_a_run(control: Any) -> Iterator[Condition]:
    control.dock.run_row.run_button.click()
    yield lambda: control.queue.running is not None
    yield passed(4.0)
    started = time.monotonic()
    control.dock.run_row.run_button.click()
    yield lambda: control.queue.running is None
    summary["cancel_seconds"] = round(time.monotonic() - started, 2)
    yield passed(1.0)
    screenshot("1c-cancelled")


def run(control: Any) -> Iterator[Condition]:
    outcomes: list[Any] = []
    started = time.monotonic()
    watchdog.start()
    control.dock.run_row.run_button.click()
    task = control.queue.running
    task.done.connect(outcomes.append)
    task.progressed.connect(lambda progress: setattr(watchdog, "stage", progress.stage))
    yield passed(3.0)
    screenshot("2-running")
    yield lambda: bool(outcomes)
    watchdog.stage = "showing the results"
    yield rendered()
    watchdog.stop()
    if task.error is not None:
        raise RuntimeError(str(task.error))
    result = task.result.result
    summary.update(
        verdict=result.assessment.verdict.value,
        seconds=round(time.monotonic() - started - 0.5, 1),
        rmse_check=result.assessment.figures.rmse_check,
        longest_gap_ms=round(watchdog.longest),
        gaps=watchdog.gaps,
        files=result.files,
    )
    yield passed(1.0)
    screenshot("3-results")


def look_at_gcps(control: Any) -> Iterator[Condition]:
    table = control.table
    view = table.view
    cell = view.visualRect(view.model().index(4, 1)).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, cell)
    yield passed(0.4)
    screenshot("4-row-clicked")
    yield rendered()
    for row in (1, 4):
        box = view.model().index(row, 0)
        view.model().setData(box, Qt.CheckState.Unchecked, Qt.ItemDataRole.CheckStateRole)
    yield passed(0.7)
    screenshot("5-point-off")


def compare(control: Any) -> Iterator[Condition]:
    layers = QgsProject.instance().mapLayers().values()
    aligned = next(x for x in layers if x.customProperty("sarto/role") == "aligned")
    reference = next(x for x in layers if x.source() == WISH["optical"])
    iface.zoomFull()
    yield rendered()
    control.compare.start(reference, aligned, "swipe")
    yield passed(2.0)
    screenshot("6-swipe")
    control.compare.start(reference, aligned, "checkerboard")
    yield passed(2.0)
    screenshot("7-checkerboard")
    control.compare.stop()
    yield rendered()
    screenshot("8-end")


def georeferencer(control: Any) -> Iterator[Condition]:
    """Open a copy of the SAR layer in QGIS's Georeferencer, with our .points file beside it."""
    files = summary["files"]
    raster = OUT / "georeferencer" / Path(WISH["sar"]).name
    raster.parent.mkdir(exist_ok=True)
    shutil.copy(WISH["sar"], raster)
    shutil.copy(files["points"], f"{raster}.points")  # which the Georeferencer finds by itself
    actions = [
        a
        for a in iface.mainWindow().findChildren(QAction)
        if "eoref" in a.objectName() or "Georeferencer" in a.text()
    ]
    if not actions:
        summary["georeferencer"] = "this QGIS has none"
        return
    actions[0].trigger()
    yield passed(1.5)
    window = next(
        w for w in QApplication.topLevelWidgets() if "Georef" in type(w).__name__ or "Georef" in w.windowTitle()
    )
    window.setGeometry(0, 0, *WISH["size"])
    QTimer.singleShot(800, lambda: _answer_file_dialog(str(raster)))
    window.findChild(QAction, "mActionOpenRaster").trigger()
    yield passed(2.5)
    screenshot("9-georeferencer")
    window.close()


def _answer_file_dialog(path: str) -> None:
    dialog = next(w for w in QApplication.topLevelWidgets() if isinstance(w, QFileDialog) and w.isVisible())
    edit = dialog.findChild(QLineEdit)
    edit.setText(path)
    QTest.keyClick(edit, Qt.Key.Key_Return)


class Guide:
    """Takes the steps, one after the other, each when its condition holds."""

    def __init__(self) -> None:
        self._steps = tour()
        self._wait: Condition = passed(0.5)
        self._late = passed(PATIENCE)
        # QGIS would show a dialog and wait for somebody to close it.
        sys.excepthook = lambda kind, error, trace: self._fail(
            "".join(traceback.format_exception(kind, error, trace))
        )
        self._timer = QTimer()
        self._timer.setInterval(50)
        self._timer.timeout.connect(self._go_on)
        self._timer.start()

    def _go_on(self) -> None:
        try:
            if self._wait():
                self._wait = next(self._steps)
                self._late = passed(PATIENCE)
            elif self._late():
                raise TimeoutError(f"a step took longer than {PATIENCE} s")
        except StopIteration:
            self._end()
        except Exception:  # whatever it was, it is told, and QGIS ends
            self._fail(traceback.format_exc())

    def _fail(self, text: str) -> None:
        summary["error"] = text
        screenshot("error")
        self._end()

    def _end(self) -> None:
        self._timer.stop()
        (OUT / "tour.json").write_text(json.dumps(summary, indent=1, default=str), encoding="utf-8")
        QgsProject.instance().setDirty(False)
        QTimer.singleShot(0, iface.actionExit().trigger)


guide = Guide()
