"""Choosing the area: all of the overlap, what the map shows, or a drawn polygon."""

from __future__ import annotations

from qgis.core import QgsCoordinateReferenceSystem, QgsGeometry, QgsRasterLayer
from qgis.gui import QgsMapCanvas, QgsRubberBand
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from .area import Polygon, area_of_visible, area_wkt, check_polygon, visible_polygon
from .area_tool import AreaTool, make_band
from .tones import PLAIN, ToneLabel

WHOLE, VISIBLE, DRAWN = "whole", "visible", "drawn"
_CHOICES = {
    WHOLE: "Whole overlap",
    VISIBLE: "Visible part of the map",
    DRAWN: "Drawn polygon",
}


class AreaBox(QWidget):
    """The area in which the layers are compared.

    changed(): the area is another one than before, or the map shows something else while that is the area.
    """

    changed = pyqtSignal()

    def __init__(self, canvas: QgsMapCanvas, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self._polygon: Polygon | None = None
        self._band: QgsRubberBand | None = None
        self._is_open = True
        self._is_shown = True
        self._make_controls()
        self._lay_out()
        self.tool = AreaTool(canvas)
        self.tool.drawn.connect(self._on_drawn)
        self.tool.cancelled.connect(self.stop_drawing)
        self.tool.told.connect(self._on_told)
        self.tool.deactivated.connect(self._on_tool_left)
        canvas.extentsChanged.connect(self._on_map)
        canvas.destinationCrsChanged.connect(self._on_map)
        self.combo.currentIndexChanged.connect(self._on_choice)
        self._show_buttons()

    def _make_controls(self) -> None:
        self.combo = QComboBox(self)
        self.combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.combo.setMinimumContentsLength(8)  # else a narrow dock pushes it over its label
        for kind, text in _CHOICES.items():
            self.combo.addItem(text, kind)
        self.combo.setToolTip("Where the layers are compared. The whole SAR layer is moved in any case.")
        self.draw_button = QPushButton("Draw", self)
        self.draw_button.setCheckable(True)
        self.draw_button.setToolTip("Draw the polygon on the map; a new one replaces the old one")
        self.draw_button.clicked.connect(self._on_draw_clicked)
        self.remove_button = QPushButton("Remove", self)
        self.remove_button.setToolTip("Remove the polygon and take the whole overlap")
        self.remove_button.clicked.connect(self.remove)
        self.note, self.guide = ToneLabel(self), ToneLabel(self)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(8)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Area", self.combo)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.draw_button)
        buttons.addWidget(self.remove_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(form)
        column.addLayout(buttons)
        column.addWidget(self.guide)
        column.addWidget(self.note)
        self.form = form

    @property
    def kind(self) -> str:
        """WHOLE, VISIBLE or DRAWN."""
        return str(self.combo.currentData())

    @property
    def polygon(self) -> Polygon | None:
        """The drawn polygon, kept also while another kind of area is chosen."""
        return self._polygon

    def choose(self, kind: str) -> None:
        """Choose a kind of area; a drawn one without polygon starts the drawing."""
        self.combo.setCurrentIndex(max(0, self.combo.findData(kind)))

    def wkt(self, reference: QgsRasterLayer) -> str:
        """The area as WKT polygon in the reference's CRS (its pixels, if it has none); "" for the whole.

        Raises InputError where there is no such area, saying what to do.
        """
        if self.kind == VISIBLE:
            return area_of_visible(visible_polygon(self._canvas), reference)
        if self.kind == DRAWN and self._polygon is not None:
            check_polygon(self._polygon.geometry)
            return area_wkt(self._polygon, reference)
        return ""

    @property
    def is_missing(self) -> bool:
        """Whether a polygon is wanted that has not been drawn."""
        return self.kind == DRAWN and self._polygon is None

    @property
    def is_drawing(self) -> bool:
        """Whether the map is being drawn on."""
        return self.tool.has_canvas

    def draw(self) -> None:
        """Give the map to the drawing tool."""
        self.tool.take_canvas()
        self.draw_button.setChecked(True)

    def stop_drawing(self) -> None:
        """Give the map back to the tool that had it."""
        self.tool.give_canvas_back()

    def set_polygon(self, polygon: Polygon | None) -> None:
        """Take a polygon, or none, and show it on the map."""
        self._polygon = polygon
        self._show_band()
        self._show_buttons()
        self.changed.emit()

    def remove(self) -> None:
        """Remove the polygon and take the whole overlap."""
        self.stop_drawing()
        self.set_polygon(None)
        self.choose(WHOLE)

    def show_on_map(self, is_shown: bool) -> None:
        """Show or hide the polygon with the dock."""
        self._is_shown = is_shown
        if not is_shown:
            self.stop_drawing()
        self._show_band()

    def state(self) -> dict[str, str]:
        """What the user chose, for the project's settings."""
        state = {} if self.kind == WHOLE or self.is_missing else {"kind": self.kind}
        if self._polygon is not None:
            crs = self._polygon.crs
            name = crs.authid() or (f"WKT:{crs.toWkt()}" if crs.isValid() else "")
            state |= {"polygon": self._polygon.geometry.asWkt(9), "crs": name}
        return state

    def restore(self, state: dict[str, str]) -> None:
        """Take over a state; what does not fit is ignored."""
        polygon = _polygon_from(state.get("polygon", ""), state.get("crs", ""))
        self.set_polygon(polygon)
        kind = state.get("kind", WHOLE)
        can_be = kind in _CHOICES and (kind != DRAWN or polygon is not None)
        self.choose(kind if can_be else WHOLE)

    def shut_down(self) -> None:
        """Leave nothing on the map; the box is not used afterwards. May be called twice."""
        if not self._is_open:
            return
        self._is_open = False
        self.tool.end()
        self._is_shown = False
        self._show_band()
        self._canvas.extentsChanged.disconnect(self._on_map)
        self._canvas.destinationCrsChanged.disconnect(self._on_map)

    def _on_choice(self) -> None:
        if self.is_missing:
            self.draw()
        elif self.kind != DRAWN:
            self.stop_drawing()
        self._show_band()
        self._show_buttons()
        self.changed.emit()

    def _on_draw_clicked(self, is_on: bool) -> None:
        if is_on:
            self.draw()
        else:
            self.stop_drawing()

    def _on_drawn(self, geometry: QgsGeometry) -> None:
        crs = self._canvas.mapSettings().destinationCrs()
        self.stop_drawing()
        self.set_polygon(Polygon(geometry, crs))

    def _on_told(self, text: str) -> None:
        self.guide.say(text, PLAIN)

    def _on_tool_left(self) -> None:
        self.draw_button.setChecked(False)
        self.guide.say("", PLAIN)

    def _on_map(self) -> None:
        self._show_band()
        if self.kind == VISIBLE:
            self.changed.emit()

    def _show_buttons(self) -> None:
        self.draw_button.setVisible(self.kind == DRAWN)
        self.draw_button.setText("Draw" if self._polygon is None else "Draw again")
        self.remove_button.setVisible(self.kind == DRAWN and self._polygon is not None)

    def _show_band(self) -> None:
        """The polygon on the map, in whatever CRS the map has now."""
        wanted = self._polygon if self._is_shown and self.kind == DRAWN else None
        if wanted is None:
            if self._band is not None:
                self._canvas.scene().removeItem(self._band)
                self._band = None
            return
        if self._band is None:
            self._band = make_band(self._canvas)
        self._band.setToGeometry(wanted.geometry, wanted.crs)


def _polygon_from(wkt: str, crs_name: str) -> Polygon | None:
    """A stored polygon, None where there is none that can be understood."""
    crs = QgsCoordinateReferenceSystem(crs_name)
    geometry = QgsGeometry.fromWkt(wkt)
    is_polygon = wkt.strip().lower().startswith(("polygon", "multipolygon")) and not geometry.isEmpty()
    if not (is_polygon and geometry.area() > 0 and (crs.isValid() or not crs_name)):
        return None
    return Polygon(geometry, crs)
