"""What the figures of a learned method are worth: fits the two logistic models of its calibration.

First, pairs of different places tell what wrong poses reach; where a pose is beyond that, its search ends early.
Pairs of a manifest are shown under the bench's warps, and again with the SAR image of another place. A pose within
`REAL_PX` of the truth is real. The models are fitted by Newton's method with a small ridge.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from ..bench.manifest import Manifest, Pair, read_chip, read_colours, read_manifest
from ..bench.measures import tie_errors
from ..bench.protocols import cut
from ..bench.shuffle import partners
from ..contract import RANGES, SILENT, Flags, Floats, InputError, MatchOptions, NoMatchError, Reporter
from ..geometry import affine
from ..matching.passes.calibration import EVIDENCE_SPAN, Calibration, Limits
from ..matching.protocol import MatchTask
from .weights import examiner, method_of, read_weights

REAL_PX = 6.0
RIGHT_PX = 2.0
"""A tie point within this of truth is right."""
TIES_PER_PAIR = 40
FALSE_WEIGHT = 3.0
"""A wrong pose that is believed counts as many right ones that are not."""
CAUTION = 2.0
"""The odds of a pose are stated so many times lower than fitted: pairs of other satellites than those trained with
look surer than they are."""
MISLABELLED = 0.01
"""Share of the poses of pairs of one place whose label is taken to be wrong: the published alignment may be what
is off, or a pose be right by chance. A single one would else flatten the whole fit."""
RIDGE = 1e-3
DOUBTFUL = 48
"""Registrations of different places, searched as widely as `tar` does, that tell what wrong poses reach."""
SCORE_MARGIN, GAIN_MARGIN = 1.3, 1.1
"""How far beyond that a pose must be for the search to end with it."""
SHOWN = {"georef": 0.35, "tar": 0.4, "wild": 0.25}
"""Search ranges and the share of pairs shown under each; every pair is also shown with another place's image."""


@dataclass(frozen=True)
class Shown:
    """One registration: features of the pose, whether it is real; features of tie points (N,), which are right.

    most: see `Examined`. certain: whether it is real is beyond doubt, for the images show different places.
    """

    evidence: dict[str, float]
    real: bool
    ties: dict[str, Floats]
    right: Flags
    most: Limits = field(default_factory=Limits)
    certain: bool = False


def calibrate(
    weights: Path, manifest: Path, pairs: int, seed: int, workers: int, reporter: Reporter = SILENT
) -> tuple[Calibration, dict[str, Any]]:
    """Fit the calibration of a file of weights; also returns how well it separates, for the record.

    pairs: so many of the manifest, each shown twice; workers: processes. The same seed shows the same.
    Raises EngineError for weights that cannot be used, InputError where too few pairs give an answer, Cancelled.
    """
    source = read_manifest(manifest)
    read_weights(weights)  # what is wrong with them is said before processes start
    jobs = list(_jobs(source, pairs, seed))
    doubtful = [replace(job, protocol="tar", limits=Limits()) for job in jobs if job.shuffled][:DOUBTFUL]
    shown: list[Shown] = []
    most: list[Limits] = []
    count = len(doubtful) + len(jobs)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start, (str(weights), source, seed))
    try:
        for one in pool.map(_show, doubtful, chunksize=4):
            most += [one.most] if one is not None else []
            reporter.progress("Registering pairs", len(most) / count)
        limits = _limits(most)
        again = [replace(job, limits=limits) for job in jobs]
        for number, one in enumerate(pool.map(_show, again, chunksize=4), start=len(doubtful) + 1):
            shown += [one] if one is not None else []
            reporter.progress("Registering pairs", number / count)
    finally:
        pool.shutdown(cancel_futures=True)
    if not any(s.real for s in shown) or all(s.real for s in shown) or not any(len(s.right) for s in shown):
        raise InputError(
            f"The {len(shown)} registrations hold no right or no wrong pose, or no tie point of a tight pair.",
            "Take more pairs, some of them tight, or weights that were trained longer.",
        )
    calibration, record = fit(shown)
    return replace(calibration, limits=limits), record


def _limits(most: list[Limits]) -> Limits:
    """What no wrong pose reached, and a margin."""
    if not most:
        return Limits()
    return Limits(
        round(SCORE_MARGIN * max(m.score for m in most), 5), round(GAIN_MARGIN * max(m.gain for m in most), 4)
    )


