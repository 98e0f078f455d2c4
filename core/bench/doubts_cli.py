"""`sarto bench-doubts`: the arguments and what is done with them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..contract import InputError, Reporter
from . import doubts
from .finished import read_finished
from .manifest import read_manifest
from .protocols import WARPS

DESCRIPTION = """\
Which published alignments are in doubt: pairs on which most results of several methods, under several protocols,
say the same to about a pixel, but not what is published; and how many misses of each run are of that kind. Only
methods as users have them take part: no controls, no parts left out, no other weights.
"""

EXAMPLES = """\
examples:
  sarto bench pairs.csv --method structural,tar,promptmid --protocol georef,tar,promptmid --out out/bench
  sarto bench-doubts pairs.csv out/bench
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sarto bench-doubts`."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("manifest", help="CSV of the pairs that the benches saw")
    parser.add_argument("folders", nargs="+", metavar="DIR", help="folders with results, in them or below them")


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Run what the arguments ask for; returns the exit code. Raises the contract's errors."""
    manifest, folders = read_manifest(args.manifest), [Path(folder) for folder in args.folders]
    runs = [run for run in read_finished(folders) if run.is_plain and run.protocol in WARPS]
    runs = [run for run in runs if run.manifest == manifest.digest and run.protocol != "shuffled"]
    if not runs:
        raise InputError(
            f"No result in {', '.join(args.folders)} is of the pairs of {manifest.path.name}.",
            "Give the manifest that the benches saw, and benches of whole methods.",
        )
    found = doubts.voices(manifest, runs)
    if args.json:
        print(json.dumps(doubts.to_json(found), indent=1))
    else:
        print(doubts.markdown(found, runs), end="")
    return 0
