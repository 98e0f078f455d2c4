"""Small things about the dock's looks."""

from __future__ import annotations

from collections.abc import Iterable

from qgis.PyQt.QtWidgets import QFormLayout, QFrame


def thin_line() -> QFrame:
    """A separator that is as faint on a dark theme as on a light one."""
    line = QFrame()
    line.setFrameShape(QFrame.Shape.NoFrame)
    line.setFixedHeight(1)
    line.setStyleSheet("background-color: rgba(128, 128, 128, 110);")
    return line


def align_labels(forms: Iterable[QFormLayout]) -> None:
    """Give the labels of several forms one width, so that their fields stand below each other."""
    labels = []
    for form in forms:
        for row in range(form.rowCount()):
            item = form.itemAt(row, QFormLayout.ItemRole.LabelRole)
            if item is not None and item.widget() is not None:
                labels.append(item.widget())
    width = max((label.sizeHint().width() for label in labels), default=0)
    for label in labels:
        label.setMinimumWidth(width)
