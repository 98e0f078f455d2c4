"""Robust rejection: which tie points agree with one transform.

MAGSAC++ (D. Barath et al., CVPR 2020) as OpenCV's USAC implements it, deterministic by seed. Curved models
(polynomials, thin-plate splines) have no minimal solver: there, points must agree with their neighbours instead.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..contract import Flags, Floats, Points
from ..geometry import affine

CURVED = ("poly2", "poly3", "tps")
MIN_POINTS = 6
NEIGHBOURS = 8
CURVED_GAIN = 1.15
"""'auto' accepts the neighbours' consensus only where it keeps so many times more points than one affine."""


def consensus(reference: Points, moving: Points, model: str, tolerance: float, seed: int) -> Flags:
    """Tie points (N,) that agree with one transform of the model within `tolerance` pixels.

    All false where there are too few points to tell.
    """
    if len(reference) < MIN_POINTS:
        return np.zeros(len(reference), dtype=np.bool_)
    flat = _magsac(reference, moving, "homography" if model == "homography" else "affine", tolerance, seed)
    if model not in (*CURVED, "auto"):
        return flat
    smooth = _neighbour_consensus(reference, moving, tolerance, seed)
    if model in CURVED or smooth.sum() > CURVED_GAIN * flat.sum() + 5:
        return smooth
    return flat


def _magsac(reference: Points, moving: Points, kind: str, tolerance: float, seed: int) -> Flags:
    params = cv2.UsacParams()
    params.threshold = tolerance
    params.confidence = 0.999
    params.maxIterations = 5000
    params.score = cv2.SCORE_METHOD_MAGSAC
    params.sampler = cv2.SAMPLING_UNIFORM
    params.loMethod = cv2.LOCAL_OPTIM_SIGMA
    params.loIterations = 10
    params.loSampleSize = 50
    params.final_polisher = cv2.MAGSAC
    params.final_polisher_iterations = 5
    params.randomGeneratorState = seed
    params.isParallel = False
    estimate = cv2.findHomography if kind == "homography" else cv2.estimateAffine2D
    source, target = reference.astype(np.float32), moving.astype(np.float32)
    try:
        _, found = estimate(source, target, params)
    except cv2.error:  # degenerate configurations, for example all points on one line
        return np.zeros(len(reference), dtype=np.bool_)
    return np.asarray(found).ravel().astype(np.bool_)  # all false where nothing was found


def _neighbour_consensus(reference: Points, moving: Points, tolerance: float, seed: int) -> Flags:
    """Points whose displacement from a rough affine is what their nearest neighbours' median says."""
    rough = _magsac(reference, moving, "affine", 4 * tolerance, seed)
    if rough.sum() < MIN_POINTS:
        return rough
    fitted = fit_pose(reference[rough], moving[rough])
    rest = moving - affine.apply(fitted, reference)
    keep: Flags = rough.copy()
    for _ in range(2):
        index = np.flatnonzero(keep)
        if len(index) <= NEIGHBOURS:
            return keep
        distance = np.linalg.norm(reference[:, None] - reference[None, index], axis=2)
        distance[index, np.arange(len(index))] = np.inf
        nearest = index[np.argsort(distance, axis=1)[:, :NEIGHBOURS]]
        median = np.median(rest[nearest], axis=1)
        keep = rough & (np.linalg.norm(rest - median, axis=1) <= tolerance)
    return keep


def fit_pose(reference: Points, moving: Points, weights: Floats | None = None) -> Floats:
    """Least-squares affine (2, 3); with fewer than 12 points a similarity, which they can still support."""
    if len(reference) < 12:
        return fit_similarity(reference, moving, weights)
    root = _root_weights(len(reference), weights)
    design = np.column_stack([reference, np.ones(len(reference))])
    solution: Floats = np.linalg.lstsq(design * root, moving * root, rcond=None)[0].T
    return solution


def fit_similarity(reference: Points, moving: Points, weights: Floats | None = None) -> Floats:
    """Least-squares similarity (2, 3)."""
    root = _root_weights(len(reference), weights)
    mean_r, mean_m = (root**2 * reference).sum(0), (root**2 * moving).sum(0)
    r, m = root * (reference - mean_r), root * (moving - mean_m)
    energy = max(float((r**2).sum()), 1e-12)
    a, b = float((r * m).sum()) / energy, float((r[:, 0] * m[:, 1] - r[:, 1] * m[:, 0]).sum()) / energy
    linear = np.array([[a, -b], [b, a]])
    return np.column_stack([linear, mean_m - linear @ mean_r])


def _root_weights(count: int, weights: Floats | None) -> Floats:
    """(N, 1) square roots of the weights, which then sum to 1."""
    weight = np.ones(count) if weights is None else weights
    return np.asarray(np.sqrt(weight / weight.sum())[:, None], dtype=np.float64)
