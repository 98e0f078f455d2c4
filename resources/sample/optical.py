"""What an optical sensor sees of the landscape on a hazy morning in early summer."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .landscape import CROPS, Cover, Landscape
from .surface import Surface, draw
from .terrain import SUPERSAMPLING, Floats, SmoothField, View

_PIXEL_M = 10.0
_SUN_AZIMUTH, _SUN_ELEVATION = np.deg2rad(148.0), np.deg2rad(52.0)
_HAZE = np.array([20.0, 25.0, 36.0], dtype=np.float32)

# red, green, blue without haze, by `Cover`
_PALETTE = {
    Cover.WHEAT: (112, 128, 66),
    Cover.BARLEY: (168, 152, 92),
    Cover.RAPE: (142, 146, 62),
    Cover.MAIZE: (134, 108, 80),
    Cover.BEET: (62, 110, 50),
    Cover.GRASS: (88, 118, 62),
    Cover.BARE_ROUGH: (122, 96, 74),
    Cover.BARE_SMOOTH: (172, 148, 118),
    Cover.DECIDUOUS: (42, 72, 36),
    Cover.CONIFER: (28, 50, 34),
    Cover.WATER: (30, 50, 56),
    Cover.SAND: (196, 182, 148),
    Cover.ROAD: (138, 136, 132),
    Cover.TRACK: (160, 142, 112),
    Cover.RAIL: (98, 88, 82),
    Cover.TOWN: (128, 122, 112),
    Cover.GARDEN: (86, 104, 64),
    Cover.ROOF_RED: (160, 92, 70),
    Cover.ROOF_GREY: (124, 124, 128),
    Cover.ROOF_BRIGHT: (206, 206, 210),
    Cover.HEDGE: (48, 76, 40),
}


def render(land: Landscape, view: View, seed: int) -> npt.NDArray[np.uint8]:
    """Optical image (rows, columns, 3), uint8, red green blue."""
    surface = draw(land, view)
    light = _light(surface)
    tint = _parcel_tints(land)[surface.parcel]
    in_field = np.isin(surface.cover, [*CROPS, Cover.BARE_SMOOTH])
    texture = _texture(land, surface, in_field, seed)
    bands = []
    for band in range(3):
        palette = np.zeros(256, dtype=np.float32)
        for cover, rgb in _PALETTE.items():
            palette[cover] = 0.74 * rgb[band] + 0.26 * sum(rgb) / 3
        palette[Cover.PYLON] = palette[Cover.GRASS]
        colour = palette[surface.cover] * np.where(in_field, tint[..., band], 1.0) * texture
        if band < 2:
            colour += _sediment(surface, seed) * (14.0, 18.0)[band]
        seen = cv2.GaussianBlur(view.integrate((colour * light).astype(np.float32)), (0, 0), 0.55)
        bands.append(seen)
    return _sensed(np.stack(bands, axis=-1), seed)


def _sensed(radiance: Floats, seed: int) -> npt.NDArray[np.uint8]:
    """Haze, noise and the 8-bit stretch."""
    rng = np.random.default_rng([seed, 101])
    digital = radiance * np.array([1.06, 1.0, 0.86], dtype=np.float32) + _HAZE
    noise = rng.normal(0, 1.3, radiance.shape) + rng.normal(0, 0.012, radiance.shape) * digital
    return np.clip(np.round(digital + noise), 1, 255).astype(np.uint8)


def _parcel_tints(land: Landscape) -> Floats:
    """(P, 3) colour factors: growth differs from field to field."""
    tone = np.array([p.tone for p in land.parcels])
    tint = 1 + 0.11 * tone[:, :1] + np.array([0.06, 0.0, -0.03]) * tone[:, 1:2]
    return np.asarray(np.clip(tint, 0.6, 1.45), dtype=np.float32)


def _texture(land: Landscape, surface: Surface, in_field: npt.NDArray[np.bool_], seed: int) -> Floats:
    """Brightness factors: tramlines in fields, crowns in woods, patches in meadows."""
    angle = np.array([p.angle for p in land.parcels], dtype=np.float32)[surface.parcel]
    across = surface.y * np.cos(angle) - surface.x * np.sin(angle)
    strength = np.array([0.03 * max(0.0, p.tone[2]) for p in land.parcels], dtype=np.float32)[surface.parcel]
    spacing = np.array([3.6 + 0.8 * np.tanh(p.tone[3]) for p in land.parcels], dtype=np.float32)[surface.parcel]
    rows = 1 + strength * np.sin(across * (2 * np.pi / spacing))
    soil = SmoothField(seed + 11, 22, 3).at(surface.x, surface.y)
    crown = SmoothField(seed + 12, 3.0, 1).at(surface.x, surface.y)
    stand = land.stands.at(surface.x, surface.y)
    field = rows * (1 + 0.06 * soil)
    other = 1 + 0.16 * crown * (surface.height > 3) + 0.06 * stand + 0.05 * crown
    return np.where(in_field, field, other).astype(np.float32)


def _sediment(surface: Surface, seed: int) -> Floats:
    """0…1, plumes in the water that a radar cannot see."""
    plume = SmoothField(seed + 13, 55, 3).at(surface.x, surface.y)
    return np.where(surface.cover == Cover.WATER, np.clip(plume * 0.5 + 0.4, 0, 1.5), 0).astype(np.float32)


def _light(surface: Surface) -> Floats:
    """Direct and diffuse light, about 1 on flat open ground."""
    step = _PIXEL_M / SUPERSAMPLING
    slope_y, slope_x = np.gradient(cv2.GaussianBlur(surface.elevation, (0, 0), 4), step)
    to_sun = np.array([np.sin(_SUN_AZIMUTH), -np.cos(_SUN_AZIMUTH)])  # x east, y down
    rise = 1 / np.tan(_SUN_ELEVATION)
    hill = 1 - 1.5 * rise * (slope_x * to_sun[0] + slope_y * to_sun[1])
    shadow = _cast_shadow(surface.height, to_sun, step)
    return np.asarray(np.clip(hill, 0.35, 1.6) * (1 - 0.45 * shadow), dtype=np.float32)


def _cast_shadow(height: Floats, to_sun: npt.NDArray[np.float64], step: float) -> Floats:
    """0 or 1: whether something sunward is taller than the line of sight to the sun."""
    shadow = np.zeros(height.shape, dtype=np.float32)
    for distance in range(1, 7):
        dx, dy = np.round(to_sun * distance).astype(int)
        matrix = np.array([[1, 0, -dx], [0, 1, -dy]], dtype=np.float32)
        sunward = cv2.warpAffine(height, matrix, height.shape[::-1], flags=cv2.INTER_NEAREST)
        shadow[sunward - distance * step * np.tan(_SUN_ELEVATION) > height] = 1
    return shadow
