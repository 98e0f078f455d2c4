"""`sarto bench-keypoints`: how often optical and SAR images of one place give the same keypoints.

Each image is looked at alone; at the published alignment, an optical keypoint is repeated where a SAR keypoint
lies within a few pixels. The more keypoints, the more are repeated by accident, so each share stands beside two
that nothing but accident explains: SAR keypoints scattered uniformly, and the true ones moved to a wrong place,
which keeps their pattern. The SAR image loses a random margin first, so that no keypoints coincide only because
both images are divided from the same corner.
"""

from __future__ import annotations

import csv
import json
import math
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..contract import Flags, Floats, OptionError, OutputError, Pixels, Reporter
from ..geometry import affine
from ..matching.keypoints import CLEARANCE, KINDS, Keypoints, detect
from .manifest import Manifest, Pair, check_files, read_chip
from .protocols import generator
from .tables import as_markdown, as_text

MARGIN = (8, 24)
"""Pixels cut off the SAR image at the left and at the top: at least and less than; where it is large enough."""
DRAWS = 5
"""Times that each accident is tried per pair."""
FILES = ("keypoints.csv", "keypoints.json", "keypoints.md")

LEGEND = (
    "repeated: % of optical keypoints within the SAR image with a SAR keypoint within the radius. uniform: the "
    "same for as many uniformly scattered SAR keypoints; moved: for the true ones moved to a wrong place. gain: "
    "repeated less the larger of the two, ± its standard error over pairs. s/image: median seconds to find the "
    "keypoints."
)


@dataclass(frozen=True)
class KeypointOptions:
    """radius: pixels of the SAR image within which a keypoint is the same one."""

    out: Path
    kinds: tuple[str, ...] = KINDS
    count: int = 300
    radius: float = 3.0
    seed: int = 0
    limit: int | None = None
    only_tight: bool = False
    sets: tuple[str, ...] = ()
    device: str = "cpu"
    overwrite: bool = False


@dataclass(frozen=True)
class KeypointRow:
    """One pair under one kind of keypoints; shares 0…1, NaN where no optical keypoint lies within the SAR image.

    optical, sar: keypoints found. compared: those optical ones whose place the SAR image shows.
    seconds: per image.
    """

    pair_id: str
    set: str
    kind: str
    optical: int
    sar: int
    compared: int
    repeated: float
    uniform: float
    moved: float
    seconds: float


def run_keypoints(manifest: Manifest, options: KeypointOptions, reporter: Reporter) -> list[KeypointRow]:
    """Measure all pairs and write keypoints.csv, keypoints.json and keypoints.md.

    Raises OptionError for an unknown kind or an impossible number, InputError for files that are not there,
    OutputError where results lie already or cannot be written, Cancelled.
    """
    _check(options)
    pairs = manifest.select(options.limit, options.only_tight, options.sets)
    check_files(pairs)
    rows: list[KeypointRow] = []
    for number, pair in enumerate(pairs):
        reporter.check()
        reporter.progress("Finding keypoints", number / len(pairs))
        optical, sar, truth = _shown(pair, options.seed)
        rows += [measure(pair, kind, optical, sar, truth, options) for kind in options.kinds]
    reporter.progress("Finding keypoints", 1.0)
    _write(rows, manifest, options)
    return rows


def _check(options: KeypointOptions) -> None:
    unknown = [kind for kind in options.kinds if kind not in KINDS]
    if unknown or not options.kinds:
        named = f"no keypoints '{unknown[0]}'" if unknown else "no keypoints to measure"
        raise OptionError(f"There are {named}.", f"Choose from: {', '.join(KINDS)}.")
    if not (options.radius > 0 and math.isfinite(options.radius)):
        raise OptionError(f"A radius of {options.radius} px is impossible.", "Give a number above 0.")
    if options.count < 1:
        raise OptionError(f"A count of {options.count} keypoints is too small.", "Ask for at least 1.")
    if not options.overwrite:
        for name in FILES:
            if (options.out / name).exists():
                raise OutputError(
                    f"'{options.out / name}' exists already.", "Choose another folder or give --overwrite."
                )


def _shown(pair: Pair, seed: int) -> tuple[Pixels, Pixels, Floats]:
    """The optical image, the SAR image without its margin, and the affine optical pixel → SAR pixel."""
    optical, sar = read_chip(pair.optical), read_chip(pair.sar)
    left, top = generator("keypoints", pair.pair_id, seed).integers(*MARGIN, 2)
    if min(sar.shape) < 2 * MARGIN[1]:
        left = top = 0
    truth = pair.published - np.array([[0, 0, left], [0, 0, top]])
    return optical, np.ascontiguousarray(sar[top:, left:]), truth


def measure(
    pair: Pair, kind: str, optical: Pixels, sar: Pixels, truth: Floats, options: KeypointOptions
) -> KeypointRow:
    """One kind of keypoints on one pair; truth: (2, 3) affine optical pixel → SAR pixel."""
    start = time.perf_counter()
    found, other = (_detected(kind, image, options) for image in (optical, sar))
    seconds = (time.perf_counter() - start) / 2
    expected = affine.apply(truth, found.positions)
    expected = expected[_inside(expected, sar.shape)]
    rng = generator(f"keypoints-{kind}", pair.pair_id, options.seed)
    scattered, moved = _accidents(other.positions, sar.shape, rng)

    def share(sets: Sequence[Floats]) -> float:
        if not len(expected):
            return math.nan
        return float(np.mean([_within(expected, positions, options.radius).mean() for positions in sets]))

    return KeypointRow(
        pair.pair_id,
        pair.set,
        kind,
        len(found),
        len(other),
        len(expected),
        share([other.positions]),
        share(scattered),
        share(moved),
        seconds,
    )


