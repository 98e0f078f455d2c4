"""`sarto bench`: the arguments and what is done with them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..contract import MatchOptions, ModelOptions, OptionError, Reporter
from .manifest import read_manifest
from .methods import VARIANTS, MethodOptions
from .protocols import PROTOCOLS
from .runner import BenchOptions, run_bench

DESCRIPTION = """\
Measure methods on optical-SAR pairs whose true transform is known.

The manifest is a CSV with the columns pair_id, optical, sar and optionally truth (six numbers separated by blanks,
the rows of a 2x3 affine, optical pixel -> SAR pixel; identity if absent), set, tight (1 = good to a pixel) and
region. The protocol cuts a random 3/4 window of each optical chip and warps the SAR chip by a known transform;
all methods see the same images. Results: pairs.csv, summary.json, summary.md;
`sarto bench-table` compares those of several runs.
"""

EXAMPLES = """\
examples:
  sarto bench pairs.csv --method structural --protocol georef --out out/bench
  sarto bench pairs.csv --method structural,peer:sift --protocol tar,shuffled --out out/bench --limit 50
  sarto bench pairs.csv --method structural --protocol tar --out out/control --control
  sarto bench --reliability out/bench/structural/tar out/bench/structural/shuffled
  sarto bench-table out/bench
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sarto bench`."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("manifest", nargs="?", help="CSV of the pairs; paths in it are relative to it")
    parser.add_argument(
        "--method",
        help=f"methods, separated by commas: Sarto's, peer:NAME, or at other keypoints or with a part left out: "
        f"{', '.join(VARIANTS)}",
    )
    parser.add_argument("--protocol", help=f"protocols, separated by commas: {', '.join(PROTOCOLS)}")
    parser.add_argument(
        "--out", help="folder for the results; DIR/METHOD/PROTOCOL if there are several methods or protocols"
    )
    parser.add_argument("--range", help="search range: georef, promptmid, tar, wild or pixels of shift "
                        "(default: the protocol's own; georef for shuffled and none)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of windows, warps and methods (default: 0)")
    parser.add_argument("--limit", type=int, help="run so many pairs only, spread over the manifest")
    parser.add_argument("--only-tight", action="store_true", help="only pairs with a good published alignment")
    parser.add_argument("--sets", default="", help="only these sets, separated by commas")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1; more disturb the timing)")
    parser.add_argument("--no-consistency", action="store_true", help="skip the second warp of each pair")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument("--samples", help="folder where the images are kept (default: OUT/samples)")
    parser.add_argument("--control", action="store_true", help="speckle in place of SAR: must score at chance")
    parser.add_argument("--ties", action="store_true", help="write every tie point with its error (ties.csv.gz)")
    parser.add_argument("--model", default=ModelOptions.model, help="transform model (default: %(default)s)")
    parser.add_argument("--points", type=int, default=MatchOptions.points, help="tie points to look for at most")
    parser.add_argument("--device", default=MatchOptions.device, help="auto, cpu or cuda")
    parser.add_argument("--weights", default="", help="a learned method's weights (default: the shipped ones)")
    parser.add_argument("--reliability", nargs="+", metavar="DIR",
                        help="print how reliable confidence and evidence of finished benches are")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Run what the arguments ask for; returns the exit code (0, or 130 if it was interrupted).

    Raises the contract's errors.
    """
    if args.reliability:
        return _reliability(args)
    for name in ("manifest", "method", "protocol", "out"):
        if not getattr(args, name):
            shown = "a manifest" if name == "manifest" else f"--{name}"
            raise OptionError(f"`sarto bench` needs {shown}.", "See `sarto bench --help` for examples.")
    manifest = read_manifest(args.manifest)
    runs = list(_options(args))
    found = []
    for options in runs:
        result = run_bench(manifest, options, reporter)
        found.append(result)
        if not args.json:
            print(result.text(), end="\n\n", flush=True)
        if result.interrupted:
            break
    if args.json:
        json.dump([r.to_json() for r in found], sys.stdout, indent=1)
        print()
    return 130 if any(r.interrupted for r in found) else 0


def _options(args: argparse.Namespace) -> list[BenchOptions]:
    """One run per method and protocol."""
    methods, protocols = _listed(args.method), _listed(args.protocol)
    out = Path(args.out)
    several = len(methods) * len(protocols) > 1
    return [
        BenchOptions(
            method=method,
            protocol=protocol,
            out=out / method.replace(":", "-") / protocol if several else out,
            range=args.range,
            seed=args.seed,
            limit=args.limit,
            only_tight=args.only_tight,
            sets=tuple(_listed(args.sets)),
            jobs=args.jobs,
            consistency=not args.no_consistency,
            resume=args.resume,
            samples=Path(args.samples) if args.samples else out / "samples",
            control=args.control,
            ties=args.ties,
            engine=MethodOptions(args.device, args.points, args.model, args.seed, args.weights),
        )
        for method in methods
        for protocol in protocols
    ]


def _listed(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _reliability(args: argparse.Namespace) -> int:
    from .calibrate import read_reliability

    result = read_reliability([Path(folder) for folder in args.reliability], args.only_tight)
    print(json.dumps(result.to_json(), indent=1) if args.json else result.text())
    return 0
