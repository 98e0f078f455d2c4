"""Forms made from the option dataclasses of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtGui import QResizeEvent
from qgis.PyQt.QtWidgets import QBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from ...core.contract import (
    READS_LAND_USE,
    LayerSource,
    MatchOptions,
    ModelOptions,
    OutputOptions,
    RadiometryOptions,
    RegisterJob,
    SartoError,
    check_options,
)
from ...core.pipeline import check_hints
from ..words import choice_of, hint_of
from .editors import LAND_USE_LAYER, OptionSpec, editor_for, specs_of, tooltip_of, whole_width
from .layer_edit import raster_layer, source_of
from .tones import ToneLabel

SECTIONS: dict[str, type] = {
    "match": MatchOptions,
    "model": ModelOptions,
    "radiometry": RadiometryOptions,
    "output": OutputOptions,
}
"""Section of a job → its options. `job.gsd` and the layers' `nodata` are told apart by sections of their own."""

_GSD_HELP = (
    "Size of the pixels at which the layers are compared, in units of the optical layer's CRS. "
    "Automatic is the coarser of the two layers."
)


def main_specs(methods: Iterable[str]) -> list[OptionSpec]:
    """The options that are always seen: method, transform, range."""
    method, search = specs_of(MatchOptions, "match", ("method", "range"))
    (model,) = specs_of(ModelOptions, "model", ("model",))
    names = tuple(methods)
    hints = [
        f"{choice_of('method', name)}: {hint_of('method', name)}" for name in names if hint_of("method", name)
    ]
    return [replace(method, choices=names, help="\n\n".join((method.help, *hints))), model, search]


def advanced_specs() -> dict[str, list[OptionSpec]]:
    """Group title → all other options."""
    shown = {"match": ("method", "range"), "model": ("model",), "output": ("directory", "overwrite")}
    rest = {
        section: [spec for spec in specs_of(owner, section) if spec.name not in shown.get(section, ())]
        for section, owner in SECTIONS.items()
    }
    gsd = specs_of(RegisterJob, "job", ("gsd",), none_text="Automatic", help=_GSD_HELP)
    land_use = [
        *specs_of(RegisterJob, "job", ("land_use_layer",), kind=str, default=""),
        *(spec for spec in rest["match"] if _is_of_land_use(spec)),
    ]
    nodata = [
        *specs_of(LayerSource, "reference", ("nodata",), none_text=_FILE, label="NoData value, optical"),
        *specs_of(LayerSource, "moving", ("nodata",), none_text=_FILE, label="NoData value, SAR"),
    ]
    return {
        "Matching": [*gsd, *(spec for spec in rest["match"] if not _is_of_land_use(spec)), *land_use],
        "Transform": rest["model"],
        "Pixel values": [*rest["radiometry"], *nodata],
        "Result": rest["output"],
    }


def _is_of_land_use(spec: OptionSpec) -> bool:
    return spec.only_for == READS_LAND_USE


_FILE = "As the file says"


