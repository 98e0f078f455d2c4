"""The dock with the GCP table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from qgis.core import QgsApplication, QgsRectangle
from qgis.gui import QgsDockWidget
from qgis.PyQt import sip
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QFileDialog, QLabel, QStackedWidget, QVBoxLayout, QWidget

from ...core.contract import Reporter
from ...core.pipeline import FILES, Review
from ..run import BackgroundTask
from .controls import GcpControls
from .figures import figures_text
from .model import GcpTableModel, Rows
from .overlay import GcpOverlay
from .pick_tool import PickTool
from .positions import CanvasPositions
from .slow_fit import is_slow, prepared
from .view import GcpView

EMPTY = "No run to show yet. Register a SAR layer to an optical layer, and its GCPs are listed here."


@dataclass
class _Run:
    title: str
    review: Review


class GcpDock(QgsDockWidget):
    """Lists the GCPs of the runs of this session and lets them be edited; the refit follows at once.

    apply_requested(EditedRun): write the aligned layer again with the points as they are now.
    export_requested(GcpTable, RegisterJob, str path): write the points; the user agreed to overwrite.
    run_shown(Review or None): another run is shown.
    """

    apply_requested = pyqtSignal(object)
    export_requested = pyqtSignal(object, object, str)
    run_shown = pyqtSignal(object)

    def __init__(self, canvas: Any, parent: QWidget | None = None) -> None:
        super().__init__("GCPs", parent)
        self.setObjectName("SartoGcpDock")
        self._canvas = canvas
        self._runs: list[_Run] = []
        self._shown: _Run | None = None
        self._fitting: BackgroundTask | None = None
        self._is_busy = False
        self._earlier_tool: Any | None = None
        self.model = GcpTableModel(self)
        self.view = GcpView(self.model)
        self.controls = GcpControls()
        self.positions = CanvasPositions(canvas)
        self.overlay: GcpOverlay | None = GcpOverlay(canvas, self.positions)
        self.pick_tool = PickTool(canvas, self.positions)
        self._pages = self._lay_out()
        self.setWidget(self._pages)
        self._connect()
        self._show(None)

    def _lay_out(self) -> QStackedWidget:
        pages = QStackedWidget()
        empty = QLabel(EMPTY)
        empty.setWordWrap(True)
        empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        empty.setMargin(24)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self.controls)
        layout.addWidget(self.view, 1)
        pages.addWidget(empty)
        pages.addWidget(page)
        return pages

    def _connect(self) -> None:
        controls, view = self.controls, self.view
        controls.run_chosen.connect(lambda position: self._show(self._runs[position]))
        controls.model_chosen.connect(self._on_model)
        controls.reset_clicked.connect(self._on_reset)
        controls.apply_clicked.connect(self._on_apply)
        controls.export_chosen.connect(self._on_export)
        controls.filter_changed.connect(self._on_filter)
        controls.pick_toggled.connect(self._on_pick_toggled)
        self.model.toggled.connect(lambda row, on: self._switch(np.array([row]), on))
        view.switch_requested.connect(self._switch)
        view.zoom_requested.connect(self._zoom_to)
        view.clicked_row.connect(self._centre_on)
        view.selection_shown.connect(self._on_selection)
        self.pick_tool.picked.connect(self._on_picked)
        self.pick_tool.deactivated.connect(lambda: controls.pick.setChecked(False))
        self.visibilityChanged.connect(self._on_visibility)

    # What the controller calls

    @property
    def review(self) -> Review | None:
        """The run that is shown, as it is edited. Another object after a spline was prepared."""
        return None if self._shown is None else self._shown.review

    def show_run(self, review: Review, title: str) -> None:
        """Add a run to the list, or replace the one with the same record, and show it."""
        record = review.result.files.get("record", "")
        known = self._run_of(Path(record)) if record else None
        run = known or _Run(title, review)
        run.title, run.review = title, review
        if known is None:
            self._runs.append(run)
        self._show(run)

    def show_record(self, record: Path) -> bool:
        """Show the run with this record; False where it is not in the list."""
        run = self._run_of(record)
        if run is not None and run is not self._shown:
            self._show(run)
        return run is not None

    def clear(self) -> None:
        """Forget all runs, for a new project."""
        self._runs.clear()
        self._show(None)

    def set_busy(self, is_busy: bool) -> None:
        """While an aligned layer is being written no second one can be asked for."""
        self._is_busy = is_busy
        self._refresh_state()

    def shut_down(self) -> None:
        """Take everything off the canvas and wait for what runs; the dock is not used afterwards."""
        self.controls.pick.setChecked(False)
        self.clear()
        if self.overlay is not None:
            self._canvas.scene().removeItem(self.overlay)
            self.overlay = None
        fitting, self._fitting = self._fitting, None
        if fitting is not None and fitting.isActive():
            fitting.cancel()
            fitting.waitForFinished(5000)

    def ask_path(self, suggestion: str, suffix: str) -> str:
        """The file that the user wants to export to, "" for none. Replaced by tests."""
        title = f"Export GCPs ({suffix})"
        path, _filter = QFileDialog.getSaveFileName(self, title, suggestion, f"GCPs (*{suffix})")
        return str(path)

    # Showing

    def _run_of(self, record: Path) -> _Run | None:
        same = (run for run in self._runs if Path(run.review.result.files.get("record", "")) == Path(record))
        return next(same, None)

    def _show(self, run: _Run | None) -> None:
        self._shown = run
        box = self.controls.run
        box.clear()
        box.addItems([run.title for run in self._runs])
        box.setCurrentIndex(-1 if run is None else self._runs.index(run))
        self._pages.setCurrentIndex(0 if run is None else 1)
        table = None if run is None else run.review.table
        self.positions.set_table(table)
        self._set_overlay_table(table)
        self.model.show_table(table, math.nan if run is None else run.review.metres_per_pixel)
        self.view.fit_columns()
        if run is None:
            self.controls.pick.setChecked(False)
        else:
            self.controls.show_model(run.review.model)
            self.controls.exports[".geojson"].setEnabled(bool(run.review.table.reference_grid.crs))
            if is_slow(run.review.result, run.review.model):
                self._prepare(run, run.review.model)
        self._refresh_state()
        self.run_shown.emit(self.review)

    def _refresh(self) -> None:
        """After an edit: residuals, figures, overlay."""
        if self._shown is not None:
            self.model.follow(self._shown.review.table)
            self._set_overlay_table(self._shown.review.table)
        self._refresh_state()

    def _refresh_state(self) -> None:
        review, controls = self.review, self.controls
        is_fitting = self._fitting is not None
        self.model.is_editable = not is_fitting
        controls.model.setEnabled(not is_fitting)
        if review is None:
            controls.figures.clear()
            controls.show_problem("")
            return
        controls.figures.setText("Fitting the thin-plate spline …" if is_fitting else figures_text(review))
        controls.show_problem(review.problem)
        controls.reset.setEnabled(review.is_changed and not is_fitting)
        can_apply = review.is_changed and not review.problem and not is_fitting and not self._is_busy
        controls.apply.setEnabled(can_apply)

    def _set_overlay_table(self, table: Any | None) -> None:
        if self.overlay is not None:
            self.overlay.set_table(table)

    # Editing

    def _switch(self, rows: Rows, enabled: bool) -> None:
        if self._shown is not None and self._fitting is None:
            self._shown.review.set_enabled(rows, enabled)
            self._refresh()

    def _on_model(self, name: str) -> None:
        run = self._shown
        if run is None or self._fitting is not None or name == run.review.model:
            return
        if is_slow(run.review.result, name):
            self._prepare(run, name)
        else:
            run.review.choose_model(name)
        self._refresh()

    def _on_reset(self) -> None:
        run = self._shown
        if run is None or self._fitting is not None:
            return
        run.review.reset()
        self.controls.show_model(run.review.model)
        if is_slow(run.review.result, run.review.model):
            self._prepare(run, run.review.model)
        self._refresh()

    def _prepare(self, run: _Run, model: str) -> None:
        """Fit a slow model beside the interface; until then nothing can be edited."""
        if self._fitting is not None:
            return
        result, enabled = run.review.result, run.review.table.enabled.copy()

        def work(_reporter: Reporter) -> Review:
            return prepared(result, model, enabled)

        task = BackgroundTask("Fitting the thin-plate spline", work)
        task.done.connect(lambda task: self._on_prepared(task, run))
        self._fitting = task
        QgsApplication.taskManager().addTask(task)

    def _on_prepared(self, task: BackgroundTask, run: _Run) -> None:
        if sip.isdeleted(self) or task is not self._fitting:
            return
        self._fitting = None
        if task.result is not None:
            run.review = task.result
        if run is self._shown:
            self.controls.show_model(run.review.model)
        elif self._shown is not None and is_slow(self._shown.review.result, self._shown.review.model):
            self._prepare(self._shown, self._shown.review.model)
        self._refresh()
        if task.error is not None:
            self.controls.show_problem(str(task.error))

    def _on_apply(self) -> None:
        if self._shown is not None and not self._shown.review.problem:
            self.apply_requested.emit(self._shown.review.edited())

    def _on_export(self, suffix: str) -> None:
        if self._shown is None:
            return
        result, table = self._shown.review.result, self._shown.review.table
        folder = Path(result.job.output.directory or ".")
        path = self.ask_path(str(folder / (Path(FILES["points"]).stem + suffix)), suffix)
        if path:
            path = path if Path(path).suffix.lower() == suffix else path + suffix
            self.export_requested.emit(table, result.job, path)

    # Table and map

    def _on_filter(self, wanted: Any) -> None:
        rows = self.view.selected_rows()
        self.model.set_filter(wanted)
        if len(rows) == 1:
            self.view.select_row(int(rows[0]))

    def _on_selection(self, rows: Rows) -> None:
        if self.overlay is not None:
            self.overlay.select(rows)

    def _centre_on(self, row: int) -> None:
        point = self.positions.point(row)
        if point is None or self.overlay is None:
            return
        self._canvas.setCenter(point)
        self._canvas.refresh()
        self.overlay.flash(row)

    def _zoom_to(self, rows: Rows) -> None:
        places = self.positions.on_map()[rows]
        places = places[np.isfinite(places).all(axis=1)]
        if not len(places):
            return
        if len(places) == 1:
            self._centre_on(int(rows[0]))
            return
        extent = QgsRectangle(*places.min(axis=0).tolist(), *places.max(axis=0).tolist())
        extent.scale(1.2)
        self._canvas.setExtent(extent)
        self._canvas.refresh()

    def _on_picked(self, row: int) -> None:
        if not self.view.select_row(row):  # hidden by the filter, which the click overrules
            self.controls.clear_filter()
            self.view.select_row(row)

    def _on_pick_toggled(self, is_on: bool) -> None:
        if is_on:
            self._earlier_tool = self._canvas.mapTool()
            self._canvas.setMapTool(self.pick_tool)
            return
        earlier, self._earlier_tool = self._earlier_tool, None
        if self._canvas.mapTool() is not self.pick_tool:
            return  # another tool was chosen
        if earlier is not None and not sip.isdeleted(earlier):
            self._canvas.setMapTool(earlier)
        else:
            self._canvas.unsetMapTool(self.pick_tool)

    def _on_visibility(self, is_visible: bool) -> None:
        if self.overlay is not None:
            self.overlay.setVisible(is_visible)
        if not is_visible:
            self.controls.pick.setChecked(False)
