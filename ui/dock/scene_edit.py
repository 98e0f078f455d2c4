"""What the images show, some of a list of words or none: scenes of the prompt library, classes of land use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qgis.PyQt.QtCore import QEvent, QObject, QPoint, Qt, pyqtSignal
from qgis.PyQt.QtGui import QKeyEvent, QResizeEvent
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QStyle,
    QStyleOptionComboBox,
    QVBoxLayout,
    QWidget,
)

from ...core.contract import SartoError
from ...core.pipeline import class_names, class_text, known_classes, known_scenes, scene_hint, scene_names


@dataclass(frozen=True)
class Words:
    """What can be ticked. known: name → title; names, text: from an option's text to names and back.

    nothing: what the closed box says where none is ticked; things: what they are, for tooltips.
    """

    known: Callable[[], dict[str, str]]
    names: Callable[[str], tuple[str, ...]]
    text: Callable[[tuple[str, ...]], str]
    nothing: str
    things: str


SCENES = Words(known_scenes, scene_names, scene_hint, "Any scene", "scenes")
LAND_USE = Words(known_classes, class_names, class_text, "Not named", "classes")

_LETTERS = 14  # room for the text of the closed box; more is elided, and is in the tooltip
_ROWS = 12
_NARROWEST = 240  # pixels, of the open list
_NAME = Qt.ItemDataRole.UserRole


class SceneEdit(QComboBox):
    """Scenes or other words to tick in a list that opens below, with a search field.

    changed(): others are ticked than before.
    """

    changed = pyqtSignal()

    def __init__(self, default: str, parent: QWidget | None = None, words: Words = SCENES) -> None:
        super().__init__(parent)
        self._words = words
        self._tip = self._fault = ""
        self.addItem(words.nothing)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(_LETTERS)
        try:
            known = words.known()
        except SartoError as error:  # a run says so, too; the dock must open all the same
            known, self._fault = {}, str(error)
        self.list = SceneList(known, self, words.things)
        self.set_option_value(default)
        self.list.changed.connect(self._show)
        self.list.changed.connect(self.changed)

    def option_value(self) -> str:
        """The option: 'auto', or names with commas between them."""
        return self._words.text(tuple(self.list.ticked()))

    def set_option_value(self, value: Any) -> None:
        """Tick what an option names and no others."""
        before = set(self.list.ticked())
        self.list.tick(set() if self._fault else set(self._words.names(str(value))))
        self._show()
        if set(self.list.ticked()) != before:
            self.changed.emit()

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Our list instead of Qt's."""
        self.list.open_at(self)

    def hidePopup(self) -> None:  # noqa: N802 - Qt's name
        self.list.hide()
        super().hidePopup()

    def setToolTip(self, text: str) -> None:  # noqa: N802 - Qt's name
        """The tooltip also names what is ticked."""
        self._tip = text
        self._show()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        super().resizeEvent(event)
        self._show()

    def _show(self) -> None:
        titles = list(self.list.ticked().values())
        text = self._words.nothing if not titles else ", ".join(titles)
        self.setItemText(0, self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, self._room()))
        told = self._fault or (f"Ticked: {text}." if titles else "")
        super().setToolTip(f"{self._tip}\n\n{told}" if told else self._tip)

    def _room(self) -> int:
        """Pixels for the text."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        kind, part = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
        return int(self.style().subControlRect(kind, option, part, self).width()) - 4


class SceneList(QFrame):
    """The open list: a search field, all words by their titles, a button that unticks all.

    changed(): something was ticked or unticked by the user.
    """

    changed = pyqtSignal()

    def __init__(self, known: dict[str, str], parent: QWidget, things: str = SCENES.things) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAttribute(Qt.WidgetAttribute.WA_NoMouseReplay)  # a click on the box closes and does not reopen
        self.search = QLineEdit(self)
        self.search.setPlaceholderText("Search")
        self.search.setClearButtonEnabled(True)
        self.search.setToolTip(f"Show only {things} with these letters; Enter ticks the first of them")
        self.clear_button = QPushButton("None", self)
        self.clear_button.setToolTip(f"Untick all {things}: the images alone decide")
        self.view = QListWidget(self)
        for name, title in known.items():
            item = QListWidgetItem(title, self.view)
            # Ticked by us, wherever in the row the click is; Qt itself only knows clicks on the box.
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            item.setData(_NAME, name)
            item.setCheckState(Qt.CheckState.Unchecked)
        self._lay_out()
        self.search.textChanged.connect(self._filter)
        self.search.installEventFilter(self)
        self.view.installEventFilter(self)
        self.view.itemClicked.connect(self._toggle)
        self.clear_button.clicked.connect(self._untick_all)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(4)
        top.addWidget(self.search, 1)
        top.addWidget(self.clear_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(4)
        column.addLayout(top)
        column.addWidget(self.view)
        row = max(self.view.sizeHintForRow(0), self.fontMetrics().height())
        self.view.setFixedHeight(row * max(1, min(_ROWS, self.view.count())) + 2 * self.view.frameWidth())

    def items(self) -> list[QListWidgetItem]:
        """All of them, from the top."""
        return [self.view.item(row) for row in range(self.view.count())]

    def ticked(self) -> dict[str, str]:
        """Name → title of what is ticked, from the top."""
        ticked = [item for item in self.items() if item.checkState() == Qt.CheckState.Checked]
        return {str(item.data(_NAME)): item.text() for item in ticked}

    def tick(self, names: set[str]) -> None:
        """Tick these names and no others."""
        for item in self.items():
            is_on = item.data(_NAME) in names
            item.setCheckState(Qt.CheckState.Checked if is_on else Qt.CheckState.Unchecked)

    def open_at(self, box: QWidget) -> None:
        """Show it below a widget, or above where the screen ends."""
        self.search.clear()
        self.resize(max(box.width(), _NARROWEST), self.sizeHint().height())
        place = box.mapToGlobal(QPoint(0, box.height()))
        screen = box.screen().availableGeometry()
        if place.y() + self.height() > screen.bottom() + 1:
            place.setY(max(screen.top(), box.mapToGlobal(QPoint(0, 0)).y() - self.height()))
        place.setX(max(screen.left(), min(place.x(), screen.right() + 1 - self.width())))
        self.move(place)
        self.show()
        self.search.setFocus(Qt.FocusReason.PopupFocusReason)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Down goes from the search into the list; Space and Enter tick there."""
        if event.type() != QEvent.Type.KeyPress or not isinstance(event, QKeyEvent):
            return False
        enters = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        shown = [item for item in self.items() if not item.isHidden()]
        if watched is self.search and event.key() == Qt.Key.Key_Down and shown:
            self.view.setCurrentItem(shown[0])
            self.view.setFocus(Qt.FocusReason.TabFocusReason)
            return True
        if watched is self.search and event.key() in enters:
            if self.search.text().strip() and shown:
                self._toggle(shown[0])
                self.search.selectAll()
            return True
        if watched is self.view and event.key() in (Qt.Key.Key_Space, *enters):
            if self.view.currentItem() is not None:
                self._toggle(self.view.currentItem())
            return True
        return False

    def _filter(self, text: str) -> None:
        wanted = text.strip().lower()
        for item in self.items():
            item.setHidden(wanted not in item.text().lower())

    def _toggle(self, item: QListWidgetItem) -> None:
        is_on = item.checkState() == Qt.CheckState.Checked
        item.setCheckState(Qt.CheckState.Unchecked if is_on else Qt.CheckState.Checked)
        self.changed.emit()

    def _untick_all(self) -> None:
        if self.ticked():
            self.tick(set())
            self.changed.emit()