def fit(shown: list[Shown]) -> tuple[Calibration, dict[str, Any]]:
    """Fit both models to registrations."""
    names = list(shown[0].evidence)
    table = np.array([[s.evidence[n] for n in names] for s in shown])
    real = np.array([s.real for s in shown])
    certain = np.array([s.certain for s in shown])
    slopes, offset = robust_fit(table, real, np.where(real, 1.0, FALSE_WEIGHT), certain)
    cautious = offset - math.log(CAUTION)
    calibration = Calibration(dict(zip(names, slopes.round(4).tolist())), round(cautious, 4))
    odds = np.array([calibration.log_odds(s.evidence) for s in shown])
    rows, right = [], []
    for s, o in zip(shown, odds):
        if len(s.right):
            pose = np.full(len(s.right), np.clip(o, -EVIDENCE_SPAN, EVIDENCE_SPAN))
            rows.append(np.column_stack([*s.ties.values(), pose]))
            right.append(s.right)
    ties = [*next(iter(shown)).ties, "evidence"]
    slopes, offset = logistic_fit(np.concatenate(rows), np.concatenate(right), np.ones(sum(map(len, right))))
    calibration = replace(
        calibration, confidence=dict(zip(ties, slopes.round(4).tolist())), confidence_offset=round(offset, 4)
    )
    record = {
        "registrations": len(shown),
        "real": int(real.sum()),
        "real and believed": int((odds[real] > 0).sum()),
        "not real and believed": int((odds[~real] > 0).sum()),
    }
    return calibration, record


def robust_fit(
    table: Floats, label: Flags, weight: Floats, certain: Flags, rounds: int = 8
) -> tuple[Floats, float]:
    """As `logistic_fit` where so many labels as `MISLABELLED` are wrong: each counts by how likely it is right.

    certain: (N,) labels that cannot be wrong, which count in full. Reweighted in turns, after J. Bootkrajang,
    A. Kabán, "Label-noise robust logistic regression", ECML 2012, with a known rate.
    """
    right = np.ones(len(label))
    for _ in range(rounds):
        slopes, offset = logistic_fit(table, label, weight * right)
        log_odds = np.clip(table @ slopes + offset, -50, 50)
        stated = 1 / (1 + np.exp(-np.where(label, log_odds, -log_odds)))
        right = (1 - MISLABELLED) * stated
        right /= right + MISLABELLED * (1 - stated)
        right[certain] = 1.0
    return slopes, offset


def logistic_fit(table: Floats, label: Flags, weight: Floats, rounds: int = 30) -> tuple[Floats, float]:
    """Slopes (K,) and offset of a ridge logistic regression of label (N,) on table (N, K)."""
    mean, deviation = table.mean(0), table.std(0) + 1e-9
    design = np.column_stack([(table - mean) / deviation, np.ones(len(table))])
    beta = np.zeros(design.shape[1])
    ridge = RIDGE * weight.sum() * np.append(np.ones(len(mean)), 0.0)
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        slope = design.T @ (weight * (label - p)) - ridge * beta
        curve = (design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(ridge + 1e-9)
        beta = beta + np.linalg.solve(curve, slope)
    slopes = beta[:-1] / deviation
    return slopes, float(beta[-1] - slopes @ mean)


@dataclass(frozen=True)
class _Job:
    pair: Pair
    protocol: str
    shuffled: bool
    limits: Limits | None = None


def _jobs(source: Manifest, pairs: int, seed: int) -> Iterator[_Job]:
    random = np.random.default_rng(seed)
    chosen = source.select()
    chosen = [chosen[i] for i in random.permutation(len(chosen))[:pairs]]
    for pair in chosen:
        protocol = str(random.choice(list(SHOWN), p=list(SHOWN.values())))
        yield _Job(pair, protocol, False)
        yield _Job(pair, "georef" if random.random() < 0.5 else protocol, True)


_context: tuple[Path, Manifest, int, dict[str, Pair]] | None = None


def _start(weights: str, source: Manifest, seed: int) -> None:
    global _context
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    _context = (Path(weights), source, seed, partners(source, seed))


def _show(job: _Job) -> Shown | None:
    assert _context is not None
    weights, _, seed, others = _context
    method = method_of(weights)
    matcher = examiner(weights, method, job.limits)
    optical, bands = read_colours(job.pair.optical)
    sar = read_chip((others[job.pair.pair_id] if job.shuffled else job.pair).sar)
    if sar.shape != optical.shape:
        return None
    sample = cut(job.pair.pair_id, optical, sar, job.pair.published, job.protocol, seed, bands)
    assert sample.truth is not None
    options = MatchOptions(method=method, seed=seed)
    task = MatchTask(sample.optical, sample.sar, RANGES[job.protocol], options, bands=sample.bands)
    try:
        examined = matcher.examine(task)
    except NoMatchError:
        return None
    result = examined.result
    error = affine.grid_distance(result.pose, sample.truth, sample.optical.shape)
    real = not job.shuffled and error < REAL_PX
    if not job.shuffled and not real and not job.pair.tight and error < 3 * REAL_PX:
        return None  # the published alignment may be what is wrong
    chosen = np.random.default_rng(seed).permutation(len(result.ties))[:TIES_PER_PAIR]
    if not job.pair.tight:
        chosen = chosen[:0]
    off = tie_errors(result.ties.reference[chosen], result.ties.moving[chosen], sample.truth)
    right = off <= RIGHT_PX if not job.shuffled else np.zeros(len(chosen), dtype=np.bool_)
    ties = {name: values[chosen] for name, values in examined.ties.items()}
    return Shown(examined.evidence, real, ties, right, examined.most, certain=job.shuffled)
