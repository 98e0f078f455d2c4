"""The affine that all places vote for: maximum likelihood over the softmax of every place.

Taking each place's best shift and rejecting outliers throws away what a place says besides: that it is unsure
between two shifts, or knows one direction only. Here every place keeps its whole distribution over shifts, and
the affine is sought under which their probabilities are jointly largest. (Our own; the paper is silent here.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...contract import Floats, Points

FLOOR = 0.001
"""Added to probabilities before their logarithm: no single place may rule a pose out."""
TRIES, ROUNDS, SHRINK = 48, 16, 0.75
"""Random search: candidates per round, rounds, and how the step shrinks from one to the next."""
FIRST_STEP = 1.5
"""Cells by which the first candidates differ, at the border of the image."""
MOST_PLACES = 300
"""Windows overlap: of so many places, a few dozen are independent."""


def log_support(probability: Tensor) -> Tensor:
    """How much each shift is supported, from its probability (…), of any shape."""
    return torch.log(probability + FLOOR)


class Bounds(NamedTuple):
    """What a field may grow and turn by, least and most: shift in cells per unit of position."""

    growth: tuple[float, float]
    turn: tuple[float, float]


ANY = Bounds((-np.inf, np.inf), (-np.inf, np.inf))


def vote(
    places: Points, logs: Tensor, affine_model: bool, seed: int, bounds: Bounds = ANY
) -> tuple[Floats, float]:
    """The displacement field that maximises the mean support.

    places: (N, 2) positions in any unit; logs: (N, side, side) from `log_support`, shifts (dy, dx) in cells.
    affine_model: six parameters; else four (a similarity). bounds: where nothing is seen clearly, a pose far off
    the search range would else often win by chance. Returns (2, 3): position → shift in cells, and the mean gain
    over even chances.
    """
    random = np.random.default_rng(seed)
    if len(places) > MOST_PLACES:
        chosen = random.permutation(len(places))[:MOST_PLACES]
        places, logs = places[chosen], logs[torch.from_numpy(chosen).to(logs.device)]
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    half = max(float(np.ptp(places, axis=0).max()) / 2, 1e-9)
    unit = torch.from_numpy((places - middle) / half).to(logs)
    radius = logs.shape[-1] // 2
    mean = logs.mean(0)
    best = int(mean.argmax())
    start = np.array([best % logs.shape[-1] - radius, best // logs.shape[-1] - radius], dtype=np.float64)
    free = np.full(6, np.inf)
    low, high = -free, free
    (low[2], high[2]), (low[3], high[3]) = (np.array(pair) * half for pair in bounds)
    current = np.clip(np.array([*start, 0.0, 0.0, 0.0, 0.0]), low, high)
    top = float(_support(current[None], unit, logs)[0])
    step = FIRST_STEP
    for _ in range(ROUNDS):
        moves = random.standard_normal((TRIES, 6)) * step
        moves[:, 2:] *= random.random((TRIES, 1)) < 0.8
        if not affine_model:
            moves[:, 4:] = 0
        tried = np.clip(current + moves, low, high)
        values = _support(tried, unit, logs)
        k = int(values.argmax())
        if float(values[k]) > top:
            current, top = tried[k], float(values[k])
        step *= SHRINK
    linear = _linear(current[None])[0] / half
    field = np.column_stack([linear, current[:2] - linear @ middle])
    even = float(np.log(1.0 / logs.shape[-1] ** 2 + FLOOR))
    return field, top - even


def _linear(parameters: Floats) -> Floats:
    """(P, 2, 2) from (P, 6): shifts, then growth, turn, and two kinds of shear."""
    g, t, a, b = parameters[:, 2], parameters[:, 3], parameters[:, 4], parameters[:, 5]
    return np.stack([np.stack([g + a, b - t], -1), np.stack([b + t, g - a], -1)], axis=-2)


def _support(parameters: Floats, unit: Tensor, logs: Tensor) -> Tensor:
    """Mean support (P,) of displacement fields; beyond the search the support is the floor's."""
    side = logs.shape[-1]
    ways = torch.from_numpy(np.concatenate([_linear(parameters), parameters[:, :2, None]], axis=2)).to(unit)
    x, y = (ways[:, k, :2] @ unit.T + (ways[:, k, 2:] + side // 2) for k in range(2))
    inside = (x >= 0) & (x <= side - 1) & (y >= 0) & (y <= side - 1)
    (left, across), (top, down) = _spline(x, side), _spline(y, side)
    first = torch.arange(len(logs), device=logs.device) * side**2
    corner = first + (top * side + left).long()
    value = torch.zeros_like(x)
    for j in range(3):
        row = across[0] * logs.take(corner + j * side)
        for i in (1, 2):
            row.addcmul_(across[i], logs.take(corner + (j * side + i)))
        value.addcmul_(down[j], row)
    return torch.where(inside, value, torch.full_like(value, float(np.log(FLOOR)))).mean(1)


def _spline(at: Tensor, side: int) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """The first of the three cells around positions, and their quadratic B-spline weights.

    Linear weights have a cusp at every whole cell and would draw the answer there.
    """
    nearest = at.round().clamp(1, side - 2)
    part = (at - nearest).clamp(-1, 1)
    return nearest - 1, (0.5 * (0.5 - part) ** 2, 0.75 - part**2, 0.5 * (0.5 + part) ** 2)
