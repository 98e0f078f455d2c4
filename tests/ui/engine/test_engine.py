"""Where the engine's Python is found, and the dialog that sets it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from qgis.PyQt import sip
from sarto.core.contract import EngineError
from sarto.ui.engine import EngineDialog, find_engine, remember_engine
from sarto.ui.engine import find as finding


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch, tmp_path):
    monkeypatch.delenv("SARTO_PYTHON", raising=False)
    monkeypatch.setattr(finding, "PLUGIN_FOLDER", tmp_path)


def test_order_of_the_places(monkeypatch, tmp_path) -> None:
    developed = finding._python_of(tmp_path / ".venv")
    developed.parent.mkdir(parents=True)
    developed.touch()
    assert find_engine().python == str(developed)
    by_variable = tmp_path / "by_variable"
    by_variable.touch()
    monkeypatch.setenv("SARTO_PYTHON", str(by_variable))
    assert find_engine().python == str(by_variable)
    chosen = tmp_path / "chosen"
    chosen.touch()
    remember_engine(str(chosen))
    assert find_engine().python == str(chosen)
    assert "settings" in find_engine().origin
    remember_engine("")
    assert find_engine().python == str(by_variable)


def test_nothing_found(monkeypatch) -> None:
    monkeypatch.setattr(finding, "find_spec", lambda _name: None)
    with pytest.raises(EngineError, match="torch"):
        find_engine()


def test_a_chosen_path_that_is_gone_is_not_passed_over(monkeypatch) -> None:
    remember_engine("/nowhere/python3")
    with pytest.raises(EngineError, match="/nowhere/python3"):
        find_engine()


def test_dialog_checks_and_remembers(qtbot) -> None:
    dialog = EngineDialog()
    qtbot.addWidget(dialog)
    dialog.path.setFilePath(sys.executable)
    dialog.check()
    assert not dialog.check_button.isEnabled()
    qtbot.waitUntil(lambda: dialog.check_button.isEnabled(), timeout=60_000)
    assert dialog.status.text().startswith("It works: ")
    assert "torch" in dialog.status.text()
    dialog.accept()
    assert find_engine().python == sys.executable


def test_dialog_says_what_is_missing(qtbot, tmp_path) -> None:
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\necho 'No module named torch' >&2\nexit 1\n")
    broken.chmod(0o755)
    dialog = EngineDialog()
    qtbot.addWidget(dialog)
    dialog.path.setFilePath(str(broken))
    dialog.check()
    qtbot.waitUntil(lambda: dialog.check_button.isEnabled(), timeout=60_000)
    assert "No module named torch" in dialog.status.text()
    dialog.reject()
    remember = Path(str(finding.chosen_engine() or ""))
    assert str(remember) == "."


def test_closing_the_dialog_ends_the_check(qtbot, tmp_path) -> None:
    slow = tmp_path / "python3"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    dialog = EngineDialog()
    qtbot.addWidget(dialog)
    dialog.path.setFilePath(str(slow))
    dialog.check()
    task = dialog._task
    qtbot.waitUntil(task.isActive, timeout=5000)
    dialog.reject()
    qtbot.waitUntil(lambda: sip.isdeleted(task) or not task.isActive(), timeout=3000)
