"""The controls above the GCP table."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ...core.contract import MODELS
from ..words import choice_of
from .figures import TOOLTIP
from .filtering import ABOVE, FILTERS, RowFilter
from .narrow import NarrowBox, NarrowLines

EXPORTS: dict[str, str] = {
    ".points": "QGIS Georeferencer points (.points)…",
    ".csv": "Comma separated values (.csv)…",
    ".geojson": "GeoJSON (.geojson)…",
    ".gpkg": "GeoPackage (.gpkg)…",
}
"""Suffix → menu entry."""

_RUN_TIP = "The run whose points are shown."
_MODEL_TIP = "Transform that is fitted to the GCPs that are switched on."


class GcpControls(QWidget):
    """Two rows of controls, with the figures in the second.

    run_chosen(int): position in the run box. model_chosen(str). reset_clicked(), apply_clicked().
    export_chosen(str suffix). filter_changed(RowFilter). pick_toggled(bool).
    """

    run_chosen = pyqtSignal(int)
    model_chosen = pyqtSignal(str)
    reset_clicked = pyqtSignal()
    apply_clicked = pyqtSignal()
    export_chosen = pyqtSignal(str)
    filter_changed = pyqtSignal(object)
    pick_toggled = pyqtSignal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._run_row())
        layout.addLayout(self._filter_row())
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setToolTip("Switch points on again, or choose a simpler transform.")
        self.problem.setStyleSheet(
            "QLabel { background: #b3261e; color: white; padding: 4px 8px; border-radius: 3px; }"
        )
        self.problem.hide()
        layout.addWidget(self.problem)
        self._connect()

    def _run_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.run = _box("Run", _RUN_TIP, 8)
        self.run.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.model = _box("Transform", _MODEL_TIP, 9)
        for name in MODELS:
            if name != "auto":
                whole = choice_of("model", name)
                self.model.addItem(whole.partition(" (")[0], name)
                self.model.setItemData(self.model.count() - 1, whole, Qt.ItemDataRole.ToolTipRole)
        self.model.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.reset = QToolButton()
        self.reset.setText("Reset")
        self.reset.setToolTip("Back to the points and the transform of the run.")
        self.apply = QPushButton("Write aligned layer again")
        self.apply.setToolTip("Warp the SAR layer with the transform as it is now, into a folder of its own.")
        self.export = QToolButton()
        self.export.setText("Export…")
        self.export.setToolTip("Write the points, as they are now, to a file.")
        self.export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.export.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        for button in (self.reset, self.export):
            button.setMinimumHeight(self.apply.sizeHint().height())
        menu = QMenu(self.export)
        self.exports = {suffix: menu.addAction(text) for suffix, text in EXPORTS.items()}
        self.export.setMenu(menu)
        row.addWidget(self.run, 1)
        row.addWidget(_label("Transform", self.model))
        row.addWidget(self.model)
        for button in (self.reset, self.apply, self.export):
            row.addWidget(button)
        return row

    def _filter_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.kind = _box("Points listed", "Which points the table lists.", 9)
        for kind, text in FILTERS.items():
            self.kind.addItem(text, kind)
        self.above = QDoubleSpinBox()
        self.above.setToolTip("List points whose residual is above this many pixels.")
        self.above.setRange(0, 9999)
        self.above.setDecimals(2)
        self.above.setSingleStep(0.5)
        self.above.setValue(RowFilter.above_px)
        self.above.setSuffix(" px")
        self.above.hide()
        self.text = QLineEdit()
        self.text.setPlaceholderText("Find…")
        self.text.setToolTip("List points in whose number, role or coordinates this text occurs.")
        self.text.setClearButtonEnabled(True)
        self.pick = QToolButton()
        self.pick.setText("Pick on map")
        self.pick.setCheckable(True)
        self.pick.setToolTip("Click a point on the map to find its row.")
        self.pick.setMinimumHeight(self.text.sizeHint().height())
        row.addWidget(self.kind)
        row.addWidget(self.above)
        self.figures = NarrowLines(TOOLTIP)
        row.addWidget(self.text, 1)
        row.addWidget(self.pick)
        row.addSpacing(6)
        row.addWidget(self.figures)
        return row

    def _connect(self) -> None:
        self.run.activated.connect(lambda position: self.run_chosen.emit(position))
        self.model.activated.connect(self._on_model)
        self.reset.clicked.connect(lambda: self.reset_clicked.emit())
        self.apply.clicked.connect(lambda: self.apply_clicked.emit())
        for suffix, action in self.exports.items():
            action.triggered.connect(lambda _checked=False, kind=suffix: self.export_chosen.emit(kind))
        self.kind.currentIndexChanged.connect(self._on_filter)
        self.above.valueChanged.connect(self._on_filter)
        self.text.textChanged.connect(self._on_filter)
        self.pick.toggled.connect(self.pick_toggled)

    def show_runs(self, titles: Sequence[str], shown: int) -> None:
        """Fill the run box, without `run_chosen`. shown: position, -1 for none."""
        self.run.clear()
        self.run.addItems(titles)
        for position, title in enumerate(titles):
            self.run.setItemData(position, title, Qt.ItemDataRole.ToolTipRole)
        self.run.setCurrentIndex(shown)
        self.run.setToolTip(f"{titles[shown]}\n{_RUN_TIP}" if shown >= 0 else _RUN_TIP)

    def wanted_filter(self) -> RowFilter:
        """What the filter controls say."""
        return RowFilter(str(self.kind.currentData()), self.above.value(), self.text.text())

    def show_model(self, name: str) -> None:
        """Let the transform box show a model, without `model_chosen`."""
        self.model.setCurrentIndex(self.model.findData(name))
        self.model.setToolTip(f"{choice_of('model', name)}\n{_MODEL_TIP}")

    def show_figures(self, lines: Sequence[str]) -> None:
        """The figures of the fit and of the check."""
        self.figures.show_lines(lines)

    def show_problem(self, text: str) -> None:
        """A clear line for why the points do not suffice; "" hides it."""
        self.problem.setText(text)
        self.problem.setVisible(bool(text))

    def clear_filter(self) -> None:
        """Show all points."""
        self.kind.setCurrentIndex(0)
        self.text.clear()

    def _on_model(self, _position: int) -> None:
        name = str(self.model.currentData())
        self.show_model(name)  # for the tooltip
        self.model_chosen.emit(name)

    def _on_filter(self, *_value: object) -> None:
        self.above.setVisible(self.kind.currentData() == ABOVE)
        self.filter_changed.emit(self.wanted_filter())


def _box(name: str, tooltip: str, letters: int) -> QComboBox:
    box = NarrowBox()
    box.setAccessibleName(name)
    box.setToolTip(tooltip)
    box.setMinimumContentsLength(letters)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return box


def _label(text: str, buddy: QWidget) -> QLabel:
    label = QLabel(text)
    label.setBuddy(buddy)
    label.setToolTip(buddy.toolTip())
    return label
