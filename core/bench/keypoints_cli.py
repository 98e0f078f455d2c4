"""`sarto bench-keypoints`: the arguments and what is done with them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..contract import Reporter
from .manifest import read_manifest

DESCRIPTION = """\
Measure how often optical and SAR images of one place give the same keypoints, against accident.

The manifest is that of `sarto bench`. DIR gets keypoints.csv (a row per pair and kind), keypoints.json and
keypoints.md.
"""

EXAMPLES = """\
examples:
  sarto bench-keypoints pairs.csv --only-tight --out out/keypoints
  sarto bench-keypoints pairs.csv --only-tight --limit 60 --kinds pc-fast,sift --count 100 --out out/keypoints
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sarto bench-keypoints`."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("manifest", help="CSV of the pairs; paths in it are relative to it")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--kinds", default="", help="kinds of keypoints, separated by commas (default: all)")
    parser.add_argument("--count", type=int, default=300, help="keypoints per image at most (default: 300)")
    parser.add_argument("--radius", type=float, default=3.0, help="pixels that keypoints may differ (default: 3)")
    parser.add_argument("--seed", type=int, default=0, help="seed of margins and accidents (default: 0)")
    parser.add_argument("--limit", type=int, help="measure so many pairs only, spread over the manifest")
    parser.add_argument("--only-tight", action="store_true", help="only pairs with a good published alignment")
    parser.add_argument("--sets", default="", help="only these sets, separated by commas")
    parser.add_argument("--device", default="cpu", help="auto, cpu or cuda (default: cpu)")
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there")


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Run what the arguments ask for; returns the exit code. Raises the contract's errors."""
    from ..matching.device import pick
    from ..matching.keypoints import KINDS
    from . import keypoints

    options = keypoints.KeypointOptions(
        out=Path(args.out),
        kinds=_listed(args.kinds) or KINDS,
        count=args.count,
        radius=args.radius,
        seed=args.seed,
        limit=args.limit,
        only_tight=args.only_tight,
        sets=_listed(args.sets),
        device=pick(args.device).type,
        overwrite=args.overwrite,
    )
    rows = keypoints.run_keypoints(read_manifest(args.manifest), options, reporter)
    print(json.dumps(keypoints.to_json(rows), indent=1) if args.json else f"{keypoints.text(rows)}\n→ {args.out}")
    return 0


def _listed(names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in names.split(",") if part.strip()))
