"""The coarse matching: from encoded tile pairs to correspondences of cells and the affine they agree on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from ...contract import Floats, Points
from ...geometry import affine
from ..robust import fit_similarity
from .network import COARSE_CELL, Encoded, PairNetwork

TOLERANCE = 8.0
"""Pixels of the tile: matches this near to one affine agree. A coarse cell spans as many."""
LEAST_MATCHES = 5
LEAST_PROBABILITY = 1e-3
FLOOR = 0.01
"""Added to probabilities before their logarithm: no single cell may rule a pose out."""


@dataclass(frozen=True)
class CoarseMatches:
    """Mutual best cells of one tile pair, tile pixels (N, 2) of each image, with their dual-softmax probability.

    cells: how many cells of the reference could have been matched.
    logs: (rows · columns, rows · columns) logarithm of the probability of each moving cell, given the reference's;
    valid: (rows · columns,) which cells of the reference take part; shape: (rows, columns) of the cells.
    """

    reference: Points
    moving: Points
    probability: Floats
    cells: int
    logs: torch.Tensor
    valid: torch.Tensor
    shape: tuple[int, int]

    def gain(self, affine_found: Floats) -> float:
        """How much better than chance the softmax puts cells where an affine says: mean logarithm, 0 = chance.

        The probability of the 3 × 3 cells around the place counts, against what even chances would give them.
        """
        rows, columns = self.shape
        index = torch.nonzero(self.valid)[:, 0]
        cells = torch.stack([index % columns, index // columns], dim=-1).double().cpu().numpy()
        found = affine.apply(affine_found, _pixels_of(cells))
        at = torch.from_numpy(np.rint((found + 0.5) / COARSE_CELL - 0.5)).long()
        inside = ((at >= 0) & (at < torch.tensor([columns, rows]))).all(-1).to(index.device)
        if not inside.any():
            return 0.0
        at, index = at.to(index.device)[inside], index[inside]
        mass = torch.zeros(len(at), device=at.device)
        for _, cell, there in _around(at[:, 0], at[:, 1], self.shape):
            mass = mass + self.logs[index, cell].exp() * there
        even = 9.0 / (rows * columns)
        return float(torch.log((mass + FLOOR) / (even + FLOOR)).mean() * inside.float().mean().sqrt())


@dataclass(frozen=True)
class Agreement:
    """The affine (2, 3) reference tile pixel → moving tile pixel that most matches agree on.

    gain: how much better than chance the softmax supports it (`CoarseMatches.gain`); share: the agreeing matches'
    probabilities over the cells tried, 0…1.
    """

    affine: Floats
    gain: float
    share: float


def coarse_matches(network: PairNetwork, encoded: Encoded) -> list[CoarseMatches]:
    """Match every pair of tiles."""
    optical, sar = encoded.coarse.float().chunk(2)
    masks = encoded.mask.chunk(2)
    rows, columns = network.coarse_matcher(optical, sar, *masks)
    both = rows + columns
    best = both.argmax(dim=2)
    each = torch.arange(best.shape[1], device=best.device)
    top = both.gather(2, best[:, :, None])[:, :, 0]
    mutual = top >= both.amax(dim=1).gather(1, best)  # faster than to ask where the greatest of a column is
    probability = top.exp()
    valid = masks[0].flatten(1) > 0.5
    keep = mutual & valid & (probability > LEAST_PROBABILITY)
    width = optical.shape[-1]
    target = _sub_cell(both, best, optical.shape[-2:])
    start = torch.stack([each % width, each // width], dim=-1)
    found = []
    for k in range(len(best)):
        chosen = keep[k]
        found.append(
            CoarseMatches(
                _pixels(start[chosen]),
                _pixels(target[k, chosen]),
                probability[k, chosen].double().cpu().numpy(),
                int(valid[k].sum()),
                rows[k],
                valid[k],
                (optical.shape[-2], optical.shape[-1]),
            )
        )
    return found


def _sub_cell(both: torch.Tensor, best: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """(B, N, 2) positions in cells: the mean over the best cell and its neighbours, weighted by probability."""
    row, column = best // shape[1], best % shape[1]
    total, moment = both.new_zeros(best.shape), both.new_zeros(*best.shape, 2)
    for step, cell, there in _around(column, row, shape):
        weight = both.gather(2, cell[..., None])[..., 0].exp() * there
        total = total + weight
        moment = moment + weight[..., None] * weight.new_tensor(step)
    return torch.stack([column, row], dim=-1) + moment / total.clamp_min(1e-12)[..., None]


def _around(
    column: torch.Tensor, row: torch.Tensor, shape: tuple[int, ...]
) -> Iterator[tuple[tuple[int, int], torch.Tensor, torch.Tensor]]:
    """The 3 × 3 cells around cells of any shape: the step (dx, dy), which cell it is, and whether it is there."""
    rows, columns = shape
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            x, y = column + dx, row + dy
            there = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
            yield (dx, dy), y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1), there


def _pixels(cells: torch.Tensor) -> Points:
    return _pixels_of(cells.double().cpu().numpy().reshape(-1, 2))


def _pixels_of(cells: Points) -> Points:
    """Tile pixels of the centres of cells (N, 2)."""
    return np.asarray((cells + 0.5) * COARSE_CELL - 0.5, dtype=np.float64)


def agree(matches: CoarseMatches, seed: int, tolerance: float = TOLERANCE) -> Agreement | None:
    """The similarity that most matches agree on, refitted to them; None if there is none."""
    if len(matches.probability) < LEAST_MATCHES:
        return None
    cv2.setRNGSeed(seed)
    found, inside = cv2.estimateAffinePartial2D(
        matches.reference,
        matches.moving,
        method=cv2.RANSAC,
        ransacReprojThreshold=tolerance,
        maxIters=500,
        refineIters=0,
    )
    inliers = np.asarray(inside).ravel().astype(bool)
    if found is None or inliers.sum() < LEAST_MATCHES:
        return None
    weights = np.clip(matches.probability[inliers], 0.02, 1.0)
    fitted = fit_similarity(matches.reference[inliers], matches.moving[inliers], weights)
    share = float(matches.probability[inliers].sum() / max(matches.cells, 1))
    return Agreement(fitted, matches.gain(fitted), share)
