"""The learning curves of a run as a picture, drawn with OpenCV: no plotting library is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..contract import Floats, InputError, Pixels
from ..matching.files import write_whole
from .log import HELD_OUT, TRAINED, Curve, read_log

WIDTH, HEIGHT, FINER = 1500, 620, 2
"""Pixels of the picture; it is drawn so many times larger, then reduced, which smooths it."""
INK, FAINT, PAPER = (60, 60, 60), (225, 225, 225), (255, 255, 255)
COLOURS = ((178, 114, 0), (0, 94, 213), (115, 158, 0), (167, 121, 204))
"""Blue, vermilion, green, purple (BGR): told apart by colour-blind people too (Okabe and Ito)."""
LOSSES, SHARES = "Losses", "Places found right, %"
SMOOTHED = 0.04
"""Share of the rows that a point of the strong line is the mean of."""


def draw_curves(folder: Path, target: Path | None = None) -> Path:
    """Draw a folder's log as PNG, by default `curves.png` in it. Raises InputError without rows, OutputError."""
    found = read_log(folder)
    if TRAINED not in found:
        raise InputError(f"The log in {folder} has no row yet.", "Wait for the first steps.")
    path = target or folder / "curves.png"
    picture = _picture(found, folder.resolve().name)
    write_whole(path, cv2.imencode(".png", picture)[1].tobytes())
    return path


def _picture(found: dict[str, Curve], title: str) -> Pixels:
    """(HEIGHT, WIDTH, 3) uint8, BGR."""
    image = np.full((HEIGHT * FINER, WIDTH * FINER, 3), 255, np.uint8)
    names = list(found[TRAINED].figures)
    shares = [name for name in names if name.endswith("right")]
    panels = ((LOSSES, [name for name in names if name not in shares], False), (SHARES, shares, True))
    width = WIDTH // len(panels)
    for k, (name, figures, is_share) in enumerate(panels):
        frame = _Frame(image, (k * width + 70, 80), (width - 190, HEIGHT - 150))
        _draw_panel(frame, found, figures, is_share)
        frame.text(name, (frame.origin[0], 58), 0.62, INK)
    last = int(found[TRAINED].steps[-1])
    heading = f"{title}: step {last}; thin and strong lines: training; dots: pairs that are held out"
    _Frame(image, (0, 0), (WIDTH, HEIGHT)).text(heading, (70, 28), 0.55, INK)
    return np.asarray(cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), dtype=np.uint8)


@dataclass
class _Frame:
    """A part of the picture. origin, size: (x, y) pixels of its plot; the ranges map values to it."""

    image: Pixels
    origin: tuple[int, int]
    size: tuple[int, int]
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)

    def place(self, x: Floats, y: Floats) -> Floats:
        """(N, 2) pixels of values (N,), y upwards."""
        across = (x - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        up = (y - self.y_range[0]) / (self.y_range[1] - self.y_range[0])
        return np.stack([self.origin[0] + across * self.size[0], self.origin[1] + (1 - up) * self.size[1]], axis=1)

    def line(self, points: Floats, colour: tuple[int, int, int], thick: float) -> None:
        path = np.rint(points * FINER * 16).astype(np.int32)[:, None]
        cv2.polylines(self.image, [path], False, colour, max(1, round(thick * FINER)), cv2.LINE_AA, 4)

    def dot(self, point: Floats, colour: tuple[int, int, int]) -> None:
        centre = tuple(int(v) for v in np.rint(point * FINER * 16))
        cv2.circle(self.image, centre, round(4.5 * FINER * 16), PAPER, -1, cv2.LINE_AA, 4)
        cv2.circle(self.image, centre, round(3.2 * FINER * 16), colour, -1, cv2.LINE_AA, 4)

    def text(self, words: str, at: tuple[float, float], scale: float, colour: tuple[int, int, int]) -> None:
        place = (round(at[0] * FINER), round(at[1] * FINER))
        cv2.putText(self.image, words, place, cv2.FONT_HERSHEY_SIMPLEX, scale * FINER, colour, FINER, cv2.LINE_AA)

    def width(self, words: str, scale: float) -> float:
        return float(cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0])


