"""Matching the fine features of tiles, at any distance between places."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sarto.core.matching.passes.network import FINE_CELL
from sarto.core.matching.passes.tiles import STRIDE, Plan, match_maps
from sarto.core.matching.passes.views import Model, TileView

CELLS = 64
CORNER = (300.0, 500.0)


def _model() -> Model:
    network: Any = SimpleNamespace(sharpness=torch.tensor(3.0))
    return Model(network=network, device=torch.device("cpu"))


def _maps(shift: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of two tiles and of the same moved by so many cells (x, y), and where they are valid."""
    values = torch.randn((2, 6, CELLS, CELLS), generator=torch.Generator().manual_seed(1))
    optical = torch.nn.functional.avg_pool2d(values, 3, 1, 1)
    moved = torch.roll(optical, (shift[1], shift[0]), (2, 3))
    return torch.cat([optical, moved]), torch.ones(4, CELLS, CELLS)


@pytest.mark.parametrize("stride", [STRIDE, 2 * STRIDE])
@pytest.mark.parametrize("factor", [1.0, 2.5])
def test_places_are_found_where_they_moved_and_lead_back(stride: int, factor: float) -> None:
    shift = (3, -2)
    corners = [CORNER, (CORNER[0] + 40, CORNER[1])]
    pose = np.array([[1.0, 0, 7.0], [0, 1.0, -4.0]])
    views = [TileView(np.array([[factor, 0, x], [0, factor, y]]), pose) for x, y in corners]
    plan = Plan(factor, 6, 5, True, 0.75, stride)
    found = match_maps(_model(), *_maps(shift), views, plan)
    per_tile = (CELLS // stride) ** 2
    assert len(found) == 2 * per_tile
    first = (found.reference[:per_tile] - CORNER) / factor
    steps = np.unique(np.diff(np.unique(first[:, 0])))
    assert np.allclose(steps, stride * FINE_CELL)
    assert np.allclose(found.reference[per_tile:] - found.reference[:per_tile], (40, 0))
    inner = found.usable & np.tile(((first > 40) & (first < FINE_CELL * CELLS - 40)).all(axis=1), 2)
    assert inner.sum() > 8
    expected = found.reference + (7, -4) + np.array(shift) * FINE_CELL * factor
    assert np.abs(found.moving - expected)[inner].max() < 0.5 * factor
    assert found.round_trip[inner].max() < 0.5 * factor
