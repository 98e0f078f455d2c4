"""The GCP table as a Qt model on numpy columns, with its own sorting and filtering.

A QSortFilterProxyModel asks Python for every comparison; numpy sorts 10,000 rows in a millisecond.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from qgis.PyQt.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, pyqtSignal
from qgis.PyQt.QtGui import QBrush, QColor

from ...core.contract import GcpTable
from .columns import COLUMNS, NUMBER, ON, ROLE, ColumnValues
from .filtering import RowFilter

Rows = npt.NDArray[np.intp]

SWITCHED_OFF = "#828282"
"""Grey that is read on white and on black: dark themes give no colour of their own for disabled text."""

# Made once: Qt asks for the flags of every cell when all rows are selected.
SELECTABLE = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
TICKABLE = SELECTABLE | Qt.ItemFlag.ItemIsUserCheckable


class GcpTableModel(QAbstractTableModel):
    """Rows of a GCP table. A "row" is one of the table's (0 … N-1), a "line" one of those shown.

    toggled(int row, bool on): the user ticked or un-ticked a point; the table itself is not changed here.
    """

    toggled = pyqtSignal(int, bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._values: ColumnValues | None = None
        self._search: npt.NDArray[np.str_] | None = None
        self._lines: Rows = np.zeros(0, dtype=np.intp)
        self._sorted_by = NUMBER
        self._is_descending = False
        self.filter = RowFilter()
        self.is_editable = True

    def show_table(self, table: GcpTable | None, metres_per_pixel: float) -> None:
        """Show another run. metres_per_pixel: NaN without a projected CRS."""
        self.beginResetModel()
        self._values = None if table is None else ColumnValues(table, metres_per_pixel)
        self._search = None
        self._arrange()
        self.endResetModel()

    def follow(self, table: GcpTable) -> None:
        """The same run after an edit. Lines stay where they are, so that nothing jumps under the mouse."""
        if self._values is not None:
            self._values.follow(table)
            if len(self._lines):
                self.dataChanged.emit(self.index(0, 0), self.index(len(self._lines) - 1, len(COLUMNS) - 1))

    def set_filter(self, wanted: RowFilter) -> None:
        """Show the rows that a filter keeps."""
        self.beginResetModel()
        self.filter = wanted
        self._arrange()
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort the lines; points without a value come last either way."""
        self.layoutAboutToBeChanged.emit()
        kept = self.persistentIndexList()
        places = [(self._lines[index.row()], index.column()) for index in kept]
        self._sorted_by, self._is_descending = column, order == Qt.SortOrder.DescendingOrder
        self._arrange()
        lines = self._line_of_row().tolist()
        create = self.createIndex
        self.changePersistentIndexList(kept, [create(lines[row], column) for row, column in places])
        self.layoutChanged.emit()

    def _arrange(self) -> None:
        if self._values is None:
            self._lines = np.zeros(0, dtype=np.intp)
            return
        if self.filter.text.strip() and self._search is None:
            self._search = self._values.search_texts()
        kept = np.flatnonzero(self.filter.keep(self._values, self._search))
        keys = self._values.values[self._sorted_by][kept]
        self._lines = kept[np.argsort(-keys if self._is_descending else keys, kind="stable")]

    def _line_of_row(self) -> Rows:
        """(N,) line of each row, -1 where it is not shown."""
        lines: Rows = np.full(0 if self._values is None else len(self._values), -1, dtype=np.intp)
        lines[self._lines] = np.arange(len(self._lines))
        return lines

    def row_at(self, line: int) -> int:
        """The table's row that a line shows."""
        return int(self._lines[line])

    def rows_at(self, lines: list[int]) -> Rows:
        """The table's rows that lines show."""
        return np.asarray(self._lines[np.asarray(lines, dtype=np.intp)], dtype=np.intp)

    def any_on(self, rows: Rows) -> bool:
        """Whether one of these rows is switched on."""
        return self._values is not None and bool(self._values.values[ON][rows].any())

    def line_of(self, row: int) -> int:
        """The line that shows a row, -1 where the filter hides it."""
        found = np.flatnonzero(self._lines == row)
        return int(found[0]) if len(found) else -1

    def longest_texts(self, column: int) -> tuple[str, ...]:
        """Texts of which one is the longest in a column."""
        return () if self._values is None else self._values.longest(column)

    def as_text(self, lines: list[int]) -> str:
        """Lines as tab separated text with a header, for the clipboard."""
        if self._values is None:
            return ""
        values = self._values
        texts = ["\t".join(column.title for column in COLUMNS)]
        for row in self.rows_at(lines).tolist():
            texts.append("\t".join(values.copied(row, column) for column in range(len(COLUMNS))))
        return "\n".join(texts) + "\n"

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        return 0 if parent is not None and parent.isValid() else len(self._lines)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def flags(self, index: QModelIndex) -> Any:
        column = index.column()  # -1 where the index is none
        if column == ON and self.is_editable:
            return TICKABLE
        return SELECTABLE if column >= 0 else Qt.ItemFlag.NoItemFlags

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section].title
        if role == Qt.ItemDataRole.ToolTipRole:
            return COLUMNS[section].tooltip
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if self._values is None or not index.isValid():
            return None
        row, column = int(self._lines[index.row()]), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._values.text(row, column)
        if role == Qt.ItemDataRole.CheckStateRole and column == ON:
            return Qt.CheckState.Checked if self._values.is_on(row) else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.TextAlignmentRole and column not in (ON, ROLE):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ForegroundRole and not self._values.is_on(row):
            return QBrush(QColor(SWITCHED_OFF))
        if role == Qt.ItemDataRole.ToolTipRole:
            return COLUMNS[column].tooltip
        return None

    def setData(  # noqa: N802
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        if role != Qt.ItemDataRole.CheckStateRole or index.column() != ON or not self.is_editable:
            return False
        # Qt hands over a number, our own code an enum.
        self.toggled.emit(self.row_at(index.row()), Qt.CheckState(value) == Qt.CheckState.Checked)
        return True
