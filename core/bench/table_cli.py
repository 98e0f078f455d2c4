"""`sarto bench-table`: the arguments and what is done with them."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from ..contract import OptionError, OutputError, Reporter
from . import compare
from .finished import read_finished
from .manifest import read_manifest

DESCRIPTION = """\
Put what `sarto bench` has written into one Markdown table per protocol: a row per method, on tight and on all
pairs of each manifest, with 95 % intervals; the best in bold where its lead is beyond chance.
"""

EXAMPLES = """\
examples:
  sarto bench-table out/bench
  sarto bench-table out/bench/tar out/bench/structural --set Sentinel=data/sentinel/manifest.csv --out table.md
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sarto bench-table`."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folders", nargs="+", metavar="DIR", help="folders with results, in them or below them")
    parser.add_argument("--out", metavar="FILE", help="file for the tables (default: they are printed)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=MANIFEST",
        help="how the pairs of a manifest are called; its file, or its digest as in summary.md; can be repeated",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it is there")


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Run what the arguments ask for; returns the exit code. Raises the contract's errors."""
    names = dict(_named(text) for text in args.set)
    out = Path(args.out) if args.out else None
    if out is not None and out.exists() and not args.overwrite:
        raise OutputError(f"'{out}' exists already.", "Choose another file or give --overwrite.")
    found = compare.tables(read_finished([Path(folder) for folder in args.folders], names))
    if out is not None:
        try:
            out.write_text(compare.markdown(found), encoding="utf-8")
        except OSError as error:
            raise OutputError(f"The tables cannot be written to {out}: {error}.") from error
    if args.json:
        print(json.dumps(compare.to_json(found), indent=1))
    else:
        print(compare.markdown(found) if out is None else f"→ {out}")
    return 0


def _named(text: str) -> tuple[str, str]:
    """(digest, name) of NAME=MANIFEST."""
    name, sign, manifest = text.partition("=")
    if not (sign and name.strip() and manifest):
        raise OptionError(f"--set {text} does not name a manifest.", "Write NAME=MANIFEST.")
    digest = manifest if re.fullmatch("[0-9a-f]{12}", manifest) else read_manifest(manifest).digest
    return digest, name.strip()
