"""One editor per kind of option; each has `changed`, `option_value()` and `set_option_value()`."""

from __future__ import annotations

import math
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, get_args, get_type_hints

from qgis.PyQt.QtCore import QEvent, QObject, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ...core.contract import RANGES, limits
from ..words import HELPS, PLAIN_RANGES, choice_of, hint_of, label_of
from .file_edit import FileEdit
from .layer_edit import LayerEdit
from .scene_edit import LAND_USE, SceneEdit

LAND_USE_LAYER = "job.land_use_layer"
"""Key of the land-cover layer; in forms its value is the id of a layer of the project, "" for none."""


@dataclass(frozen=True)
class OptionSpec:
    """An option as the dock shows it. key: unique among all ("match.points"); kind: bool, int, float or str.

    only_for: trait of the methods that heed it; "" = all do.
    """

    key: str
    name: str
    kind: type
    default: Any
    label: str
    help: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    is_optional: bool = False
    only_for: str = ""
    none_text: str = ""


def specs_of(owner: type, section: str, names: tuple[str, ...] = (), **changed: Any) -> list[OptionSpec]:
    """The options of a dataclass of the contract, in its order, or those that are named, in theirs.

    changed: parts of the spec that the contract does not know (`label`, `help`, `none_text`).
    """
    hints = get_type_hints(owner)
    known = {f.name: f for f in fields(owner)}
    return [_spec(known[name], hints[name], section, changed) for name in names or tuple(known)]


def _spec(field: Field[Any], hint: Any, section: str, changed: dict[str, Any]) -> OptionSpec:
    kinds = get_args(hint) or (hint,)
    meta = field.metadata
    parts: dict[str, Any] = {
        "key": f"{section}.{field.name}",
        "name": field.name,
        "kind": next(kind for kind in kinds if kind is not type(None)),
        "default": None if field.default is MISSING else field.default,
        "label": label_of(field.name),
        "help": HELPS.get(field.name) or meta.get("help", ""),
        "choices": tuple(meta.get("choices", ())),
        "minimum": meta.get("minimum"),
        "maximum": meta.get("maximum"),
        "is_optional": type(None) in kinds,
        "only_for": meta.get("only_for", ""),
    }
    return OptionSpec(**(parts | changed))


def tooltip_of(spec: OptionSpec) -> str:
    """Help and limits of an option."""
    allowed = limits({"minimum": spec.minimum, "maximum": spec.maximum})
    return f"{spec.help} Allowed: {allowed}." if allowed else spec.help


class WheelGuard(QObject):
    """Keeps the mouse wheel from changing controls over which it merely scrolls."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Hand the wheel on to the scroll area unless the control has the focus."""
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False

    def guard(self, root: QWidget) -> None:
        """Guard all boxes and spin boxes inside a widget."""
        for widget in (*root.findChildren(QComboBox), *root.findChildren(QAbstractSpinBox)):
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            widget.installEventFilter(self)


# As wide as a dock that leaves room for a map; measured in 'X', which is wider than most letters.
_WIDEST_LETTERS = 26


def limit_width(combo: QComboBox) -> None:
    """Ask for room for the longest text, within limits; a form wraps its row where there is too little."""
    letter = combo.fontMetrics().horizontalAdvance("X")
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(min(_WIDEST_LETTERS, math.ceil(_longest(combo) / letter)))


def _longest(combo: QComboBox) -> int:
    metrics = combo.fontMetrics()
    return max((metrics.horizontalAdvance(combo.itemText(i)) for i in range(combo.count())), default=0)


def whole_width(editor: QWidget) -> int:
    """Width at which nothing of an editor is cut off; its minimum may be less (see `limit_width`)."""
    width = max(editor.minimumWidth(), editor.minimumSizeHint().width())
    for combo in [editor] if isinstance(editor, QComboBox) else editor.findChildren(QComboBox):
        room = combo.minimumContentsLength() * combo.fontMetrics().horizontalAdvance("X")
        width = max(width, combo.minimumSizeHint().width() + max(0, _longest(combo) - room))
    return width


