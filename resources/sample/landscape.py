"""What stands where: parcels, water, woods, roads, a town and villages, as shapes on the ground."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from .terrain import HIGH, LOW, Points, SmoothField

Rng = np.random.Generator


class Cover(IntEnum):
    """Land cover; the palettes of both sensors are indexed by it."""

    WHEAT = 0
    BARLEY = 1
    RAPE = 2
    MAIZE = 3
    BEET = 4
    GRASS = 5
    BARE_ROUGH = 6
    BARE_SMOOTH = 7
    DECIDUOUS = 8
    CONIFER = 9
    WATER = 10
    SAND = 11
    ROAD = 12
    TRACK = 13
    RAIL = 14
    TOWN = 15
    GARDEN = 16
    ROOF_RED = 17
    ROOF_GREY = 18
    ROOF_BRIGHT = 19
    HEDGE = 20
    PYLON = 21


CROPS = (Cover.WHEAT, Cover.BARLEY, Cover.RAPE, Cover.MAIZE, Cover.BEET, Cover.GRASS, Cover.BARE_ROUGH)
_CROP_SHARES = (0.24, 0.13, 0.09, 0.15, 0.11, 0.19, 0.09)


@dataclass(frozen=True)
class Shape:
    """A polygon (closed) or, if width > 0, a polyline of that width; pixels. height: metres above ground."""

    points: Points
    cover: Cover
    width: float = 0.0
    height: float = 0.0


@dataclass(frozen=True)
class Parcel:
    """A field of one crop. angle: direction of its rows, radians. tone: its own random numbers (4,)."""

    outline: Points
    cover: Cover
    angle: float
    tone: Points


@dataclass
class Landscape:
    """All shapes in drawing order, and the smooth fields that vary between them."""

    parcels: list[Parcel] = field(default_factory=list)
    ground: list[Shape] = field(default_factory=list)
    built: list[Shape] = field(default_factory=list)
    relief: SmoothField = field(default_factory=lambda: SmoothField(1, 420, 4))
    woods: SmoothField = field(default_factory=lambda: SmoothField(2, 150, 4))
    stands: SmoothField = field(default_factory=lambda: SmoothField(3, 60, 3))


def build(seed: int) -> Landscape:
    """The landscape of a seed."""
    rng = np.random.default_rng(seed)
    land = Landscape(
        relief=SmoothField(seed + 1, 420, 4),
        woods=SmoothField(seed + 2, 150, 4),
        stands=SmoothField(seed + 3, 60, 3),
    )
    bend = (SmoothField(seed + 4, 170, 2), SmoothField(seed + 5, 170, 2))
    river = _river(rng)
    land.parcels = _parcels(rng, bend)
    land.ground += _hedges(rng, land.parcels)
    land.ground += _water(rng, river)
    roads = _roads(river)
    land.built += _town(rng, np.array([500.0, 285.0]))
    for centre in ([150, 180], [300, 640], [690, 600], [120, 440], [640, 60], [820, 330]):
        land.built += _village(rng, np.array(centre, dtype=np.float64))
    land.built += roads
    land.built += _halls(rng, np.array([640.0, 300.0]), 0.3)
    land.built += _pylons()
    return land


def smooth_line(knots: list[tuple[float, float]], count: int = 400) -> Points:
    """A Catmull–Rom curve (count, 2) through the knots."""
    k = np.array([knots[0], *knots, knots[-1]], dtype=np.float64)
    t = np.linspace(0, len(knots) - 1 - 1e-9, count)
    i, f = t.astype(int), (t % 1)[:, None]
    p0, p1, p2, p3 = k[i], k[i + 1], k[i + 2], k[i + 3]
    return np.asarray(
        p1 + 0.5 * f * (p2 - p0 + f * (2 * p0 - 5 * p1 + 4 * p2 - p3 + f * (3 * (p1 - p2) + p3 - p0)))
    )


def _river(rng: Rng) -> Points:
    """A meandering centre line from the west to the south-east (N, 2)."""
    spine = smooth_line(
        [(-120, 300), (60, 345), (210, 420), (390, 430), (520, 500), (640, 640), (740, 720), (900, 800)], 900
    )
    along = np.linspace(0, 1, len(spine))
    normal = np.gradient(spine, axis=0) @ np.array([[0, 1], [-1, 0]])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    swing = 16 * np.sin(along * 70 + 3 * np.sin(along * 11)) + 10 * np.sin(along * 31 + 1)
    return np.asarray(spine + normal * (swing * (0.45 + 0.55 * np.sin(along * 9) ** 2))[:, None])


def _water(rng: Rng, river: Points) -> list[Shape]:
    """River with wet banks and sand bars, a lake with an island, ponds, a stream."""
    normal = np.gradient(river, axis=0) @ np.array([[0, 1], [-1, 0]])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    along = np.linspace(0, 1, len(river))[:, None]
    half = 2.6 + 1.8 * along + 0.9 * np.sin(along * 83) + 0.5 * np.sin(along * 191)

    def strip(scale: float, extra: float, cover: Cover, height: float = 0.0) -> Shape:
        sides = [river + normal * (half * scale + extra), (river - normal * (half * scale + extra))[::-1]]
        return Shape(np.concatenate(sides), cover, height=height)

    shapes = [strip(1.0, 7.5, Cover.GRASS), strip(1.0, 2.2, Cover.DECIDUOUS, 9.0)]
    for start in (120, 330, 520, 640):
        bar = river[start : start + 28] + normal[start : start + 28] * (half[start : start + 28] + 0.6)
        shapes.append(Shape(bar, Cover.SAND, width=3.0))
    shapes.append(strip(1.0, 0.0, Cover.WATER))
    stream = smooth_line([(330, -120), (345, 40), (390, 120), (372, 220), (410, 330), (420, 434)])
    shapes += [Shape(stream, Cover.DECIDUOUS, 3.4, 8.0), Shape(stream, Cover.WATER, 0.9)]
    lake = _blob(rng, (232, 560), (86, 46), 1.0)
    shapes += [Shape(_blob_grown(lake, 1.09), Cover.GRASS), Shape(lake, Cover.WATER)]
    shapes.append(Shape(_blob(rng, (255, 552), (11, 7), 0.3), Cover.DECIDUOUS, height=12.0))
    for centre, radius in (((585, 120), 7), ((70, 90), 9), ((770, 480), 11), ((440, 690), 6)):
        shapes.append(Shape(_blob(rng, centre, (radius, radius * 0.7), 0.35), Cover.WATER))
    return shapes


def _blob(rng: Rng, centre: tuple[float, float], radii: tuple[float, float], roughness: float) -> Points:
    """An irregular closed outline (240, 2)."""
    t = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    waves = sum(np.sin(k * t + rng.uniform(0, 6.3)) * rng.uniform(0.3, 1) / k**1.1 for k in range(2, 16))
    r = 1 + roughness * 0.3 * np.asarray(waves)
    return np.stack([centre[0] + radii[0] * r * np.cos(t), centre[1] + radii[1] * r * np.sin(t)], axis=1)


def _blob_grown(outline: Points, factor: float) -> Points:
    centre = outline.mean(axis=0)
    return np.asarray(centre + (outline - centre) * factor)


def _parcels(rng: Rng, bend: tuple[SmoothField, SmoothField]) -> list[Parcel]:
    """Fields: the plane cut recursively, each part roughly along or across its elders, then gently bent."""
    square = np.array([[LOW, LOW], [HIGH, LOW], [HIGH, HIGH], [LOW, HIGH]])
    parts: list[tuple[Points, float]] = []
    _cut(rng, square, 0.35, parts)
    parcels = []
    for outline, angle in parts:
        dense = _densified(outline)
        shift = np.stack([bend[0].at_points(dense), bend[1].at_points(dense)], axis=1) * 6
        cover = CROPS[int(rng.choice(len(CROPS), p=_CROP_SHARES))]
        if cover == Cover.BARE_ROUGH and rng.random() < 0.5:
            cover = Cover.BARE_SMOOTH
        parcels.append(Parcel(dense + shift, cover, angle, rng.standard_normal(4)))
    return parcels


def _cut(rng: Rng, polygon: Points, angle: float, parts: list[tuple[Points, float]]) -> None:
    x, y = polygon.T
    area = 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    if area < rng.choice([220, 500, 900, 1600, 2600], p=[0.2, 0.25, 0.25, 0.2, 0.1]):
        parts.append((polygon, angle))
        return
    angle += rng.normal(0, 0.25 if area > 40_000 else 0.04)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    lengths = np.ptp(polygon @ along), np.ptp(polygon @ across)
    normal = along if lengths[0] > lengths[1] * rng.uniform(0.6, 1.9) else across
    low, high = (polygon @ normal).min(), (polygon @ normal).max()
    offset = low + (high - low) * rng.uniform(0.33, 0.67)
    _cut(rng, _clipped(polygon, normal, offset), angle, parts)
    _cut(rng, _clipped(polygon, -normal, -offset), angle, parts)


def _clipped(polygon: Points, normal: Points, offset: float) -> Points:
    """The part of a convex polygon with normal · p <= offset."""
    kept = []
    side = polygon @ normal - offset
    for i in range(len(polygon)):
        j = (i + 1) % len(polygon)
        if side[i] <= 0:
            kept.append(polygon[i])
        if side[i] * side[j] < 0:
            kept.append(polygon[i] + (polygon[j] - polygon[i]) * side[i] / (side[i] - side[j]))
    return np.array(kept)


def _densified(polygon: Points, step: float = 8.0) -> Points:
    pieces = []
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0)):
        count = max(1, int(np.linalg.norm(b - a) / step))
        pieces.append(a + (b - a) * (np.arange(count) / count)[:, None])
    return np.concatenate(pieces)


def _hedges(rng: Rng, parcels: list[Parcel]) -> list[Shape]:
    """Hedgerows and farm tracks along some field boundaries."""
    shapes = []
    for parcel in parcels:
        start, length = rng.integers(0, len(parcel.outline)), rng.integers(4, 14)
        line = np.roll(parcel.outline, -int(start), axis=0)[: int(length)]
        lot = rng.random()
        if lot < 0.16:
            shapes.append(Shape(line, Cover.HEDGE, 0.9, 5.0))
        elif lot < 0.5:
            shapes.append(Shape(line, Cover.TRACK, 0.45))
    return shapes


def _roads(river: Points) -> list[Shape]:
    """A motorway, main roads through town and villages, a railway on its embankment."""
    motorway = smooth_line([(-120, 40), (110, 92), (330, 150), (470, 130), (640, 165), (780, 250), (900, 290)])
    main = [
        smooth_line([(150, 180), (250, 200), (360, 262), (500, 285), (640, 300), (760, 320), (900, 335)]),
        smooth_line(
            [
                (640, 60),
                (600, 150),
                (540, 220),
                (500, 285),
                (480, 380),
                (452, 470),
                (360, 610),
                (300, 640),
                (180, 700),
                (120, 900),
            ]
        ),
        smooth_line([(-120, 420), (120, 440), (250, 470), (380, 500), (452, 470)]),
        smooth_line([(150, 180), (110, 300), (120, 440)]),
        smooth_line([(690, 600), (560, 420), (500, 285)]),
        smooth_line([(690, 600), (800, 620), (900, 600)]),
        smooth_line([(150, 180), (60, 60), (40, -120)]),
    ]
    rail = smooth_line(
        [(700, -120), (672, 60), (610, 250), (585, 360), (605, 520), (560, 640), (470, 760), (420, 900)]
    )
    shapes = [Shape(line, Cover.ROAD, 1.0) for line in main]
    return [Shape(rail, Cover.RAIL, 1.1, 2.0), *shapes, Shape(motorway, Cover.ROAD, 2.6)]


def _rectangle(centre: Points, size: tuple[float, float], angle: float) -> Points:
    u = np.array([np.cos(angle), np.sin(angle)])
    v = np.array([-u[1], u[0]])
    a, b = size[0] / 2 * u, size[1] / 2 * v
    return np.array([centre - a - b, centre + a - b, centre + a + b, centre - a + b])


def _town(rng: Rng, centre: Points) -> list[Shape]:
    """Two quarters with street grids of different direction, denser and taller in the middle."""
    shapes = []
    edge = _blob(rng, (0.0, 0.0), (86, 66), 0.85)
    for quarter, angle in ((-1, 0.16), (1, -0.42)):
        u = np.array([np.cos(angle), np.sin(angle)])
        v = np.array([-u[1], u[0]])
        for i in range(-14, 15):
            for j in range(-16, 17):
                block = centre + u * i * 10.5 + v * j * 7.6
                reach = _reach(edge, block - centre)
                in_quarter = (block - centre) @ np.array([0.55, -0.83]) * quarter > 3.0
                if in_quarter and reach < 1 + rng.normal(0, 0.05):
                    shapes += _block(rng, block, angle, reach)
    return shapes


def _reach(edge: Points, offset: Points) -> float:
    """Distance of `offset` from the middle in units of the town's radius in that direction."""
    directions = np.arctan2(edge[:, 1], edge[:, 0])
    gap = np.angle(np.exp(1j * (directions - np.arctan2(offset[1], offset[0]))))
    return float(np.hypot(*offset) / np.hypot(*edge[np.abs(gap).argmin()]))


