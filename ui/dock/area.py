"""The area of interest: from what is seen or drawn on the map to WKT in the reference's CRS."""

from __future__ import annotations

from dataclasses import dataclass

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsRasterLayer,
)

from ...core.contract import InputError
from .facts import is_pixel_world

# Vertices per side, so that a straight side of one CRS becomes the curve that it is in another.
_PER_SIDE = 32


@dataclass(frozen=True)
class Polygon:
    """A polygon on the map: its geometry and the CRS of its coordinates (invalid where the map has none)."""

    geometry: QgsGeometry
    crs: QgsCoordinateReferenceSystem


def visible_polygon(canvas: object) -> Polygon:
    """What a map canvas shows, turned as it is."""
    settings = canvas.mapSettings()  # type: ignore[attr-defined]
    corners = [QgsPointXY(point) for point in settings.visiblePolygon()]
    return Polygon(QgsGeometry.fromPolygonXY([corners]), settings.destinationCrs())


def area_of_visible(visible: Polygon, reference: QgsRasterLayer) -> str:
    """The visible part of the reference as WKT in its CRS; "" if all of it is seen.

    Only what lies on the reference is transformed: far from it a projection may have no coordinates.
    Raises InputError if the map does not show the reference.
    """
    outline = QgsGeometry.fromRect(reference.extent())
    on_map = _transformed(_densified(outline), reference.crs(), visible.crs)
    if on_map is None:
        raise _not_expressible("The area seen on the map", reference)
    if visible.geometry.contains(on_map):
        return ""
    seen = _densified(visible.geometry).intersection(on_map)
    if seen.isEmpty() or seen.area() <= 0:
        raise InputError(
            f"The area seen on the map does not show '{reference.name()}'.",
            "Zoom to the layer, or take the whole overlap.",
        )
    return _in_reference(Polygon(seen, visible.crs), reference, "The area seen on the map")


def area_wkt(polygon: Polygon, reference: QgsRasterLayer) -> str:
    """A drawn polygon as WKT in the reference's CRS, or in its pixels if it is not georeferenced.

    Raises InputError where it cannot be expressed there.
    """
    dense = polygon.geometry if polygon.crs == reference.crs() else _densified(polygon.geometry)
    return _in_reference(Polygon(dense, polygon.crs), reference, "The area drawn on the map")


def _in_reference(polygon: Polygon, reference: QgsRasterLayer, what: str) -> str:
    moved = _transformed(polygon.geometry, polygon.crs, reference.crs())
    if moved is None:
        raise _not_expressible(what, reference)
    if is_pixel_world(reference):
        moved = _mirrored(moved)  # QGIS shows row r at y = −r, the engine counts rows downwards
    return str(moved.asWkt(9))


def check_polygon(geometry: QgsGeometry) -> None:
    """Raises InputError for a polygon whose sides cross."""
    if not geometry.isGeosValid():
        raise InputError("The area crosses or touches itself.", "Draw it again, going round it once.")


def _densified(geometry: QgsGeometry) -> QgsGeometry:
    return geometry.densifyByCount(_PER_SIDE - 1)


def _transformed(
    geometry: QgsGeometry, source: QgsCoordinateReferenceSystem, target: QgsCoordinateReferenceSystem
) -> QgsGeometry | None:
    """A copy in another CRS, None if that fails. Where one of the two is unknown QGIS shows raw coordinates."""
    moved = QgsGeometry(geometry)
    if not (source.isValid() and target.isValid()) or source == target:
        return moved
    try:
        moved.transform(QgsCoordinateTransform(source, target, QgsProject.instance()))
    except QgsCsException:
        return None
    box = moved.boundingBox()
    return moved if not moved.isEmpty() and box.isFinite() else None


def _mirrored(geometry: QgsGeometry) -> QgsGeometry:
    polygons = geometry.asMultiPolygon() if geometry.isMultipart() else [geometry.asPolygon()]
    turned = [[[QgsPointXY(p.x(), -p.y()) for p in ring] for ring in rings] for rings in polygons]
    return QgsGeometry.fromMultiPolygonXY(turned) if len(turned) > 1 else QgsGeometry.fromPolygonXY(turned[0])


def _not_expressible(what: str, reference: QgsRasterLayer) -> InputError:
    return InputError(
        f"{what} cannot be expressed in the CRS of '{reference.name()}' ({reference.crs().authid()}).",
        "Choose another area, or take the whole overlap.",
    )
