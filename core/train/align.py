"""Measures how well the chips of a manifest are aligned: `sarto train align`.

Published pairs are misaligned here and there. Each pair is registered within a few pixels; what the tie points
agree on is its residual transform. Training moves the SAR chip by its shift, and believes it as far as it is one.

The rule (`judge`): a measurement counts where the method's evidence is at least 0.5, 20 or more tie points and an
eighth of the places tried agree, and the shift is at most 12 px in x and y. Then the weight is 1 where the
transform differs from its shift by at most 1 px (RMS over the chip), 0.6 up to 3 px, else 0.25. Where it does not
count, the manifest's own offset is kept with weight 0.25; a pair that the manifest itself calls misaligned gets 0,
and training leaves it out. On 60 pairs of different places put together, no measurement with `structural` counted.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ..bench.manifest import read_chip as read_grey
from ..bench.manifest import read_colours
from ..contract import (
    Floats,
    InputError,
    MatchOptions,
    MatchResult,
    NoMatchError,
    OptionError,
    SearchRange,
    unaided,
)
from ..geometry import affine
from ..matching import create
from ..matching.protocol import Matcher, MatchTask
from ..matching.robust import fit_pose
from .alignment import Alignment
from .chips import LOOSE, TIGHT, UNSURE, Listed

MOST_SHIFT = 12.0
SEARCH = SearchRange(shift_px=MOST_SHIFT, rotation_deg=1.0, scale_min=0.99, scale_max=1.01)
"""Pixels, and all that is searched: published pairs lie on one grid, so that larger errors are something else."""
LEAST_EVIDENCE, LEAST_TIES, LEAST_SHARE = 0.5, 20, 0.125
TIGHT_SPREAD, LOOSE_SPREAD = 1.0, 3.0
"""Pixels, RMS over the chip, by which the transform may differ from its shift."""


def align(listed: list[Listed], method: str, weights: Path | None, jobs: int = 1) -> Iterator[Alignment]:
    """Measure the pairs, in order. weights: of the method `tar`, None = those that come with Sarto.

    Raises OptionError for an unknown method or where it takes no weights, EngineError, InputError.
    """
    if jobs == 1:
        matcher = _matcher(method, weights)
        yield from (_measure(matcher, one) for one in listed)
        return
    with _pool(method, weights, jobs) as pool:
        yield from pool.map(_work, listed, chunksize=4)


@contextmanager
def _pool(method: str, weights: Path | None, jobs: int) -> Iterator[ProcessPoolExecutor]:
    _matcher(method, weights)  # an unknown method fails here, with its message
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _start, (method, weights))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


_matchers: list[Matcher] = []  # the one of this process, if it is one of several


def _start(method: str, weights: Path | None) -> None:
    import cv2
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _matchers.append(_matcher(method, weights))


def _work(one: Listed) -> Alignment:
    return _measure(_matchers[0], one)


def _matcher(method: str, weights: Path | None) -> Matcher:
    if weights is None:
        return create(method)
    if method != "tar":
        raise OptionError(f"The method '{method}' takes no weights.", "Give --method tar, or leave --weights out.")
    from ..matching.tar.matcher import TarMatcher

    return TarMatcher(weights)


def _measure(matcher: Matcher, one: Listed) -> Alignment:
    (optical, bands), sar = read_colours(one.pair.optical), read_grey(one.pair.sar)
    if optical.shape != sar.shape:
        raise InputError(
            f"Pair '{one.pair.pair_id}': its chips differ in size.", "Both must lie on the same grid."
        )
    options = MatchOptions(method=matcher.name, device="cpu")
    task = MatchTask(optical, sar, SEARCH, options, model="affine", bands=bands)
    try:
        return judge(one, matcher.match(task), optical.shape)
    except NoMatchError:
        return judge(one, None, optical.shape)


def judge(one: Listed, result: MatchResult | None, shape: tuple[int, ...]) -> Alignment:
    """An alignment by the rule of this module. shape: (rows, columns) of the chips; None: nothing was found."""
    count = _agreeing(result)
    if result is None or count < LEAST_TIES:
        return _unsure(one, result)
    found = fit_pose(result.ties.reference[result.inliers], result.ties.moving[result.inliers])
    middle = affine.centre((shape[0], shape[1]))
    shift = affine.apply(found, middle[None])[0] - middle
    spread = affine.grid_distance(found, _shifted(shift), (shape[0], shape[1]))
    far = float(np.abs(shift).max()) > MOST_SHIFT
    if result.evidence < LEAST_EVIDENCE or count < LEAST_SHARE * result.tried or far:
        return _unsure(one, result, spread)
    weight = TIGHT if spread <= TIGHT_SPREAD else LOOSE if spread <= LOOSE_SPREAD else UNSURE
    x, y = (round(-float(v), 2) for v in shift)
    return Alignment(one.pair.pair_id, x, y, weight, result.evidence, count, spread)


def _unsure(one: Listed, result: MatchResult | None, spread: float = 0.0) -> Alignment:
    weight = UNSURE if one.weight > 0 else 0.0
    evidence = result.evidence if result is not None else 0.0
    return Alignment(one.pair.pair_id, *one.offset, weight, evidence, _agreeing(result), spread)


def _agreeing(result: MatchResult | None) -> int:
    """Tie points that agree, without those that the pose helped to find."""
    return 0 if result is None else int((result.inliers & unaided(result.ties.round_trip)).sum())


def _shifted(shift: Floats) -> Floats:
    return np.column_stack([np.eye(2), shift])