class ChoiceEdit(QComboBox):
    """One of the option's values, shown in plain words."""

    changed = pyqtSignal()

    def __init__(self, spec: OptionSpec, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = spec.name
        for value in spec.choices:
            self._add(value)
        limit_width(self)
        self.set_option_value(spec.default)
        self.currentIndexChanged.connect(lambda _index: self.changed.emit())

    def option_value(self) -> str:
        """The value chosen."""
        return str(self.currentData())

    def set_option_value(self, value: Any) -> None:
        """Choose a value; one that is not among them is added."""
        if self.findData(value) < 0:
            self._add(str(value))
        self.setCurrentIndex(self.findData(value))

    def _add(self, value: str) -> None:
        self.addItem(choice_of(self._name, value), value)
        self.setItemData(self.count() - 1, hint_of(self._name, value), Qt.ItemDataRole.ToolTipRole)


class FlagEdit(QCheckBox):
    """Yes or no; the label of the option is its own text."""

    changed = pyqtSignal()

    def __init__(self, spec: OptionSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec.label, parent)
        self.set_option_value(spec.default)
        self.toggled.connect(lambda _is_on: self.changed.emit())

    def option_value(self) -> bool:
        """Whether it is ticked."""
        return self.isChecked()

    def set_option_value(self, value: Any) -> None:
        """Tick it or not."""
        self.setChecked(bool(value))


class WholeEdit(QSpinBox):
    """A whole number within its limits."""

    changed = pyqtSignal()

    def __init__(self, spec: OptionSpec, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(round(spec.minimum or 0), round(2**31 - 1 if spec.maximum is None else spec.maximum))
        self.setGroupSeparatorShown(True)
        self.set_option_value(spec.default)
        self.valueChanged.connect(lambda _value: self.changed.emit())

    def option_value(self) -> int:
        """The number."""
        return self.value()

    def set_option_value(self, value: Any) -> None:
        """Show a number."""
        self.setValue(int(value))


class NumberEdit(QDoubleSpinBox):
    """A number within its limits."""

    changed = pyqtSignal()

    def __init__(self, spec: OptionSpec, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        low = -1e9 if spec.minimum is None else spec.minimum
        high = 1e9 if spec.maximum is None else spec.maximum
        self.setDecimals(2)
        self.setRange(low, high)
        self.setSingleStep(0.05 if high - low <= 1 else 0.5)
        self.set_option_value(spec.default)
        self.valueChanged.connect(lambda _value: self.changed.emit())

    def option_value(self) -> float:
        """The number."""
        return self.value()

    def set_option_value(self, value: Any) -> None:
        """Show a number."""
        self.setValue(float(value))


class OptionalEdit(QLineEdit):
    """A number of any size, or none: then the placeholder says what happens instead."""

    changed = pyqtSignal()

    def __init__(self, spec: OptionSpec, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlaceholderText(spec.none_text)
        self.setClearButtonEnabled(True)
        metrics = self.fontMetrics()
        self.setMinimumWidth(metrics.horizontalAdvance(spec.none_text) + 4 * metrics.averageCharWidth())
        self.set_option_value(spec.default)
        self.textChanged.connect(lambda _text: self.changed.emit())

    @property
    def problem(self) -> str:
        """What is wrong with the text, "" if nothing is."""
        text = self.text().strip()
        if not text:
            return ""
        try:
            float(text.replace(",", "."))
        except ValueError:
            return f"'{text}' is no number. Write one such as 12.5, or leave this empty."
        return ""

    def option_value(self) -> float | None:
        """The number; None where there is none."""
        text = self.text().strip()
        return float(text.replace(",", ".")) if text and not self.problem else None

    def set_option_value(self, value: Any) -> None:
        """Show a number, or none."""
        self.setText("" if value is None else "nan" if math.isnan(value) else f"{value:.17g}")


class RangeEdit(QWidget):
    """How far the layers may be apart: one of the plain ranges, or a number of pixels typed in."""

    changed = pyqtSignal()
    _OWN = "own"

    def __init__(self, spec: OptionSpec, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = QComboBox(self)
        for value in PLAIN_RANGES:
            self.combo.addItem(choice_of("range", value), value)
        self.combo.addItem("Up to another number of pixels", self._OWN)
        limit_width(self.combo)
        self.spin = QSpinBox(self)
        self.spin.setRange(1, 999_999)
        self.spin.setValue(100)
        self.spin.setSuffix(" px")
        self.spin.setGroupSeparatorShown(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.combo)
        row = QHBoxLayout()
        row.addWidget(self.spin, 1)
        column.addLayout(row)
        self.setFocusProxy(self.combo)
        self.set_option_value(spec.default)
        self._show_spin()
        self.combo.currentIndexChanged.connect(self._on_choice)
        self.spin.valueChanged.connect(lambda _value: self.changed.emit())

    def setToolTip(self, text: str) -> None:  # noqa: N802 - Qt's name
        """The spin box says what its number means."""
        self.combo.setToolTip(text)
        self.spin.setToolTip("Largest shift to look for, in pixels at which the layers are compared")

    def option_value(self) -> str:
        """A name of `RANGES`, or a number of pixels as text."""
        chosen = str(self.combo.currentData())
        return str(self.spin.value()) if chosen == self._OWN else chosen

    def set_option_value(self, value: Any) -> None:
        """Show a range; one that is not offered otherwise is added."""
        text = str(value)
        if self.combo.findData(text) < 0 and text in RANGES:
            self.combo.addItem(choice_of("range", text), text)
        if self.combo.findData(text) >= 0 and text != self._OWN:
            self.combo.setCurrentIndex(self.combo.findData(text))
        else:
            self.spin.setValue(round(min(self.spin.maximum(), max(1.0, float(text)))))
            self.combo.setCurrentIndex(self.combo.findData(self._OWN))
        self._show_spin()

    def _on_choice(self) -> None:
        self._show_spin()
        self.changed.emit()

    def _show_spin(self) -> None:
        self.spin.setVisible(self.combo.currentData() == self._OWN)


def editor_for(spec: OptionSpec, parent: QWidget | None = None) -> Any:
    """The editor that an option's kind and metadata ask for."""
    editor: QWidget
    if spec.key == "match.range":
        editor = RangeEdit(spec, parent)
    elif spec.key == "match.scene":
        editor = SceneEdit(spec.default, parent)
    elif spec.key == "match.land_use":
        editor = SceneEdit(spec.default, parent, LAND_USE)
    elif spec.key == "match.weights":
        editor = FileEdit(spec, parent)
    elif spec.key == LAND_USE_LAYER:
        editor = LayerEdit(parent)
    elif spec.is_optional:
        editor = OptionalEdit(spec, parent)
    elif spec.choices:
        editor = ChoiceEdit(spec, parent)
    elif spec.kind is bool:
        editor = FlagEdit(spec, parent)
    elif spec.kind is int:
        editor = WholeEdit(spec, parent)
    elif spec.kind is float:
        editor = NumberEdit(spec, parent)
    else:
        raise TypeError(f"There is no editor for the option '{spec.key}'.")
    editor.setToolTip(tooltip_of(spec))
    return editor
