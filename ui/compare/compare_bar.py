"""The small bar on the canvas that compares two layers."""

from __future__ import annotations

from typing import Any

from qgis.PyQt import sip
from qgis.PyQt.QtCore import QEvent, QObject, Qt, pyqtSignal
from qgis.PyQt.QtGui import QPalette
from qgis.PyQt.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QLabel, QSizePolicy, QSpinBox, QToolButton

from ..theme import readable, window_colour
from .overlay import CHECKERBOARD, LARGEST, OFF, SMALLEST, SQUARE, SWIPE, CompareOverlay
from .picture import LayerPicture
from .tool import CompareTool

MARGIN = 12  # to the edges of the canvas, pixels
SEPARATOR = "  |  "
SHORTEST = "Left: a name"  # what is shorter than this says nothing
LEAST_CONTRAST = 3.0  # to the window, before the theme's own colour of text is given up
GAP = 40  # room for the separator and a little air
MODES = {
    SWIPE: ("Swipe", "Optical on one side of a line, SAR on the other. Drag on the map moves the line."),
    CHECKERBOARD: ("Checkerboard", "Optical and SAR in alternating squares. Drag on the map moves the squares."),
    OFF: ("Off", "The map as it is, to look up something in between."),
}

# Some styles hardly tell a checked button from another in dark colours. QGIS's dark themes make all widgets
# transparent, and the window's colours are not those that `palette(window)` would give.
STYLE = """
#SartoCompareBar {{ background: {window}; border: 1px solid rgba(128, 128, 128, 160); border-radius: 3px; }}
#SartoCompareBar QLabel {{ color: {text}; background: transparent; }}
QToolButton {{ padding: 3px 7px; border: 1px solid palette(mid); border-radius: 3px; }}
QToolButton:hover {{ border-color: palette(highlight); }}
QToolButton:checked {{ background: palette(highlight); color: palette(highlighted-text); }}
"""