def _detected(kind: str, image: Pixels, options: KeypointOptions) -> Keypoints:
    return detect(kind, image.astype(np.float32), (image > 0).astype(np.float32), options.count, options.device)


def _inside(positions: Floats, shape: tuple[int, ...]) -> Flags:
    """Positions (N, 2) where an image may have keypoints."""
    inside: Flags = np.all((positions >= CLEARANCE) & (positions <= _far(shape)), axis=1)
    return inside


def _far(shape: tuple[int, ...]) -> Floats:
    return np.array([shape[1], shape[0]], np.float64) - 1 - CLEARANCE


def _within(expected: Floats, positions: Floats, radius: float) -> Flags:
    """Which of the expected positions (N, 2) have one of `positions` (M, 2) within the radius."""
    gaps = expected[:, None] - positions[None]
    near: Flags = ((gaps * gaps).sum(axis=2) <= radius * radius).any(axis=1)
    return near


def _accidents(
    positions: Floats, shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[list[Floats], list[Floats]]:
    """SAR keypoints scattered uniformly, and the true ones moved around within the image, DRAWS times each.

    What leaves at one side enters at the other; all move by a quarter of the image or more in x and y.
    """
    extent = np.maximum(_far(shape) - CLEARANCE, 1.0)
    scattered = [CLEARANCE + rng.uniform(0, 1, positions.shape) * extent for _ in range(DRAWS)]
    steps = [rng.uniform(0.25, 0.75, 2) * extent for _ in range(DRAWS)]
    return scattered, [CLEARANCE + (positions - CLEARANCE + step) % extent for step in steps]


@dataclass(frozen=True)
class KeypointFigures:
    """Means over the pairs of a group; shares 0…1.

    gain: repeated less the larger of uniform and moved; gain_error: its standard error over pairs, NaN for one.
    """

    pairs: int
    keypoints: float
    repeated: float
    uniform: float
    moved: float
    gain: float
    gain_error: float
    seconds: float


def summarise(rows: Sequence[KeypointRow]) -> dict[tuple[str, str], KeypointFigures]:
    """Figures by (group, kind): all pairs, then each set if there are several."""
    groups: dict[tuple[str, str], list[KeypointRow]] = defaultdict(list)
    sets = sorted({row.set for row in rows if row.set})
    for group in ("all", *(sets if len(sets) > 1 else ())):
        for row in rows:
            if group in ("all", row.set):
                groups[group, row.kind].append(row)
    return {name: _figures(group) for name, group in groups.items()}


def _figures(rows: Sequence[KeypointRow]) -> KeypointFigures:
    shares = np.array([[r.repeated, r.uniform, r.moved] for r in rows if r.compared]).reshape(-1, 3)
    count = np.mean([(r.optical + r.sar) / 2 for r in rows])
    seconds = float(np.median([r.seconds for r in rows]))
    if not len(shares):
        nothing = math.nan
        return KeypointFigures(len(rows), float(count), nothing, nothing, nothing, nothing, nothing, seconds)
    repeated, uniform, moved = (float(v) for v in shares.mean(axis=0))
    gains = shares[:, 0] - shares[:, 1 if uniform > moved else 2]
    error = float(gains.std(ddof=1) / math.sqrt(len(gains))) if len(gains) > 1 else math.nan
    return KeypointFigures(len(rows), float(count), repeated, uniform, moved, float(gains.mean()), error, seconds)


def table(rows: Sequence[KeypointRow]) -> list[list[str]]:
    """Head and one row per group and kind; shares in %."""
    head = ["group", "keypoints", "pairs", "found", "repeated", "uniform", "moved", "gain", "±", "s/image"]
    body = []
    for (group, kind), f in summarise(rows).items():
        shares = (f.repeated, f.uniform, f.moved, f.gain, f.gain_error)
        shown = ["–" if math.isnan(v) else f"{100 * v:.1f}" for v in shares]
        body.append([group, kind, str(f.pairs), f"{f.keypoints:.0f}", *shown, f"{f.seconds:.3f}"])
    return [head, *body]


def text(rows: Sequence[KeypointRow]) -> str:
    """The table for the terminal."""
    return f"{as_text(table(rows))}\n\n{LEGEND}"


def to_json(rows: Sequence[KeypointRow]) -> list[dict[str, Any]]:
    """The figures, ready for JSON; null where nothing was measured."""
    found = []
    for (group, kind), figures in summarise(rows).items():
        values = {k: None if math.isnan(v) else v for k, v in asdict(figures).items()}
        found.append({"group": group, "kind": kind, **values})
    return found


def _write(rows: Sequence[KeypointRow], manifest: Manifest, options: KeypointOptions) -> None:
    facts = {
        "manifest": f"{manifest.path.name} ({manifest.digest})",
        "keypoints at most": options.count,
        "radius, px": options.radius,
        "seed": options.seed,
    }
    lines = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    page = f"# Keypoints\n\n{lines}\n\n{as_markdown(table(rows))}\n\n{LEGEND}\n"
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with (options.out / "keypoints.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([f.name for f in fields(KeypointRow)])
            for row in rows:
                cells = asdict(row).values()
                writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in cells])
        (options.out / "keypoints.json").write_text(
            json.dumps({**facts, "figures": to_json(rows)}, indent=1) + os.linesep, encoding="utf-8"
        )
        (options.out / "keypoints.md").write_text(page, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"The results cannot be written to {options.out}: {error}.") from error
