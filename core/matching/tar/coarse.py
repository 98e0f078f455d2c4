"""CFDM, coarse part at work: from encoded tile pairs to correspondences of cells and the affine they agree on."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as functional

from ...contract import Floats, Points
from ..robust import fit_pose
from .cfdm import COARSE_CELL
from .network import Encoded, TarNetwork

TOLERANCE = 8.0
"""Pixels of the tile: matches this near to one affine agree. A coarse cell spans as many."""
LEAST_MATCHES = 5
LEAST_PROBABILITY = 1e-3


@dataclass(frozen=True)
class CoarseMatches:
    """Mutual best cells of one tile pair, in tile pixels (N, 2) of each image, with their dual-softmax probability.

    cells: how many cells of the reference could have been matched.
    """

    reference: Points
    moving: Points
    probability: Floats
    cells: int


@dataclass(frozen=True)
class Agreement:
    """The affine (2, 3) reference tile pixel → moving tile pixel that most matches agree on.

    score: sum of the agreeing matches' probabilities over the cells tried, 0…1; count: how many agree.
    """

    affine: Floats
    score: float
    count: int


def coarse_matches(network: TarNetwork, encoded: Encoded) -> list[CoarseMatches]:
    """Match every pair of tiles."""
    optical, sar = encoded.coarse.float().chunk(2)
    masks = encoded.mask.chunk(2)
    rows, columns = network.coarse_matcher(optical, sar, *masks)
    both = rows + columns
    best = both.argmax(dim=2)
    back = both.argmax(dim=1)
    each = torch.arange(best.shape[1], device=best.device)
    mutual = back.gather(1, best) == each
    probability = both.gather(2, best[:, :, None])[:, :, 0].exp()
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
            )
        )
    return found


def _sub_cell(both: torch.Tensor, best: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """(B, N, 2) positions in cells: the mean over the best cell and its neighbours, weighted by probability."""
    rows, columns = shape
    surface = both.exp().view(-1, 1, rows, columns)
    padded = functional.pad(surface, (1, 1, 1, 1))[:, 0].flatten(1)
    row, column = best.flatten() // columns, best.flatten() % columns
    total, moment = padded.new_zeros(len(padded)), padded.new_zeros(len(padded), 2)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            at = (row + dy + 1) * (columns + 2) + column + dx + 1
            weight = padded.gather(1, at[:, None])[:, 0]
            total = total + weight
            moment = moment + weight[:, None] * weight.new_tensor([dx, dy])
    offset = moment / total.clamp_min(1e-12)[:, None]
    return (torch.stack([column, row], dim=-1) + offset).view(*best.shape, 2)


def _pixels(cells: torch.Tensor) -> Points:
    return np.asarray((cells.double().cpu().numpy() + 0.5) * COARSE_CELL - 0.5, dtype=np.float64).reshape(-1, 2)


def agree(matches: CoarseMatches, seed: int, tolerance: float = TOLERANCE) -> Agreement | None:
    """The similarity most matches agree on, refitted to them as an affine where they suffice; None if there is none."""
    if len(matches.probability) < LEAST_MATCHES:
        return None
    cv2.setRNGSeed(seed)
    found, inside = cv2.estimateAffinePartial2D(
        matches.reference, matches.moving, method=cv2.RANSAC, ransacReprojThreshold=tolerance, maxIters=500, refineIters=0
    )
    if found is None:
        return None
    inliers = np.asarray(inside).ravel().astype(bool)
    if inliers.sum() < LEAST_MATCHES:
        return None
    weights = np.clip(matches.probability[inliers], 0.02, 1.0)
    affine = fit_pose(matches.reference[inliers], matches.moving[inliers], weights)
    score = float(matches.probability[inliers].sum() / max(matches.cells, 1))
    return Agreement(affine, score, int(inliers.sum()))
