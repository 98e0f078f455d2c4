"""The file of weights: chosen in the dock, heeded by methods that were trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from qgis.PyQt.QtWidgets import QToolButton
from sarto.core.contract import MatchOptions
from sarto.ui.dock import RegisterDock
from sarto.ui.dock.editors import editor_for, specs_of
from sarto.ui.dock.file_edit import FileEdit


@pytest.fixture
def edit(qgis_app: Any, qtbot: Any) -> FileEdit:
    (spec,) = specs_of(MatchOptions, "match", ("weights",))
    edit = editor_for(spec)
    qtbot.addWidget(edit)
    return edit


def test_a_file_is_shown_and_given_back(edit: FileEdit, qtbot: Any, tmp_path: Path) -> None:
    assert edit.option_value() == ""
    with qtbot.waitSignal(edit.changed):
        edit.set_option_value(str(tmp_path / "mine.safetensors"))
    assert edit.option_value() == str(tmp_path / "mine.safetensors")
    with qtbot.waitSignal(edit.changed):
        edit.file_widget.lineEdit().setText("  other.safetensors ")
    assert edit.option_value() == "other.safetensors"
    edit.set_option_value("")
    assert edit.option_value() == ""


def test_every_part_says_what_it_is_for(edit: FileEdit) -> None:
    edit.setToolTip("A file")
    assert edit.file_widget.lineEdit().toolTip() == "A file"
    assert edit.file_widget.lineEdit().placeholderText() == "Those of Sarto"
    buttons = [b for b in edit.file_widget.findChildren(QToolButton) if b.isVisibleTo(edit)]
    assert buttons
    assert all(button.toolTip() for button in buttons)


def test_only_methods_that_were_trained_heed_it(dock: RegisterDock) -> None:
    editor = dock.advanced.options.editors["match.weights"]
    for method, heeds in (("structural", False), ("tar", True), ("promptmid", True)):
        dock.method.set_values({"match.method": method})
        assert editor.isEnabled() == heeds, method