class OptionRow(QWidget):
    """An option: its label beside the editor, or above it where the dock is too narrow; below, its problem."""

    def __init__(self, spec: OptionSpec, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label, self.note = QLabel(spec.label, self), ToneLabel(self)
        self.editor = editor_for(spec, self)
        self.editor.setSizePolicy(QSizePolicy.Policy.Expanding, self.editor.sizePolicy().verticalPolicy())
        self.label.setToolTip(tooltip_of(spec))
        self.label.setBuddy(self.editor)
        # The row takes whatever width there is: it folds instead of asking for more.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.label.setVisible(spec.kind is not bool)  # a checkbox says itself what it is about
        self._line = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._line.setSpacing(_BESIDE)
        self._line.addWidget(self.label)
        self._line.addWidget(self.editor, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(self._line)
        column.addWidget(self.note)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Fold or unfold."""
        super().resizeEvent(event)
        label = max(self.label.minimumWidth(), self.label.sizeHint().width())
        wanted = label + _BESIDE + whole_width(self.editor)
        directions = QBoxLayout.Direction
        direction = directions.LeftToRight if wanted <= self.width() else directions.TopToBottom
        if direction != self._line.direction():
            self._line.setDirection(direction)
            self._line.setSpacing(_BESIDE if direction == directions.LeftToRight else _ABOVE)


_BESIDE, _ABOVE = 8, 2


class OptionsForm(QWidget):
    """Labelled editors in groups, with a line for a problem below each.

    changed(): a value is another than before.
    """

    changed = pyqtSignal()

    def __init__(self, groups: Mapping[str, list[OptionSpec]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.specs = {spec.key: spec for specs in groups.values() for spec in specs}
        self.editors: dict[str, Any] = {}
        self.notes: dict[str, ToneLabel] = {}
        self.labels: list[QLabel] = []
        self._rows: dict[str, OptionRow] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        for title, specs in groups.items():
            if title:
                self._add_title(title)
            for spec in specs:
                self._add(spec)

    def _add_title(self, title: str) -> None:
        label = QLabel(title, self)
        font = label.font()
        font.setBold(True)
        label.setFont(font)
        label.setContentsMargins(0, 8 if self._column.count() else 0, 0, 0)
        self._column.addWidget(label)

    def _add(self, spec: OptionSpec) -> None:
        row = OptionRow(spec, self)
        self._column.addWidget(row)
        self.labels.append(row.label)
        self._rows[spec.key] = row
        self.editors[spec.key], self.notes[spec.key] = row.editor, row.note
        row.editor.changed.connect(self.changed)

    def values(self) -> dict[str, Any]:
        """Key → value of every option in the form; of those that are switched off, the default."""
        return {
            key: editor.option_value() if self._rows[key].isEnabledTo(self) else self.specs[key].default
            for key, editor in self.editors.items()
        }

    def changed_values(self) -> dict[str, Any]:
        """Those that differ from their defaults as they are shown, also of those that are switched off."""
        shown = {key: editor.option_value() for key, editor in self.editors.items()}
        return {key: value for key, value in shown.items() if value != self.specs[key].default}

    def switch(self, keys: Iterable[str], is_on: bool, why_not: str = "") -> None:
        """Let options be chosen or not. why_not: for the tooltips while they cannot."""
        for key in keys:
            row, tip = self._rows[key], tooltip_of(self.specs[key])
            row.setEnabled(is_on)
            for widget in (row.label, row.editor):
                widget.setToolTip(tip if is_on or not why_not else f"{tip}\n\n{why_not}")

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show values; those that are unknown or not allowed are left as they are."""
        for key, value in values.items():
            if key in self.editors and is_allowed(self.specs[key], value):
                self.editors[key].set_option_value(value)

    def reset(self) -> None:
        """Back to the defaults."""
        for key, spec in self.specs.items():
            self.editors[key].set_option_value(spec.default)

    def problems(self) -> dict[str, SartoError]:
        """Key → what is wrong with a text or a layer as it stands; what is switched off is no matter."""
        return {
            key: SartoError(editor.problem)
            for key, editor in self.editors.items()
            if getattr(editor, "problem", "") and self._rows[key].isEnabledTo(self)
        }

    def clear_problems(self) -> None:
        """Empty the lines for problems."""
        for note in self.notes.values():
            note.say("")

    def note_at(self, place: str) -> ToneLabel | None:
        """The line for problems of an option, by its key or by its bare name."""
        for key, note in self.notes.items():
            if place in (key, self.specs[key].name):
                return note
        return None


_LARGEST = 2**31 - 1  # that a spin box can show


def is_allowed(spec: OptionSpec, value: Any) -> bool:
    """Whether a stored value may be shown: right kind, known choice, within the limits."""
    if spec.choices and value not in spec.choices:
        return False
    if isinstance(value, int) and abs(value) > _LARGEST:
        return False
    if spec.key == LAND_USE_LAYER:
        return value == "" or raster_layer(value) is not None
    section, _, name = spec.key.partition(".")
    owner = SECTIONS.get(section)
    try:
        if owner is not None:
            options = owner(**{name: value})
            check_options(options)
            if isinstance(options, MatchOptions):
                check_hints(options)
        elif value is not None:
            check_options(LayerSource("", nodata=value))  # the optional numbers have no limits of their own
    except SartoError as error:
        # A lone percentile may stand on the wrong side of the other's default; both are held together later.
        return "must be below" in error.hint
    return True


def options_from(values: Mapping[str, Any]) -> dict[str, Any]:
    """Section → options object, from the values of all forms."""
    found = {}
    for section, owner in SECTIONS.items():
        start = f"{section}."
        own = {key[len(start) :]: value for key, value in values.items() if key.startswith(start)}
        found[section] = owner(**own)
    return found


def job_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """All fields of a job but its layers and its area, from the values of all forms."""
    layer = source_of(values[LAND_USE_LAYER])
    return {**options_from(values), "gsd": values["job.gsd"], "land_use_layer": layer}
