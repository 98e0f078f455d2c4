"""Lines of text with a meaning: a problem, a verdict, a remark. Readable on light and on dark themes."""

from __future__ import annotations

import re

from qgis.PyQt.QtCore import QEvent, QSize, Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor, QResizeEvent, QShowEvent
from qgis.PyQt.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from ..theme import readable, window_colour

PROBLEM, GOOD, CARE, PLAIN = "problem", "good", "care", "plain"

# For light and for dark windows; `readable` chooses, and changes them where neither can be read.
_COLOURS = {PROBLEM: ("#b3261e", "#ff9d94"), GOOD: ("#1b6e3c", "#7fd6a0"), CARE: ("#805300", "#f2c06b")}
_USUAL_WIDTH = 280  # pixels, of a line before it is laid out
_BREAK = "\u200b"
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:s|min|h|km²|px|m)\b)")


def breakable(text: str) -> str:
    """The text with places where a long path may be broken, and none between a number and its unit."""
    text = _BEFORE_UNIT.sub("\u00a0", text)
    for separator in ("/", "\\", "_"):
        text = text.replace(separator, separator + _BREAK)
    return text


class ToneLabel(QLabel):
    """A wrapping line of text that is hidden while it is empty."""

    def __init__(self, parent: QWidget | None = None, small: bool = True) -> None:
        super().__init__(parent)
        self._tone = PLAIN
        self._colour = ""
        self._plain = ""
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        if small:
            font = self.font()
            font.setPointSizeF(0.92 * font.pointSizeF())
            self.setFont(font)
        self.hide()

    def say(self, text: str, tone: str = PROBLEM) -> None:
        """Show a text; "" hides the line. tone: PROBLEM, GOOD, CARE or PLAIN."""
        self._plain, self._tone = text, tone
        self.setText(breakable(text))
        self._paint()
        self.setVisible(bool(text))

    @property
    def plain_text(self) -> str:
        """What is said, without the places for breaking it."""
        return self._plain

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As high as the text is at the width that it has: Qt's own hint is for a narrow column."""
        width = self.width() if self.isVisible() else _USUAL_WIDTH
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(0, self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        super().resizeEvent(event)
        self.updateGeometry()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow a change between a light and a dark theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.ParentChange, QEvent.Type.StyleChange):
            self._paint()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Only now the window in which it lies has its colours for certain."""
        super().showEvent(event)
        self._paint()

    def _paint(self) -> None:
        colour = _colour_of(self._tone, self.parentWidget() or self)
        if colour != self._colour:  # a new style sheet changes the palette, which comes back here
            self._colour = colour
            self.setStyleSheet(f"color: {colour};" if colour else "")


def _colour_of(tone: str, widget: QWidget) -> str:
    if tone not in _COLOURS:
        return ""
    return str(readable(map(QColor, _COLOURS[tone]), window_colour(widget)).name())


class Banner(QFrame):
    """A framed line that stays until it is dismissed or replaced.

    dismissed(): the user closed it.
    """

    dismissed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        # Not a styled panel: QGIS's own style leaves out the upper side of those since 3.40.
        self.setStyleSheet("Banner { border: 1px solid rgba(128, 128, 128, 110); border-radius: 3px; }")
        self.label = ToneLabel(self, small=False)
        self.close_button = QToolButton(self)
        self.close_button.setText("×")
        self.close_button.setAutoRaise(True)
        self.close_button.setToolTip("Dismiss this message")
        self.close_button.setAccessibleName("Dismiss")
        self.close_button.clicked.connect(self._dismiss)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 6, 4, 6)
        row.addWidget(self.label, 1)
        row.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    def say(self, text: str, tone: str) -> None:
        """Show a text, or nothing for ""."""
        self.label.say(text, tone)
        self.setVisible(bool(text))

    def _dismiss(self) -> None:
        self.say("", PLAIN)
        self.dismissed.emit()
