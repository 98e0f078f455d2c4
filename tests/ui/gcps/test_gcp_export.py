"""Exports ask for the file that they write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QFileDialog, QLineEdit, QMessageBox


@pytest.mark.parametrize("suffix", [".points", ".csv", ".geojson", ".gpkg"])
def test_export_asks_for_a_path(dock, review, qtbot, tmp_path, monkeypatch, suffix):
    asked = []

    def answer(suggestion, kind):
        asked.append((suggestion, kind))
        return str(tmp_path / "mine")

    monkeypatch.setattr(dock, "ask_path", answer)
    dock.show_run(review, "one")
    dock.view.switch_requested.emit(np.array([3]), False)
    with qtbot.waitSignal(dock.export_requested) as caught:
        dock.controls.exports[suffix].trigger()
    table, job, path = caught.args
    assert (Path(path), job) == (tmp_path / f"mine{suffix}", review.result.job)
    assert not table.enabled[3]
    assert asked == [(str(tmp_path / f"gcps{suffix}"), suffix)]
    monkeypatch.setattr(dock, "ask_path", lambda *_: "")
    with qtbot.assertNotEmitted(dock.export_requested):
        dock.controls.exports[suffix].trigger()


@pytest.mark.parametrize("is_agreed", [True, False])
def test_the_dialog_asks_about_the_file_that_is_written(dock, review, qtbot, tmp_path, is_agreed):
    """The name was typed without its suffix."""
    (tmp_path / "mine.points").write_text("precious")
    asked, written = [], []
    dock.export_requested.connect(lambda _table, _job, path: written.append(path))

    def type_name():
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, QFileDialog)
        dialog.findChild(QLineEdit, "fileNameEdit").setText("mine")
        QTimer.singleShot(50, answer)
        QTest.keyClick(dialog, Qt.Key.Key_Return)
        if not is_agreed:
            dialog.reject()

    def answer():
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            asked.append(box.text())
            kinds = QMessageBox.StandardButton
            box.button(kinds.Yes if is_agreed else kinds.No).click()

    dock.show_run(review, "one")
    QTimer.singleShot(50, type_name)
    dock.controls.exports[".points"].trigger()
    assert len(asked) == 1
    assert "mine.points" in asked[0]
    assert written == ([str(tmp_path / "mine.points")] if is_agreed else [])
    assert (tmp_path / "mine.points").read_text() == "precious"


def test_a_name_with_another_suffix_is_asked_about_once_more(dock, review, tmp_path, monkeypatch):
    (tmp_path / "mine.txt.csv").write_text("precious")
    answers, asked, written = [str(tmp_path / "mine.txt"), ""], [], []
    dock.export_requested.connect(lambda _table, _job, path: written.append(path))
    monkeypatch.setattr(dock, "ask_path", lambda name, _suffix: (asked.append(name), answers.pop(0))[1])
    dock.show_run(review, "one")
    dock.controls.exports[".csv"].trigger()
    assert asked[1] == str(tmp_path / "mine.txt.csv")
    assert written == []


def test_geojson_needs_a_crs(dock, make_review):
    dock.show_run(make_review(20, epsg=0), "one")
    assert not dock.controls.exports[".geojson"].isEnabled()
    assert dock.controls.exports[".csv"].isEnabled()
