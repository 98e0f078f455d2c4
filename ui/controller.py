"""Wires dock → queue → results → GCP table. The widgets know nothing of each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsApplication, QgsProject
from qgis.PyQt.QtCore import QObject, Qt, QTimer, QUrl
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import QPushButton

from ..core.contract import GcpTable, RegisterJob, RegisterResult, SartoError, Verdict
from ..core.pipeline import EditedRun, Review, export_gcps
from .compare import CompareBar
from .dock import RegisterDock, output_folder
from .engine import EngineDialog, find_engine
from .gcps import GcpDock
from .results import ResultGroup, find_record, load_results, role_of
from .run import BackgroundTask, RunQueue
from .run.speed import remember
from .runs import Outcome, delivery, registration

TITLE = "Sarto"
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
        self._project = 0  # counts projects: results of a run belong to the one in which it was started
        self.queue = RunQueue(self)
        self.dock = RegisterDock(iface, iface.mainWindow())
        self.table = GcpDock(iface.mapCanvas(), iface.mainWindow())
        self.compare = CompareBar(iface.mapCanvas())
        self._side_tasks: set[BackgroundTask] = set()
        self._records: set[Path] = set()  # runs that the table knows
        self._promised: set[str] = set()  # folders of runs that may still wait
        iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.dock)
        iface.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self.table)
        self.table.hide()
        self._connect()
        self.show_engine()

    def _connect(self) -> None:
        self.dock.run_requested.connect(self.register)
        self.dock.cancel_requested.connect(self.cancel)
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
        self.table.setUserVisible(True)

    def register(self, job: RegisterJob, expected_seconds: float = float("nan")) -> None:
        """Run a job now, or after those before it."""
        try:
            engine = find_engine()
        except SartoError as error:
            self.dock.show_problem(error)
            return
        title = f"Register {job.moving.label} to {job.reference.label}"
        self._submit(title, registration(job, engine.python), expected_seconds)

    def apply(self, edited: EditedRun) -> None:
        """Write a run again with its edited GCPs, into a folder beside the first."""
        before = Path(edited.result.job.output.directory)
        name = f"{edited.result.job.moving.label}_edited"
        folder = output_folder(str(before.parent), name, self._promised)
        self._promised.add(folder)
        self._submit(f"Align {edited.result.job.moving.label} again", delivery(edited, folder), float("nan"))

    def export(self, table: GcpTable, job: RegisterJob, path: str) -> None:
        """Write GCPs to a file; the save dialog has asked already whether it may be replaced."""
        task = BackgroundTask("Export GCPs", lambda _reporter: export_gcps(table, job, path, overwrite=True))
        self._side_tasks.add(task)
        task.done.connect(self._on_exported)
        QgsApplication.taskManager().addTask(task)

    def cancel(self) -> None:
        """Cancel the run in work."""
        if self.queue.running is not None:
            self.queue.cancel(self.queue.running)

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
        self._project += 1
        self.queue.shut_down()
        for task in tuple(self._side_tasks):
            task.waitForFinished(5000)
        for widget in (self.compare, self.table, self.dock):
            widget.shut_down()
        for dock in (self.table, self.dock):
            self._iface.removeDockWidget(dock)
            dock.deleteLater()
        self.deleteLater()

    # ── what comes back ─────────────────────────────────────────────────────────────────────────────────────

    def _submit(self, title: str, work: Callable[..., Outcome], expected_seconds: float) -> None:
        task = BackgroundTask(title, work, expected_seconds)
        project = self._project
        task.progressed.connect(self._on_progress)
        task.done.connect(lambda done: self._on_done(done, project))
        self.queue.submit(task)

    def _on_progress(self, progress: Any) -> None:
        self.dock.show_progress(progress)

    def _on_done(self, task: BackgroundTask, project: int) -> None:
        # Behind QGIS's own message that a task is complete, which would hide ours.
        QTimer.singleShot(0, lambda: self._conclude(task, project))

    def _conclude(self, task: BackgroundTask, project: int) -> None:
        if project != self._project:
            return  # its layers belong to a project that is closed
        if task.error is not None:
            self.dock.show_problem(task.error)
            self._message(task.title, str(task.error), Qgis.MessageLevel.Critical)
        elif task.was_cancelled:
            self._message(task.title, "Cancelled; nothing was written.", Qgis.MessageLevel.Info, seconds=5)
        else:
            self._show_outcome(task)

    def _show_outcome(self, task: BackgroundTask) -> None:
        outcome: Outcome = task.result
        result = outcome.result
        reference = _layer_of(result.job.reference.source)
        try:
            group = load_results(result, outcome.limits, reference_layer_id=reference.id() if reference else "")
        except SartoError as error:
            self._message(task.title, str(error), Qgis.MessageLevel.Critical)
            return
        remember(task.expected_seconds, result.seconds)
        self._records.add(Path(result.files["record"]))
        self.table.show_run(outcome.review, group.name)
        self.table.setUserVisible(True)
        verdict = result.assessment.verdict
        self.dock.show_result(f"{verdict.value.capitalize()}. {result.assessment.reasons[0]}", verdict.value)
        self._announce(result, group, reference)

    def _announce(self, result: RegisterResult, group: ResultGroup, reference: Any) -> None:
        verdict = result.assessment.verdict
        bar = self._iface.messageBar()
        text = f"{result.job.moving.label}: {verdict.value}. {result.assessment.reasons[0]}"
        item = bar.createMessage(TITLE, text)
        report = QPushButton("Open report")
        report.setToolTip("Verdict, figures and pictures in the web browser")
        path = result.files["report"]
        report.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(path)))
        item.layout().addWidget(report)
        if reference is not None:
            compare = QPushButton("Compare")
            compare.setToolTip("Swipe between the aligned SAR layer and the optical layer")
            ids = (reference.id(), group.aligned.id())
            compare.clicked.connect(lambda: self._compare(*ids))
            item.layout().addWidget(compare)
        bar.pushWidget(item, LEVELS[verdict])

    def _compare(self, reference_id: str, aligned_id: str) -> None:
        layers = [QgsProject.instance().mapLayer(name) for name in (reference_id, aligned_id)]
        if None not in layers:
            self.compare.start(*layers)

    def _on_exported(self, task: BackgroundTask) -> None:
        self._side_tasks.discard(task)
        if task.error is not None:
            self._message("Export GCPs", str(task.error), Qgis.MessageLevel.Critical)
        elif task.result is not None:
            self._message("Export GCPs", f"Written to {task.result}", Qgis.MessageLevel.Success, seconds=8)

    def _show_queue(self) -> None:
        running = self.queue.running
        self.dock.show_running(running.title if running else None, len(self.queue.waiting))

    def _follow_layer(self, layer: Any) -> None:
        """Show the run of a layer that the user clicks on, also in a project that was opened again."""
        record = find_record(layer) if role_of(layer) else None
        if record is None or record in self._records:
            return
        task = BackgroundTask("Read GCPs", lambda _reporter: _loaded(record))
        self._side_tasks.add(task)
        self._records.add(record)
        name, project = layer.name(), self._project
        task.done.connect(lambda done: self._on_loaded(done, name, project))
        QgsApplication.taskManager().addTask(task)

    def _on_loaded(self, task: BackgroundTask, name: str, project: int) -> None:
        self._side_tasks.discard(task)
        if task.result is not None and project == self._project:
            self.table.show_run(task.result, name)

    def _on_project_cleared(self) -> None:
        self._project += 1
        self.queue.cancel_all()
        self._records.clear()
        self.table.clear()
        self.table.hide()
        self.compare.stop()

    def _message(self, title: str, text: str, level: Qgis.MessageLevel, seconds: int = 0) -> None:
        self._iface.messageBar().pushMessage(title, text, level, seconds)


def _loaded(record: Path) -> Review:
    review = Review.load(record)
    review.prime()
    return review


def _layer_of(source: str) -> Any:
    """The project's layer with this source, None if it is not there (any more)."""
    layers = QgsProject.instance().mapLayers().values()
    return next((layer for layer in layers if layer.source() == source), None)
