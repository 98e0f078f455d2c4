"""The table's view: keys, clicks, and what they ask for."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt, pyqtSignal
from qgis.PyQt.QtGui import QGuiApplication, QKeySequence
from qgis.PyQt.QtWidgets import QAbstractItemView, QMenu, QTableView, QWidget

from .columns import COLUMNS, CONFIDENCE, MAP_X, NUMBER, ON, RESIDUAL_M, RESIDUAL_PX
from .model import GcpTableModel, Rows


class GcpView(QTableView):
    """Shows a GcpTableModel. Rows are those of the GCP table, whatever the sorting.

    switch_requested(rows, bool on): from Space or the menu. zoom_requested(rows). clicked_row(int): a row was
    clicked, or Enter pressed on it. selection_shown(rows): the selection is another.
    """

    switch_requested = pyqtSignal(object, bool)
    zoom_requested = pyqtSignal(object)
    clicked_row = pyqtSignal(int)
    selection_shown = pyqtSignal(object)

    def __init__(self, model: GcpTableModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.setModel(model)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setAlternatingRowColors(True)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)  # Tab leaves the table, as it leaves any other control
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 6)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setSectionsMovable(True)
        for place, column in enumerate((RESIDUAL_PX, RESIDUAL_M, CONFIDENCE), start=MAP_X):
            self.horizontalHeader().moveSection(column, place)  # what one looks for stands before the coordinates
        self.setSortingEnabled(True)
        self.sortByColumn(NUMBER, Qt.SortOrder.AscendingOrder)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._show_menu)
        self.clicked.connect(self._on_clicked)
        self.selectionModel().selectionChanged.connect(self._on_selection)
        model.modelReset.connect(self._on_selection)

    def selected_rows(self) -> Rows:
        """The selected rows, in the order of the lines."""
        return self._model.rows_at(self._selected_lines())

    def select_row(self, row: int) -> bool:
        """Select a row alone and scroll to it; False where the filter hides it."""
        line = self._model.line_of(row)
        if line < 0:
            return False
        index = self._model.index(line, NUMBER)
        self.selectRow(line)
        self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        self.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)
        return True

    def fit_columns(self) -> None:
        """Widths that hold the header and the longest text."""
        metrics = self.fontMetrics()
        for column in range(len(COLUMNS)):
            texts = self._model.longest_texts(column)
            widest = max((metrics.horizontalAdvance(text) for text in texts), default=0)
            self.setColumnWidth(column, max(self.horizontalHeader().sectionSizeHint(column), widest + 18))

    def build_menu(self) -> QMenu:
        """The context menu for the selected rows."""
        menu = QMenu(self)
        has_rows = bool(self._selected_lines())
        for text, act, is_edit in (
            ("Switch off selected", lambda: self.switch_requested.emit(self.selected_rows(), False), True),
            ("Switch on selected", lambda: self.switch_requested.emit(self.selected_rows(), True), True),
            ("Zoom to", lambda: self.zoom_requested.emit(self.selected_rows()), False),
            ("Copy", self.copy_selected, False),
        ):
            action = menu.addAction(text)
            action.setEnabled(has_rows and (self._model.is_editable or not is_edit))
            action.triggered.connect(act)
        return menu

    def copy_selected(self) -> None:
        """Put the selected rows on the clipboard, tab separated."""
        lines = self._selected_lines()
        if lines:
            QGuiApplication.clipboard().setText(self._model.as_text(lines))

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Space and self._selected_lines():
            self._switch_selected()
        elif event.matches(QKeySequence.StandardKey.Copy):
            self.copy_selected()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.clicked_row.emit(self._model.row_at(self.currentIndex().row()))
        else:
            super().keyPressEvent(event)

    def _switch_selected(self) -> None:
        if self._model.is_editable:
            rows = self.selected_rows()
            self.switch_requested.emit(rows, not self._model.any_on(rows))

    def _selected_lines(self) -> list[int]:
        chosen = self.selectionModel().selection()
        return sorted({line for part in chosen for line in range(part.top(), part.bottom() + 1)})

    def _show_menu(self, place: QPoint) -> None:
        self.build_menu().exec(self.viewport().mapToGlobal(place))

    def _on_clicked(self, index: QModelIndex) -> None:
        if index.column() != ON:  # a tick is no wish to move the map
            self.clicked_row.emit(self._model.row_at(index.row()))

    def _on_selection(self, *_changes: Any) -> None:
        self.selection_shown.emit(self.selected_rows())