class CompareBar(QFrame):
    """Floats at the lower edge of the canvas, clear of QGIS's messages, while two layers are compared.

    The layers are shown whatever else is visible and in whatever order. Ends by itself when one of them is
    removed. started(), stopped(): the comparison began or ended.
    """

    started = pyqtSignal()
    stopped = pyqtSignal()

    def __init__(self, canvas: Any) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._pictures: tuple[LayerPicture, ...] = ()
        self._dropped: list[LayerPicture] = []  # whose threads may still have to let go
        self._is_open = True
        self.overlay: CompareOverlay | None = None
        self.tool = CompareTool(canvas)
        self.setObjectName("SartoCompareBar")
        self._style = ""
        self._lay_out()
        self._connect()
        self.hide()
        canvas.installEventFilter(self)

    def _lay_out(self) -> None:
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.setSpacing(6)
        self.modes: dict[str, QToolButton] = {}
        self._group = QButtonGroup(self)
        for mode, (text, tooltip) in MODES.items():
            button = _button(text, tooltip)
            button.setCheckable(True)
            self._group.addButton(button)
            self.modes[mode] = button
            layout.addWidget(button)
        self.turn = _button("Horizontal", "Turn the line (or press Shift while clicking on the map).")
        self.turn.setCheckable(True)
        self.size = QSpinBox()
        self.size.setRange(SMALLEST, LARGEST)
        self.size.setSingleStep(16)
        self.size.setValue(SQUARE)
        self.size.setSuffix(" px")
        self.size.setToolTip("Side of the squares (or Ctrl and the mouse wheel on the map).")
        self.names = QLabel()
        self.names.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.close_button = _button("✕", "End the comparison (Esc)")
        self.close_button.setAutoRaise(True)
        layout.addWidget(self.turn)
        layout.addWidget(self.size)
        layout.addWidget(self.names, 1)
        layout.addWidget(self.close_button)

    def _connect(self) -> None:
        for mode, button in self.modes.items():
            button.clicked.connect(lambda _checked=False, mode=mode: self.set_mode(mode))
        self.turn.toggled.connect(self._on_turn)
        self.size.valueChanged.connect(self._on_size)
        self.close_button.clicked.connect(lambda: self.stop())
        self.tool.turn_requested.connect(self.turn.toggle)
        self.tool.size_requested.connect(self.size.setValue)
        self.tool.closed.connect(self.stop)

    @property
    def is_active(self) -> bool:
        """Whether two layers are being compared."""
        return self.overlay is not None

    def start(self, reference_layer: Any, aligned_layer: Any, mode: str = SWIPE) -> None:
        """Compare two map layers, instead of those before. mode: SWIPE, CHECKERBOARD or OFF."""
        self.stop()
        self._pictures = tuple(
            LayerPicture(self._canvas, layer, self) for layer in (reference_layer, aligned_layer)
        )
        self.overlay = CompareOverlay(self._canvas, *self._pictures)
        self.overlay.set_square(self.size.value())
        self.overlay.set_horizontal(self.turn.isChecked())
        self.tool.set_overlay(self.overlay)
        for picture in self._pictures:
            picture.layer.willBeDeleted.connect(self.stop)
            picture.layer.nameChanged.connect(self._show_names)
        self.set_mode(mode)
        self.show()
        self._follow_theme()
        self.raise_()
        self._place()
        self.started.emit()

    def set_mode(self, mode: str) -> None:
        """Change how they are compared; the tool that moves the line becomes the canvas's."""
        if self.overlay is None:
            return
        self.overlay.set_mode(mode)
        self.modes[mode].setChecked(True)
        self.turn.setVisible(mode == SWIPE)
        self.size.setVisible(mode == CHECKERBOARD)
        self._show_names()
        self.tool.show_cursor()
        if mode == OFF:
            self.tool.give_canvas_back()
        else:
            self.tool.take_canvas()

    def stop(self) -> None:
        """End the comparison; the canvas is as it was. Nothing happens where there is none."""
        if self.overlay is None:
            return
        self.tool.give_canvas_back()
        self.tool.set_overlay(None)
        for picture in self._pictures:
            if not sip.isdeleted(picture.layer):
                picture.layer.willBeDeleted.disconnect(self.stop)
                picture.layer.nameChanged.disconnect(self._show_names)
            picture.shut_down()
        self._dropped = [*self._dropped, *self._pictures]
        self._pictures = ()
        self._canvas.scene().removeItem(self.overlay)
        self.overlay = None
        self.hide()
        self.stopped.emit()

    def shut_down(self) -> None:
        """End the comparison and wait for its threads; the bar is not used afterwards. May be called twice."""
        if not self._is_open:
            return
        self._is_open = False
        self.stop()
        self.tool.end()
        for picture in self._dropped:
            picture.shut_down(is_final=True)
        self._dropped.clear()
        self._canvas.removeEventFilter(self)
        self.deleteLater()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Follow the canvas's size."""
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return bool(super().eventFilter(watched, event))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Follow a change of QGIS's theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._follow_theme()

    def _follow_theme(self) -> None:
        if not self.isVisible():
            return  # `start` comes back here
        window = self.window()
        behind = window_colour(window)
        text = readable([window.palette().color(QPalette.ColorRole.WindowText)], behind, LEAST_CONTRAST)
        style = STYLE.format(window=behind.name(), text=text.name())
        if style != self._style:  # a new style sheet comes back here, too
            self._style = style
            self.setStyleSheet(style)

    def _on_turn(self, is_horizontal: bool) -> None:
        if self.overlay is not None:
            self.overlay.set_horizontal(is_horizontal)
            self.tool.show_cursor()
            self._show_names()

    def _on_size(self, side: int) -> None:
        if self.overlay is not None:
            self.overlay.set_square(side)

    def _place(self) -> None:
        room = self._canvas.width() - 2 * MARGIN
        names = sum(self._text_width(text) for text in self._name_texts()) + GAP
        self.resize(max(1, min(room, self.minimumSizeHint().width() + names)), self.sizeHint().height())
        self.move((self._canvas.width() - self.width()) // 2, self._canvas.height() - self.height() - MARGIN)
        self.layout().activate()
        self.names.setText(self._elided(self.names.width() - self._text_width(SEPARATOR) - 2))

    def _text_width(self, text: str) -> int:
        return int(self.names.fontMetrics().horizontalAdvance(text))

    def _name_texts(self) -> tuple[str, ...]:
        """The two layers, each with the side on which it is shown."""
        if len(self._pictures) != 2 or self.overlay is None:
            return ()
        reference, aligned = (picture.layer.name() for picture in self._pictures)
        if self.overlay.mode != SWIPE:
            return reference, aligned
        first, second = ("Top", "Bottom") if self.overlay.is_horizontal else ("Left", "Right")
        return f"{first}: {reference}", f"{second}: {aligned}"

    def _elided(self, room: int) -> str:
        """Both names, shortened alike where the room does not suffice, or none where that would be gibberish."""
        texts = self._name_texts()
        widths = [self._text_width(text) for text in texts]
        if sum(widths) > room and texts:
            fair = room // 2
            if fair < self._text_width(SHORTEST):
                return ""
            shares = [max(fair, room - widths[1]), max(fair, room - widths[0])]
            mode = Qt.TextElideMode.ElideMiddle
            texts = tuple(
                self.names.fontMetrics().elidedText(text, mode, share) for text, share in zip(texts, shares)
            )
        return SEPARATOR.join(texts)

    def _show_names(self) -> None:
        self.names.setToolTip("\n".join(self._name_texts()))
        if self.isVisible():
            self._place()


def _button(text: str, tooltip: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tooltip)
    return button
