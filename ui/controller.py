"""Wires dock → queue → results → GCP table. The widgets know nothing of each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsProject
from qgis.PyQt.QtCore import QObject, Qt, QTimer, QUrl
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import QPushButton

from ..core.contract import GcpTable, RegisterJob, RegisterResult, Reporter, SartoError, Verdict
from ..core.pipeline import EditedRun, Review, export_gcps
from .compare import CompareBar
from .dock import RegisterDock, output_folder
from .engine import EngineDialog, find_engine
from .gcps import GcpDock
from .results import find_record, group_name, loading, role_of, same_source
from .run import BackgroundTask, Progress, RunQueue
from .run.speed import corrected, remember
from .runs import Outcome, delivery, registration
from .steps import Steps, one_by_one

TITLE = "Sarto"
REFERENCE_PROPERTY = "sarto/reference"
"""Custom property of an aligned layer: the id of the optical layer."""

TABLE_HEIGHT = 230
DOCK_WIDTH = 360
LEVELS = {
    Verdict.TRUSTED: Qgis.MessageLevel.Success,
    Verdict.CARE: Qgis.MessageLevel.Warning,
    Verdict.NOT_TRUSTED: Qgis.MessageLevel.Critical,
}


class Controller(QObject):
    """Lives from the first time the dock is opened until the plugin is unloaded or QGIS ends."""

    def __init__(self, iface: Any) -> None:
        super().__init__(iface.mainWindow())
        self._iface = iface
        self._is_open = True
        self._project = 0  # counts projects: results of a run belong to the one in which it was started
        self.queue = RunQueue(self)
        self.dock = RegisterDock(iface, iface.mainWindow())
        self.table = GcpDock(iface.mapCanvas(), iface.mainWindow())
        self.compare = CompareBar(iface.mapCanvas())
        self._side_tasks: set[BackgroundTask] = set()
        self._loading: set[Path] = set()  # records that are being read
        self._has_table_been_open = False
        self._being_applied = ""  # folder of the edited run that is being written
        self._promised: set[str] = set()  # folders of runs that may still wait
        iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.dock)
        iface.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self.table)
        self.table.hide()
        self.dock.hide()
        iface.mainWindow().resizeDocks([self.dock], [DOCK_WIDTH], Qt.Orientation.Horizontal)
        self._connect()
        self.show_engine()

    def _connect(self) -> None:
        self.dock.run_requested.connect(self.register)
        self.dock.cancel_requested.connect(self.cancel)
        self.dock.waiting_cancel_requested.connect(self.cancel_waiting)
        self.dock.engine_settings_requested.connect(self.set_engine)
        self.table.apply_requested.connect(self.apply)
        self.table.export_requested.connect(self.export)
        self.queue.changed.connect(self._show_queue)
        self._iface.currentLayerChanged.connect(self._follow_layer)
        QgsProject.instance().cleared.connect(self._on_project_cleared)

    # ── what the user asks for ──────────────────────────────────────────────────────────────────────────────

    def show(self, layer: Any = None) -> None:
        """Open the dock, with a layer if the user started from one."""
        if layer is not None:
            self.dock.choose_layer(layer)
        self.dock.setUserVisible(True)

    def show_table(self) -> None:
        """Open the GCP table."""
        self._follow_layer(self._iface.activeLayer())
        self._open_table()

    def register(self, job: RegisterJob, expected_seconds: float = float("nan")) -> None:
        """Run a job now, or after those before it."""
        try:
            engine = find_engine()
        except SartoError as error:
            self.dock.show_problem(error)
            return
        title = f"Register {job.moving.label} to {job.reference.label}"
        self._submit(title, job, registration(job, engine.python), expected_seconds)

    def apply(self, edited: EditedRun) -> None:
        """Write a run again with its edited GCPs, into a folder beside the first."""
        before = Path(edited.result.job.output.directory)
        job = edited.result.job
        folder = output_folder(str(before.parent), f"{job.moving.label}_edited", self._promised)
        self._promised.add(folder)
        self._being_applied = folder
        self.table.set_busy(True)
        job = replace(job, output=replace(job.output, directory=folder))
        self._submit(f"Align {job.moving.label} again", job, delivery(edited, folder), float("nan"))

    def export(self, table: GcpTable, job: RegisterJob, path: str) -> None:
        """Write GCPs to a file; the save dialog has asked already whether it may be replaced."""
        task = BackgroundTask("Export GCPs", lambda _reporter: export_gcps(table, job, path, overwrite=True))
        self._side_tasks.add(task)
        task.done.connect(self._on_exported)
        task.start()

    def compare_layers(self) -> None:
        """Compare the active layer's run, else the newest one, else the two layers as they lie now."""
        pair = self._pair_to_compare()
        if pair is None:
            self._message("Register a SAR layer first, or choose two layers in the dock.", Qgis.MessageLevel.Info)
        else:
            self.compare.start(*pair)

    def cancel(self) -> None:
        """Cancel the run in work."""
        if self.queue.running is not None:
            self.queue.cancel(self.queue.running)

    def cancel_waiting(self) -> None:
        """Take back the run that was queued last."""
        if self.queue.waiting:
            self.queue.cancel(self.queue.waiting[-1])

    def set_engine(self) -> None:
        """Let the user choose the engine's Python."""
        if EngineDialog(self._iface.mainWindow()).exec():
            self.show_engine()

    def show_engine(self) -> None:
        """Say in the dock which Python the engine runs with."""
        try:
            choice = find_engine()
        except SartoError as error:
            self.dock.show_engine(error.message, False)
        else:
            self.dock.show_engine(f"{choice.python} ({choice.origin})", True)

    def shut_down(self) -> None:
        """End what runs, take the docks away. Nothing of Sarto is left afterwards."""
        self._iface.currentLayerChanged.disconnect(self._follow_layer)
        QgsProject.instance().cleared.disconnect(self._on_project_cleared)
        self._is_open = False
        self.queue.shut_down()
        for task in tuple(self._side_tasks):
            task.wait()
        for widget in (self.compare, self.table, self.dock):
            widget.shut_down()
        for dock in (self.table, self.dock):
            self._iface.removeDockWidget(dock)
            dock.deleteLater()
        self.deleteLater()

    # ── what comes back ─────────────────────────────────────────────────────────────────────────────────────

    def _submit(
        self, title: str, job: RegisterJob, work: Callable[[Reporter], Outcome], expected_seconds: float
    ) -> None:
        task = BackgroundTask(title, work, corrected(expected_seconds), job.match.method)
        project = self._project
        task.progressed.connect(self._on_progress)
        # Behind QGIS's own message that a task is complete, which would hide ours.
        task.done.connect(
            lambda done: QTimer.singleShot(0, lambda: self._conclude(done, job, project, expected_seconds))
        )
        self.queue.submit(task)

    def _on_progress(self, progress: Progress) -> None:
        self.dock.show_progress(progress)

    def _conclude(self, task: BackgroundTask, job: RegisterJob, project: int, expected_seconds: float) -> None:
        if not self._is_open:
            return
        self._promised.discard(job.output.directory)
        if task.result is None:
            self.dock.release_folder(job.output.directory)
        if project != self._project:
            return  # its layers belong to a project that is closed
        if job.output.directory == self._being_applied:
            self.table.set_busy(False)
        if task.error is not None:
            self.dock.show_problem(task.error, job)
            self._message(f"{job.moving.label}: {task.error}", Qgis.MessageLevel.Critical)
        elif task.was_cancelled:
            self._message(f"{job.moving.label}: cancelled, nothing was written.", Qgis.MessageLevel.Info, 5)
        elif task.came_too_late:
            text = f"{job.moving.label}: cancelled too late, the results are in {job.output.directory}."
            self._message(text, Qgis.MessageLevel.Info)
        else:
            remember(expected_seconds, task.result.result.seconds)
            one_by_one(self._showing(task.result), lambda: self._is_open and project == self._project)

    def _showing(self, outcome: Outcome) -> Steps[None]:
        """Layers, table and messages of a run, in steps."""
        result = outcome.result
        label, assessment = result.job.moving.label, result.assessment
        reference = self._layer_of(result.job.reference.source)
        try:
            group = yield from loading(result, outcome.aligned, None, reference.id() if reference else "")
        except SartoError as error:
            self._message(f"{label}: {error}", Qgis.MessageLevel.Critical)
            return
        if reference is not None:
            group.aligned.setCustomProperty(REFERENCE_PROPERTY, reference.id())
        yield
        self.table.show_run(outcome.review, group.name)
        yield
        self._open_table()
        yield
        verdict = assessment.verdict
        self.dock.show_result(f"{label}: {verdict.value}. {assessment.reasons[0]}", verdict.value)
        self._announce(result, group.aligned)

    def _open_table(self) -> None:
        """Show the table; the first time with a height that leaves room for the map."""
        if not self._has_table_been_open:
            self._has_table_been_open = True
            self._iface.mainWindow().resizeDocks([self.table], [TABLE_HEIGHT], Qt.Orientation.Vertical)
        self.table.setUserVisible(True)

    def _announce(self, result: RegisterResult, aligned: Any) -> None:
        bar, verdict = self._iface.messageBar(), result.assessment.verdict
        item = bar.createMessage(TITLE, f"{group_name(result)}.")
        report = QPushButton("Open report")
        report.setToolTip("Verdict, figures and pictures in the web browser")
        path = result.files["report"]
        report.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(path)))
        item.layout().addWidget(report)
        if self._pair_of(aligned) is not None:
            compare = QPushButton("Compare")
            compare.setToolTip("Swipe between the aligned SAR layer and the optical layer")
            name = aligned.id()
            compare.clicked.connect(lambda: self._compare_aligned(name))
            item.layout().addWidget(compare)
        bar.pushWidget(item, LEVELS[verdict])

    def _compare_aligned(self, layer_id: str) -> None:
        pair = self._pair_of(QgsProject.instance().mapLayer(layer_id))
        if pair is not None:
            self.compare.start(*pair)

    def _pair_to_compare(self) -> tuple[Any, Any] | None:
        """(optical, SAR) layers."""
        aligned = [x for x in _layers() if role_of(x) == "aligned"]
        record = find_record(self._iface.activeLayer())
        aligned.sort(key=lambda layer: (record is not None and find_record(layer) == record, _order(layer)))
        pairs = [pair for pair in map(self._pair_of, aligned) if pair is not None]
        if pairs:
            return pairs[-1]
        first, second = self.dock.layers.reference.layer, self.dock.layers.moving.layer
        return None if first is None or second is None else (first, second)

    @staticmethod
    def _pair_of(aligned: Any) -> tuple[Any, Any] | None:
        """An aligned layer with the optical layer to which it was registered, None if one is gone."""
        if aligned is None:
            return None
        reference = QgsProject.instance().mapLayer(str(aligned.customProperty(REFERENCE_PROPERTY, "") or ""))
        return None if reference is None else (reference, aligned)

    def _on_exported(self, task: BackgroundTask) -> None:
        self._side_tasks.discard(task)
        if task.error is not None:
            self._message(str(task.error), Qgis.MessageLevel.Critical)
        elif task.result is not None:
            self._message(f"GCPs written to {task.result}", Qgis.MessageLevel.Success, 8)

    def _show_queue(self) -> None:
        running = self.queue.running
        self.dock.show_running(running.title if running else None, len(self.queue.waiting))

    def _follow_layer(self, layer: Any) -> None:
        """Show the run of a layer that the user clicks on, also in a project that was opened again."""
        record = find_record(layer) if role_of(layer) else None
        if record is None or record in self._loading or self.table.show_record(record):
            return
        task = BackgroundTask("Read GCPs", lambda _reporter: Review.load(record))
        self._loading.add(record)
        self._side_tasks.add(task)
        name, project = layer.name(), self._project
        task.done.connect(lambda done: self._on_loaded(done, record, name, project))
        task.start()

    def _on_loaded(self, task: BackgroundTask, record: Path, name: str, project: int) -> None:
        self._side_tasks.discard(task)
        self._loading.discard(record)
        if not self._is_open or project != self._project:
            return
        if task.error is not None:
            self._message(str(task.error), Qgis.MessageLevel.Warning, 8)
        elif task.result is not None:
            self.table.show_run(task.result, name)

    def _on_project_cleared(self) -> None:
        self._project += 1
        self.queue.cancel_all()
        self.table.clear()
        self.table.set_busy(False)
        self.table.hide()
        self.compare.stop()

    def _layer_of(self, source: str) -> Any:
        """The layer with this source, None if it is not there (any more); of several, the one in the dock."""
        chosen = self.dock.layers.reference.layer
        found = [layer for layer in _layers() if same_source(layer.source(), source)]
        return chosen if chosen in found else next(iter(found), None)

    def _message(self, text: str, level: Qgis.MessageLevel, seconds: int = 0) -> None:
        self._iface.messageBar().pushMessage(TITLE, text, level, seconds)


def _layers() -> list[Any]:
    return list(QgsProject.instance().mapLayers().values())


def _order(layer: Any) -> int:
    """Larger for a layer that lies higher."""
    order = QgsProject.instance().layerTreeRoot().layerOrder()
    return -order.index(layer) if layer in order else -len(order)
