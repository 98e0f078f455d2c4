"""The landscape drawn on a sensor's grid: land cover, parcels and heights of each sub-pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .landscape import Cover, Landscape, Shape
from .terrain import SUPERSAMPLING, Floats, Points, View

_BITS = 6  # fraction bits of OpenCV's drawing coordinates


@dataclass(frozen=True)
class Surface:
    """All arrays (rows, columns) of sub-pixels.

    x, y: ground position. cover: `Cover`. parcel: index of the field. height: metres above the terrain.
    elevation: metres of the terrain.
    """

    x: Floats
    y: Floats
    cover: npt.NDArray[np.uint8]
    parcel: npt.NDArray[np.int32]
    height: Floats
    elevation: Floats


def draw(land: Landscape, view: View) -> Surface:
    """Draw the landscape as this view sees it, in sub-pixels."""
    x, y = view.ground()
    parcel = np.zeros(x.shape, dtype=np.int32)
    for number, field in enumerate(land.parcels):
        _fill(parcel, view, field.outline, number)
    cover = np.array([p.cover for p in land.parcels], dtype=np.uint8)[parcel]
    height = np.where(cover == Cover.RAPE, 1.0, 0.4).astype(np.float32)
    elevation = (80 * np.maximum(land.relief.at(x, y) + (x - y) / 700, -1.0)).astype(np.float32)
    surface = Surface(x, y, cover, parcel, height, elevation)
    _plant_woods(land, surface)
    for shape in land.ground + land.built:
        _draw_shape(surface, view, shape)
    crowns = np.isin(cover, (Cover.DECIDUOUS, Cover.CONIFER))
    height[crowns] += 2.5 * land.stands.at(x, y)[crowns]
    return surface


def _plant_woods(land: Landscape, surface: Surface) -> None:
    """Woods on the hills, with natural edges, and plantations that keep to their parcels."""
    wild = land.woods.at(surface.x, surface.y) + np.clip(surface.elevation / 90, -0.6, 1.5) > 1.7
    planted = np.array([p.tone[3] > 1.6 for p in land.parcels])[surface.parcel]
    conifer = land.stands.at(surface.x, surface.y) > 0.35
    woods = wild | planted
    surface.cover[woods] = np.where(conifer[woods], Cover.CONIFER, Cover.DECIDUOUS)
    surface.height[woods] = np.where(conifer[woods], 17.0, 13.0)


def _draw_shape(surface: Surface, view: View, shape: Shape) -> None:
    if shape.width > 0:
        line = np.round(view.to_sub(shape.points) * 2**_BITS).astype(np.int32)
        thickness = max(1, round(shape.width * SUPERSAMPLING))
        cv2.polylines(surface.cover, [line], False, (int(shape.cover),), thickness, cv2.LINE_8, _BITS)
        cv2.polylines(surface.height, [line], False, (shape.height,), thickness, cv2.LINE_8, _BITS)
    else:
        _fill(surface.cover, view, shape.points, int(shape.cover))
        _fill(surface.height, view, shape.points, shape.height)


def _fill(target: npt.NDArray[Any], view: View, outline: Points, value: float) -> None:
    polygon = np.round(view.to_sub(outline) * 2**_BITS).astype(np.int32)
    cv2.fillPoly(target, [polygon], (value,), cv2.LINE_8, _BITS)