def _draw_panel(frame: _Frame, found: dict[str, Curve], names: Sequence[str], is_share: bool) -> None:
    factor = 100.0 if is_share else 1.0
    shown = [curve.figures[name] * factor for curve in found.values() for name in names]
    finite = np.concatenate(shown)[np.isfinite(np.concatenate(shown))]
    top = 100.0 if is_share else float(np.percentile(finite, 99.5)) * 1.05 if len(finite) else 1.0
    frame.x_range = _steps_shown(found)
    frame.y_range = (0.0, max(top, 1e-3))
    _draw_axes(frame)
    ends = []
    for name, colour in zip(names, COLOURS):
        steps, values = _known(found[TRAINED], name)
        if len(steps):
            values = np.clip(values * factor, 0, top)
            frame.line(frame.place(steps, values), _paler(colour), 0.8)
            strong = frame.place(steps, _smooth(values))
            frame.line(strong, colour, 2)
            ends.append((float(strong[-1, 1]), name, colour))
        if HELD_OUT in found:
            steps, values = _known(found[HELD_OUT], name)
            for point in frame.place(steps, np.clip(values * factor, 0, top)):
                frame.dot(point, colour)
    _draw_names(frame, ends)


def _known(curve: Curve, name: str) -> tuple[Floats, Floats]:
    """Steps and values (N,) of a figure, where it is a number."""
    known = np.isfinite(curve.figures[name])
    return curve.steps[known], curve.figures[name][known]


def _draw_axes(frame: _Frame) -> None:
    (left, top), (width, height) = frame.origin, frame.size
    for value in _ticks(*frame.y_range):
        y = float(frame.place(np.array([frame.x_range[0]]), np.array([value]))[0, 1])
        frame.line(np.array([[left, y], [left + width, y]], dtype=np.float64), FAINT, 1)
        label = f"{value:g}"
        frame.text(label, (left - 8 - frame.width(label, 0.42), y + 5), 0.42, INK)
    for value in _ticks(*frame.x_range):
        x = float(frame.place(np.array([value]), np.zeros(1))[0, 0])
        label = f"{value:g}"
        frame.text(label, (x - frame.width(label, 0.42) / 2, top + height + 22), 0.42, INK)
    frame.text("step", (left + width - 34, top + height + 44), 0.45, INK)


def _draw_names(frame: _Frame, ends: list[tuple[float, str, tuple[int, int, int]]]) -> None:
    """Name the curves at their ends, one below the other where they lie close."""
    below = -math.inf
    for y, name, colour in sorted(ends):
        below = max(y + 5, below + 19)
        frame.text(name, (frame.origin[0] + frame.size[0] + 8, below), 0.46, colour)


def _steps_shown(found: dict[str, Curve]) -> tuple[float, float]:
    """From 0, but for a run that went on from late in another."""
    first = min(float(curve.steps[0]) for curve in found.values())
    last = max(1.0, max(float(curve.steps[-1]) for curve in found.values()))
    return (first if 0.3 * last < first < last else 0.0, last)


def _ticks(low: float, high: float) -> list[float]:
    """Round values in a range, four to eight of them."""
    rough = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough)
    return [step * k for k in range(math.ceil(low / step - 1e-9), int(high / step + 1e-9) + 1)]


def _smooth(values: Floats) -> Floats:
    """Moving mean (N,), narrower towards both ends."""
    half = max(1, round(SMOOTHED * len(values) / 2))
    total = np.concatenate([[0.0], np.cumsum(values)])
    each = np.arange(len(values))
    reach = np.minimum(half, np.minimum(each, len(values) - 1 - each))
    return np.asarray((total[each + reach + 1] - total[each - reach]) / (2 * reach + 1), dtype=np.float64)


def _paler(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    blue, green, red = (round(0.35 * c + 0.65 * 255) for c in colour)
    return (blue, green, red)
