"""The dock with the GCP table."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from qgis.core import QgsRectangle
from qgis.gui import QgsDockWidget
from qgis.PyQt.QtCore import QSignalBlocker, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QFileDialog, QLabel, QStackedWidget, QVBoxLayout, QWidget

from ...core.contract import Flags
from ...core.pipeline import FILES, Review
from .controls import GcpControls
from .figures import figures_texts
from .model import GcpTableModel, Rows
from .overlay import GcpOverlay
from .pick_tool import PickTool
from .positions import CanvasPositions
from .refits import ListedRun, Refits, Wanted
from .view import GcpView

EMPTY = "No run to show yet. Register a SAR layer to an optical layer, and its GCPs are listed here."


class GcpDock(QgsDockWidget):
    """Lists the GCPs of the runs of this session and lets them be edited; the refit follows at once.

    apply_requested(EditedRun): write the aligned layer again with the points as they are now.
    export_requested(GcpTable, RegisterJob, str path): write the points; the user agreed to overwrite.
    """

    apply_requested = pyqtSignal(object)
    export_requested = pyqtSignal(object, object, str)

    def __init__(self, canvas: Any, parent: QWidget | None = None) -> None:
        super().__init__("GCPs", parent)
        self.setObjectName("SartoGcpDock")
        self._canvas = canvas
        self._runs: list[ListedRun] = []
        self._shown: ListedRun | None = None
        self._is_busy = False
        self.refits = Refits(self)
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
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(4)  # QGIS gives the dock little height, and the table needs it
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
        self.pick_tool.deactivated.connect(self._on_pick_left)
        self.refits.fitted.connect(self._on_fitted)
        self.visibilityChanged.connect(self._on_visibility)

    # What the controller calls

    @property
    def review(self) -> Review | None:
        """The run that is shown, as it is edited. Another object after a refit in the background."""
        return None if self._shown is None else self._shown.review

    def show_run(self, review: Review, title: str) -> None:
        """Add a run to the list, or replace the one with the same record, and show it."""
        record = review.result.files.get("record", "")
        known = self._run_of(Path(record)) if record else None
        run = ListedRun(title, review)
        if known is None:
            self._runs.append(run)
        else:
            self._runs[self._runs.index(known)] = run
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
        self.refits.forget()
        self._show(None)

    def set_busy(self, is_busy: bool) -> None:
        """While an aligned layer is being written no second one can be asked for."""
        self._is_busy = is_busy
        self._refresh_state()

    def shut_down(self) -> None:
        """Take everything off the canvas and wait for what runs; the dock is not used afterwards.

        May be called twice.
        """
        self.clear()
        self.pick_tool.end()
        if self.overlay is not None:
            self._canvas.scene().removeItem(self.overlay)
            self.overlay = None
        self.refits.shut_down()

    def ask_path(self, suggestion: str, suffix: str) -> str:
        """The file that the user wants to export to, and agreed to replace if it is there; "" for none."""
        folder, name = os.path.split(suggestion)
        dialog = QFileDialog(self, f"Export GCPs ({suffix})", folder, f"GCPs (*{suffix})")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setFileMode(QFileDialog.FileMode.AnyFile)
        dialog.setDefaultSuffix(suffix.lstrip("."))  # before the dialog looks whether the file is there
        dialog.selectFile(name)
        is_chosen = bool(dialog.exec())
        path = dialog.selectedFiles()[0] if is_chosen else ""
        dialog.deleteLater()
        return str(path)

    # Showing

    def _run_of(self, record: Path) -> ListedRun | None:
        same = (run for run in self._runs if Path(run.review.result.files.get("record", "")) == Path(record))
        return next(same, None)

    def _show(self, run: ListedRun | None) -> None:
        self._shown = run
        self.controls.show_runs([run.title for run in self._runs], -1 if run is None else self._runs.index(run))
        self._pages.setCurrentIndex(0 if run is None else 1)
        table = None if run is None else run.table
        self.positions.set_table(table)
        self._set_overlay_table(table)
        self.model.show_table(table, math.nan if run is None else run.review.metres_per_pixel)
        self.view.fit_columns()
        if run is None:
            self.controls.pick.setChecked(False)
        else:
            self.controls.show_model(run.review.model)
            self.controls.exports[".geojson"].setEnabled(bool(run.review.table.reference_grid.crs))
        self._refresh_state()

    def _refresh(self) -> None:
        """After an edit: residuals, figures, overlay."""
        if self._shown is not None:
            table = self._shown.table
            self.model.follow(table)
            self._set_overlay_table(table)
        self._refresh_state()

    def _refresh_state(self) -> None:
        run, controls = self._shown, self.controls
        if run is None:
            controls.show_figures(("", ""))
            controls.show_problem("")
            return
        review, is_fitting = run.review, run.is_fitting
        can_write = not review.problem and not is_fitting
        controls.show_figures(("Fitting …", "") if is_fitting else figures_texts(review))
        controls.show_problem(review.problem)
        controls.model.setEnabled(not is_fitting)
        controls.reset.setEnabled(review.is_changed and not is_fitting)
        controls.apply.setEnabled(can_write and review.is_changed and not self._is_busy)
        controls.export.setEnabled(can_write)

    def _set_overlay_table(self, table: Any | None) -> None:
        if self.overlay is not None:
            self.overlay.set_table(table)

    # Editing

    def _switch(self, rows: Rows, enabled: bool) -> None:
        run = self._shown
        if run is not None:
            flags = run.enabled.copy()
            flags[rows] = enabled
            self._ask(run, flags, run.wanted.model if run.wanted else run.review.model)

    def _on_model(self, name: str) -> None:
        run = self._shown
        if run is not None and not run.is_fitting and name != run.review.model:
            self._ask(run, run.enabled, name)

    def _on_reset(self) -> None:
        run = self._shown
        if run is not None and not run.is_fitting:
            run.review.reset()
            self.controls.show_model(run.review.model)
            self._refresh()

    def _ask(self, run: ListedRun, enabled: Flags, model: str) -> None:
        self.refits.ask(run, Wanted(enabled, model))
        self._refresh()

    def _on_fitted(self, run: ListedRun, error: str) -> None:
        if run is not self._shown:
            return
        if not run.is_fitting:
            self.controls.show_model(run.review.model)
        self._refresh()
        if error:
            self.controls.show_problem(error)

    def _on_apply(self) -> None:
        if self._shown is not None and not self._shown.review.problem:
            self.apply_requested.emit(self._shown.review.edited())

    def _on_export(self, suffix: str) -> None:
        if self._shown is None:
            return
        result, table = self._shown.review.result, self._shown.review.table
        folder = Path(result.job.output.directory or ".")
        path = self.ask_path(str(folder / (Path(FILES["points"]).stem + suffix)), suffix)
        while path and Path(path).suffix.lower() != suffix:
            path += suffix
            if os.path.lexists(path):  # the user was asked about another name
                path = self.ask_path(path, suffix)
        if path:
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
            self.pick_tool.take_canvas()
        else:
            self.pick_tool.give_canvas_back()

    def _on_pick_left(self) -> None:
        """Another tool is on its way: the canvas is not ours to give any more."""
        with QSignalBlocker(self.controls.pick):
            self.controls.pick.setChecked(False)

    def _on_visibility(self, is_visible: bool) -> None:
        if self.overlay is not None:
            self.overlay.setVisible(is_visible)
        if not is_visible:
            self.controls.pick.setChecked(False)
