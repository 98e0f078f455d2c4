"""Colours that can be read on whatever QGIS's theme, or the system's, makes of a window."""

from __future__ import annotations

from collections.abc import Iterable

from qgis.PyQt.QtGui import QColor, QGuiApplication, QPalette
from qgis.PyQt.QtWidgets import QWidget

READABLE = 4.5
"""Contrast of text to its background that WCAG 2.1 asks for at level AA."""

_STEPS = 10


def window_colour(widget: QWidget) -> QColor:
    """What is seen behind a widget that paints no background of its own.

    QGIS's dark themes make widgets transparent, and their palette holds colours that are shown nowhere: the
    first ancestor with an opaque colour tells.
    """
    role = QPalette.ColorRole.Window
    part: QWidget | None = widget
    while part is not None:
        colour = part.palette().color(role)
        if colour.alpha() == 255:
            return colour
        part = part.parentWidget()
    return QGuiApplication.palette().color(role)


def readable(colours: Iterable[QColor], background: QColor, least: float = READABLE) -> QColor:
    """The first of these colours with enough contrast to a background.

    Where none has it, one of them with as much black or white in it as is needed.
    """
    wanted, ends = list(colours), (QColor("black"), QColor("white"))
    for step in range(_STEPS + 1):
        for colour in wanted:
            for end in ends:
                mixed = _mixed(colour, end, step / _STEPS)
                if contrast(mixed, background) >= least:
                    return mixed
    return max(ends, key=lambda end: contrast(end, background))


def contrast(first: QColor, second: QColor) -> float:
    """The contrast of two colours as WCAG 2.1 defines it, 1 … 21."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: QColor) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (colour.redF(), colour.greenF(), colour.blueF())
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _mixed(colour: QColor, end: QColor, share: float) -> QColor:
    """share: of `end`, 0 … 1."""
    parts = zip((colour.red(), colour.green(), colour.blue()), (end.red(), end.green(), end.blue()))
    return QColor(*(round(a + share * (b - a)) for a, b in parts))
