"""The options that most runs leave alone, folded away, and the state of the engine."""

from __future__ import annotations

from qgis.gui import QgsCollapsibleGroupBox
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from ...core.contract import PAINTS, READS_LAND_USE, READS_TEXT, READS_WEIGHTS
from ...core.pipeline import methods_with, traits_of
from ..words import choice_of
from .looks import align_labels
from .options_form import OptionsForm, advanced_specs
from .tones import PLAIN, PROBLEM, ToneLabel


class AdvancedBox(QgsCollapsibleGroupBox):
    """All other options with their defaults. Starts folded; an error inside unfolds it.

    method: the form in which the method is chosen; what that does not heed cannot be chosen here.
    changed(): an option is another than before. settings_requested(): the engine's settings are wanted.
    """

    changed = pyqtSignal()
    settings_requested = pyqtSignal()

    def __init__(self, method: OptionsForm, parent: QWidget | None = None) -> None:
        super().__init__("Advanced", parent)
        self._method = method
        self.setToolTip("Options that most runs leave as they are")
        for button in self.findChildren(QToolButton):
            button.setToolTip("Show or hide the advanced options")
        self.setSaveCollapsedState(False)
        self.engine_is_ok = True
        self.options = OptionsForm(advanced_specs(), self)
        self.reset_button = QPushButton("Reset to defaults", self)
        self.reset_button.setToolTip("Set all advanced options back to their defaults")
        self.engine_label = ToneLabel(self)
        self.engine_button = QPushButton("Settings…", self)
        self.engine_button.setToolTip("Choose the Python that does the matching, and check it")
        self._lay_out()
        align_labels(self.options.labels)
        self.setCollapsed(True)
        self.options.changed.connect(self.changed)
        method.changed.connect(self._follow_method)
        self._follow_method()
        self.reset_button.clicked.connect(self.options.reset)
        self.engine_button.clicked.connect(self.settings_requested)
        self.show_engine("Not checked yet", True)

    def _follow_method(self) -> None:
        chosen = str(self._method.values()["match.method"])
        for trait in (READS_TEXT, READS_LAND_USE, READS_WEIGHTS, PAINTS):
            heeding = " or ".join(choice_of("method", name) for name in methods_with(trait))
            keys = [key for key, spec in self.options.specs.items() if spec.only_for == trait]
            why_not = f"Only with the method {heeding}." if heeding else "None of the methods heeds it yet."
            self.options.switch(keys, getattr(traits_of(chosen), trait), why_not)

    def _lay_out(self) -> None:
        reset = QHBoxLayout()
        reset.addStretch(1)
        reset.addWidget(self.reset_button)
        title = QLabel("Engine", self)
        font = title.font()
        font.setBold(True)
        title.setFont(font)
        # In a widget of its own: a line that shows itself must not come out of a folded box.
        row = QWidget(self)
        engine = QHBoxLayout(row)
        engine.setContentsMargins(0, 0, 0, 0)
        engine.addWidget(self.engine_label, 1)
        engine.addWidget(self.engine_button)
        column = QVBoxLayout(self)
        column.setSpacing(6)
        column.addWidget(self.options)
        column.addLayout(reset)
        column.addWidget(title)
        column.addWidget(row)

    def show_engine(self, text: str, is_ok: bool) -> None:
        """The engine's state as one line; what is wrong is shown unfolded."""
        self.engine_is_ok = is_ok
        self.engine_label.say(text, PLAIN if is_ok else PROBLEM)
        if not is_ok:
            self.setCollapsed(False)
