"""Coarse matching: dual-softmax over windows, agreement on one similarity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sarto.core.contract import RANGES
from sarto.core.geometry import affine
from sarto.core.matching.passes.coarse import agree, coarse_matches
from sarto.core.matching.passes.network import Encoded
from sarto.core.matching.passes.pose import turns_and_scales
from sarto.core.matching.tar.network import TarNetwork

CELLS = 20


def _encoded(first: torch.Tensor, second: torch.Tensor, masks: torch.Tensor | None = None) -> Encoded:
    """Coarse features as if they had been encoded."""
    coarse = torch.stack([first, second])
    mask = torch.ones(2, 1, *first.shape[-2:]) if masks is None else masks
    return Encoded(coarse, mask, None, None)  # type: ignore[arg-type]


def _features(seed: int, side: int = CELLS) -> torch.Tensor:
    return torch.randn((16, side, side), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-5, 4)])
def test_a_shift_by_cells_is_found(network: TarNetwork, shift: tuple[int, int]) -> None:
    dx, dy = shift
    wide = _features(1, CELLS + 12)
    first = wide[:, 6 : 6 + CELLS, 6 : 6 + CELLS]
    second = wide[:, 6 - dy : 6 - dy + CELLS, 6 - dx : 6 - dx + CELLS]
    (matches,) = coarse_matches(network, _encoded(first, second))
    found = agree(matches, 0)
    assert found is not None
    expected = np.column_stack([np.eye(2), np.array([dx, dy]) * 8.0])
    assert affine.grid_distance(found.affine, expected, (160, 160)) < 1.0
    assert found.gain > 2.0


def test_different_places_do_not_agree(network: TarNetwork) -> None:
    (same,) = coarse_matches(network, _encoded(_features(1), _features(1)))
    (other,) = coarse_matches(network, _encoded(_features(1), _features(2)))
    good, bad = agree(same, 0), agree(other, 0)
    assert good is not None
    assert bad is None or bad.gain < 0.2 * good.gain


def test_invalid_cells_match_nothing(network: TarNetwork) -> None:
    masks = torch.ones(2, 1, CELLS, CELLS)
    masks[0, :, :, :7] = 0
    masks[1, :, :5] = 0
    features = _features(3)
    (matches,) = coarse_matches(network, _encoded(features, features, masks))
    assert len(matches.reference) > 50
    assert matches.reference[:, 0].min() >= 7 * 8
    assert matches.moving[:, 1].min() >= 5 * 8 - 8  # the sub-cell step may lead a little into the next cell
    assert matches.cells == CELLS * (CELLS - 7)


def test_all_invalid_gives_no_matches(network: TarNetwork) -> None:
    (matches,) = coarse_matches(network, _encoded(_features(3), _features(3), torch.zeros(2, 1, CELLS, CELLS)))
    assert len(matches.reference) == 0
    assert agree(matches, 0) is None


@pytest.mark.parametrize("name", sorted(RANGES))
def test_the_grid_leaves_no_gap_wider_than_the_matching_tolerates(name: str) -> None:
    search = RANGES[name]
    grid = np.array(turns_and_scales(search))
    for angle in np.linspace(-search.rotation_deg, search.rotation_deg, 37):
        for scale in np.geomspace(search.scale_min, search.scale_max, 9):
            turn = np.abs((grid[:, 0] - angle + 180) % 360 - 180)
            grow = np.abs(np.log(grid[:, 1] / scale))
            assert np.any((turn <= 12.01) & (grow <= np.log(1.5) / 2 + 1e-9))