def _block(rng: Rng, centre: Points, angle: float, reach: float) -> list[Shape]:
    """One block: street around, courtyard or gardens, houses along the edges. A few are parks."""
    dense = reach < 0.42
    if rng.random() < 0.05:
        return [Shape(_rectangle(centre, (10.5, 7.6), angle), Cover.DECIDUOUS, height=11.0)]
    shapes = [Shape(_rectangle(centre, (10.5, 7.6), angle), Cover.ROAD)]
    shapes.append(Shape(_rectangle(centre, (9.5, 6.6), angle), Cover.TOWN if dense else Cover.GARDEN))
    roofs = (Cover.ROOF_RED, Cover.ROOF_RED, Cover.ROOF_GREY)
    u = np.array([np.cos(angle), np.sin(angle)])
    v = np.array([-u[1], u[0]])
    for row in (-2.1, 2.1):
        position = -4.3
        while position < 4.0:
            length = rng.uniform(1.4, 3.2) if dense else rng.uniform(1.0, 1.7)
            if rng.random() > (0.08 if dense else 0.2):
                place = centre + u * (position + length / 2) + v * row
                height = rng.uniform(11, 22) if dense else rng.uniform(5, 9)
                depth = rng.uniform(1.4, 2.0) if dense else rng.uniform(0.9, 1.3)
                roof = roofs[int(rng.integers(3))]
                shapes.append(Shape(_rectangle(place, (length, depth), angle), roof, height=height))
            position += length + (0.1 if dense else rng.uniform(0.6, 1.3))
    return shapes


