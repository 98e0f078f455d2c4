"""Controls that shorten their text where there is too little room, and say all of it in the tooltip."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.PyQt.QtCore import QSize, Qt
from qgis.PyQt.QtGui import QPaintEvent, QResizeEvent
from qgis.PyQt.QtWidgets import QComboBox, QLabel, QStyle, QStyleOptionComboBox, QStylePainter, QWidget

_SHORTEST = 12  # letters that a line keeps


class NarrowBox(QComboBox):
    """A box whose text is shortened in its middle; Qt's own is cut off at the arrow."""

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        part = QStyle.SubControl.SC_ComboBoxEditField
        room = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, self).width() - 4
        mode = Qt.TextElideMode.ElideMiddle
        option.currentText = self.fontMetrics().elidedText(option.currentText, mode, room)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


class NarrowLines(QLabel):
    """A few short lines in small letters. explanation: stands in the tooltip below them."""

    def __init__(self, explanation: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._explanation = explanation
        self._lines: tuple[str, ...] = ()
        self.setTextFormat(Qt.TextFormat.PlainText)
        font = self.font()
        font.setPointSizeF(0.92 * font.pointSizeF())
        self.setFont(font)
        self.show_lines(())

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines as they were given."""
        return self._lines

    def show_lines(self, lines: Sequence[str]) -> None:
        """Show other lines."""
        self._lines = tuple(line for line in lines if line)
        self.setToolTip("\n".join([*self._lines, *([""] if self._lines else []), self._explanation]))
        self._shorten()
        self.updateGeometry()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for all of it."""
        metrics, margins = self.fontMetrics(), self.contentsMargins()
        width = max((metrics.horizontalAdvance(line) for line in self._lines), default=0)
        height = metrics.lineSpacing() * max(2, len(self._lines))
        return QSize(width + margins.left() + margins.right() + 2, height + margins.top() + margins.bottom())

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        hint = self.sizeHint()
        return QSize(min(hint.width(), _SHORTEST * self.fontMetrics().averageCharWidth()), hint.height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        super().resizeEvent(event)
        self._shorten()

    def _shorten(self) -> None:
        mode, metrics = Qt.TextElideMode.ElideRight, self.fontMetrics()
        text = "\n".join(
            metrics.elidedText(line, mode, max(self.contentsRect().width(), 1)) for line in self._lines
        )
        if text != self.text():
            self.setText(text)
