"""What a side-looking radar sees of the landscape: backscatter, layover, shadow, double bounce, speckle.

The radar flies in the west and looks along the rows of its image, eastward. The terrain's own displacement
is taken as corrected (as in a terrain-corrected product), that of buildings and trees is not.
"""

from __future__ import annotations

import cv2
import numpy as np

from .landscape import CROPS, Cover, Landscape
from .surface import Surface, draw
from .terrain import SUPERSAMPLING, Floats, SmoothField, View

_PIXEL_M = 10.0
_INCIDENCE = np.deg2rad(38.0)
_LOOKS = 4
_NOISE_FLOOR = 10**-3.0

# sigma0 in dB for VV and VH, by `Cover`
_PALETTE = {
    Cover.WHEAT: (-14.5, -20.5),
    Cover.BARLEY: (-13.0, -18.5),
    Cover.RAPE: (-10.0, -14.5),
    Cover.MAIZE: (-11.5, -19.5),
    Cover.BEET: (-9.3, -15.5),
    Cover.GRASS: (-12.8, -18.8),
    Cover.BARE_ROUGH: (-8.8, -18.0),
    Cover.BARE_SMOOTH: (-15.0, -23.5),
    Cover.DECIDUOUS: (-8.6, -13.4),
    Cover.CONIFER: (-9.4, -14.6),
    Cover.WATER: (-21.0, -28.5),
    Cover.SAND: (-15.5, -24.0),
    Cover.ROAD: (-17.0, -25.0),
    Cover.TRACK: (-13.5, -20.0),
    Cover.RAIL: (-6.5, -15.0),
    Cover.TOWN: (-11.0, -18.0),
    Cover.GARDEN: (-11.2, -16.0),
    Cover.ROOF_RED: (-7.5, -14.5),
    Cover.ROOF_GREY: (-7.0, -14.5),
    Cover.ROOF_BRIGHT: (-13.0, -21.0),
    Cover.HEDGE: (-7.5, -13.0),
    Cover.PYLON: (13.0, 4.0),
}


def render(land: Landscape, view: View, seed: int) -> Floats:
    """Backscatter (rows, columns, 2) as linear power sigma0, float32: VV, VH."""
    surface = draw(land, view)
    slope = _slope_gain(surface)
    visible = ~_shadowed(surface.height)
    wall = _double_bounce(surface)
    bands = []
    for band in range(2):
        power = 10 ** (_sigma_db(land, surface, band, seed) / 10) * slope * visible
        seen = _laid_over(power, _phase_centre(surface)) + wall * (1.0, 0.14)[band]
        intensity = (
            view.integrate(np.asarray(cv2.GaussianBlur(seen, (0, 0), 0.9), dtype=np.float32)) + _NOISE_FLOOR
        )
        rng = np.random.default_rng([seed, 201, band])
        bands.append(intensity * rng.gamma(_LOOKS, 1 / _LOOKS, intensity.shape))
    return np.stack(bands, axis=-1).astype(np.float32)


def _sigma_db(land: Landscape, surface: Surface, band: int, seed: int) -> Floats:
    """sigma0 in dB before geometry: land cover, the field's own state, soil moisture, wind on water."""
    palette = np.full(256, -12.0, dtype=np.float32)
    for cover, values in _PALETTE.items():
        palette[cover] = values[band]
    own = np.array([p.tone[1] * 0.9 - p.tone[2] * 0.8 for p in land.parcels], dtype=np.float32)[surface.parcel]
    moisture = SmoothField(seed + 21, 190, 2).at(surface.x, surface.y) * 0.7
    wind = SmoothField(seed + 22, 45, 3).at(surface.x, surface.y)
    crown = SmoothField(seed + 23, 5, 2).at(surface.x, surface.y)
    in_field = np.isin(surface.cover, [*CROPS, Cover.BARE_SMOOTH])
    level = palette[surface.cover] + np.where(in_field, own + moisture, 0)
    level += np.where(surface.cover == Cover.WATER, 1.1 * wind, 0)
    level += np.where(surface.height > 5, 0.8 * crown, 0.25 * crown)
    return np.asarray(level, dtype=np.float32)


def _slope_gain(surface: Surface) -> Floats:
    """Brightening of slopes that face the radar: sin(incidence) over sin(local incidence)."""
    step = _PIXEL_M / SUPERSAMPLING
    along_look = np.gradient(cv2.GaussianBlur(surface.elevation, (0, 0), 4), step, axis=1)
    local = np.clip(_INCIDENCE - np.arctan(along_look), np.deg2rad(12), np.deg2rad(80))
    return np.asarray(np.sin(_INCIDENCE) / np.sin(local), dtype=np.float32)


def _shadowed(height: Floats) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Whether something nearer to the radar hides a sub-pixel: a running maximum along the look."""
    step = _PIXEL_M / SUPERSAMPLING
    drop = (np.arange(height.shape[1]) * step / np.tan(_INCIDENCE)).astype(np.float32)
    sight = height + drop
    highest = np.maximum.accumulate(sight, axis=1)
    return np.asarray(highest > sight + 1.0)


def _phase_centre(surface: Surface) -> Floats:
    """Metres above ground from where the echo comes: within the crown for trees, the top for buildings."""
    trees = np.isin(surface.cover, (Cover.DECIDUOUS, Cover.CONIFER, Cover.HEDGE))
    return np.where(trees, 0.55 * surface.height, surface.height).astype(np.float32)


def _laid_over(power: Floats, height: Floats) -> Floats:
    """Move each scatterer towards the radar by height / tan(incidence), adding where several fall together."""
    rows, columns = power.shape
    shift = np.round(height / np.tan(_INCIDENCE) / (_PIXEL_M / SUPERSAMPLING)).astype(np.int32)
    target = np.clip(np.arange(columns)[None, :] - shift, 0, columns - 1) + np.arange(rows)[:, None] * columns
    summed = np.bincount(target.ravel(), power.ravel().astype(np.float64), rows * columns)
    return summed.reshape(rows, columns).astype(np.float32)


def _double_bounce(surface: Surface) -> Floats:
    """Bright corner between the ground and a wall that faces the radar."""
    roofs = np.isin(surface.cover, (Cover.ROOF_RED, Cover.ROOF_GREY, Cover.ROOF_BRIGHT))
    rise = np.zeros(roofs.shape, dtype=np.float32)
    rise[:, :-1] = surface.height[:, 1:] - surface.height[:, :-1]
    rise[:, :-1] *= roofs[:, 1:] & ~roofs[:, :-1]
    # a wall returns most when it runs along the flight path: rows of corners reinforce each other
    aligned = cv2.blur((rise > 3).astype(np.float32), (1, 7))
    return np.asarray(np.clip(rise, 0, 25) * 0.2 * (0.4 + 2.4 * aligned**2), dtype=np.float32)
