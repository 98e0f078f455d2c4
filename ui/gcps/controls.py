"""The controls above the GCP table."""

from __future__ import annotations

from qgis.PyQt.QtCore import pyqtSignal
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

EXPORTS: dict[str, str] = {
    ".points": "QGIS Georeferencer points (.points)…",
    ".csv": "Comma separated values (.csv)…",
    ".geojson": "GeoJSON (.geojson)…",
    ".gpkg": "GeoPackage (.gpkg)…",
}
"""Suffix → menu entry."""


class GcpControls(QWidget):
    """Two rows of controls and the line of figures.

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
        layout.setSpacing(6)
        layout.addLayout(self._run_row())
        layout.addLayout(self._filter_row())
        self.figures = QLabel()
        self.figures.setToolTip(TOOLTIP)
        self.figures.setWordWrap(True)
        layout.addWidget(self.figures)
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
        self.run = _box("The run whose points are shown.", 8)
        self.run.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.model = _box("Transform that is fitted to the GCPs that are switched on.", 9)
        for name in MODELS:
            if name != "auto":
                self.model.addItem(choice_of("model", name), name)
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Back to the points and the transform of the run.")
        self.apply = QPushButton("Write aligned layer again")
        self.apply.setToolTip("Warp the SAR layer with the transform as it is now, into a folder of its own.")
        self.export = QToolButton()
        self.export.setText("Export…")
        self.export.setToolTip("Write the points, as they are now, to a file.")
        self.export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.export.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.export.setMinimumHeight(self.reset.sizeHint().height())
        menu = QMenu(self.export)
        self.exports = {suffix: menu.addAction(text) for suffix, text in EXPORTS.items()}
        self.export.setMenu(menu)
        for widget in (_label("Run", self.run), self.run, _label("Transform", self.model), self.model):
            row.addWidget(widget)
        for button in (self.reset, self.apply, self.export):
            row.addWidget(button)
        return row

    def _filter_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.kind = _box("Which points the table lists.", 9)
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
        self.text.setPlaceholderText("Find number, role or coordinate")
        self.text.setToolTip("List points in whose number, role or coordinates this text occurs.")
        self.text.setClearButtonEnabled(True)
        self.pick = QToolButton()
        self.pick.setText("Pick on map")
        self.pick.setCheckable(True)
        self.pick.setToolTip("Click a point on the map to find its row.")
        self.pick.setMinimumHeight(self.text.sizeHint().height())
        for widget in (_label("Show", self.kind), self.kind, self.above):
            row.addWidget(widget)
        row.addWidget(self.text, 1)
        row.addWidget(self.pick)
        return row

    def _connect(self) -> None:
        self.run.activated.connect(lambda position: self.run_chosen.emit(position))
        self.model.activated.connect(lambda _position: self.model_chosen.emit(str(self.model.currentData())))
        self.reset.clicked.connect(lambda: self.reset_clicked.emit())
        self.apply.clicked.connect(lambda: self.apply_clicked.emit())
        for suffix, action in self.exports.items():
            action.triggered.connect(lambda _checked=False, kind=suffix: self.export_chosen.emit(kind))
        self.kind.currentIndexChanged.connect(self._on_filter)
        self.above.valueChanged.connect(self._on_filter)
        self.text.textChanged.connect(self._on_filter)
        self.pick.toggled.connect(self.pick_toggled)

    def wanted_filter(self) -> RowFilter:
        """What the filter controls say."""
        return RowFilter(str(self.kind.currentData()), self.above.value(), self.text.text())

    def show_model(self, name: str) -> None:
        """Let the transform box show a model, without `model_chosen`."""
        self.model.setCurrentIndex(self.model.findData(name))

    def show_problem(self, text: str) -> None:
        """A clear line for why the points do not suffice; "" hides it."""
        self.problem.setText(text)
        self.problem.setVisible(bool(text))

    def clear_filter(self) -> None:
        """Show all points."""
        self.kind.setCurrentIndex(0)
        self.text.clear()

    def _on_filter(self, *_value: object) -> None:
        self.above.setVisible(self.kind.currentData() == ABOVE)
        self.filter_changed.emit(self.wanted_filter())


def _box(tooltip: str, letters: int) -> QComboBox:
    box = QComboBox()
    box.setToolTip(tooltip)
    box.setMinimumContentsLength(letters)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return box


def _label(text: str, buddy: QWidget) -> QLabel:
    label = QLabel(text)
    label.setBuddy(buddy)
    label.setToolTip(buddy.toolTip())
    return label
