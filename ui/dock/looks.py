"""Small things about the dock's looks."""

from __future__ import annotations

from collections.abc import Iterable

from qgis.PyQt.QtWidgets import QFormLayout, QFrame, QWidget


def thin_line() -> QFrame:
    """A separator that is as faint on a dark theme as on a light one."""
    line = QFrame()
    line.setFrameShape(QFrame.Shape.NoFrame)
    line.setFixedHeight(1)
    line.setStyleSheet("background-color: rgba(128, 128, 128, 110);")
    return line


def labels_of(form: QFormLayout) -> list[QWidget]:
    """The labels of a form, from the top."""
    items = [form.itemAt(row, QFormLayout.ItemRole.LabelRole) for row in range(form.rowCount())]
    return [item.widget() for item in items if item is not None and item.widget() is not None]


def align_labels(labels: Iterable[QWidget]) -> None:
    """Give labels one width, so that the fields beside them stand below each other."""
    labels = list(labels)
    width = max((label.sizeHint().width() for label in labels), default=0)
    for label in labels:
        label.setMinimumWidth(width)