def _village(rng: Rng, centre: Points) -> list[Shape]:
    """Houses and barns around a few lanes."""
    shapes = [Shape(_blob(rng, (float(centre[0]), float(centre[1])), (19, 13), 0.9), Cover.GARDEN)]
    middle = centre
    for turn in (0.0, 1.2, 2.3):
        direction = turn + rng.normal(0, 0.3)
        centre = middle + rng.normal(0, 4, 2)
        u = np.array([np.cos(direction), np.sin(direction)])
        v = np.array([-u[1], u[0]])
        shapes.append(Shape(np.array([centre - u * 19, centre + u * 19]), Cover.ROAD, 0.6))
        for position in np.arange(-17, 18, 2.1):
            for side in (-1.3, 1.3):
                if rng.random() < 0.7:
                    place = centre + u * (position + rng.normal(0, 0.3)) + v * side * rng.uniform(0.9, 1.3)
                    size = (rng.uniform(1.0, 2.4), rng.uniform(0.9, 1.4))
                    roof = Cover.ROOF_RED if rng.random() < 0.7 else Cover.ROOF_GREY
                    shapes.append(Shape(_rectangle(place, size, direction), roof, height=rng.uniform(5, 9)))
    return shapes


def _halls(rng: Rng, centre: Points, angle: float) -> list[Shape]:
    """An industrial estate: large flat halls on asphalt."""
    shapes = [Shape(_rectangle(centre, (74, 46), angle), Cover.TOWN)]
    u = np.array([np.cos(angle), np.sin(angle)])
    v = np.array([-u[1], u[0]])
    for i in range(-3, 4):
        for j in range(-2, 2):
            if rng.random() < 0.85:
                place = centre + u * (i * 10.3 + rng.normal(0, 0.5)) + v * (j * 11 + 5.5)
                size = (rng.uniform(5, 8.6), rng.uniform(4, 8.5))
                roof = Cover.ROOF_BRIGHT if rng.random() < 0.6 else Cover.ROOF_GREY
                shapes.append(Shape(_rectangle(place, size, angle), roof, height=rng.uniform(8, 14)))
    return shapes


def _pylons() -> list[Shape]:
    """A power line: points that only the radar sees."""
    line = np.linspace([-100, 610], [880, 140], 42)
    return [Shape(_rectangle(p, (0.7, 0.7), 0.0), Cover.PYLON) for p in line]
