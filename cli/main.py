"""`sarto`: register, match, warp, assess, bench and what reads its results, models, text-bank, train."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from ..core.bench import cli as bench_cli
from ..core.bench import doubts_cli, keypoints_cli, table_cli
from ..core.contract import Cancelled, SartoError
from . import commands, models, text_bank, train
from .commands import NOT_TRUSTED
from .console import Console
from .options import OPTION_GROUPS, add_dataclass, add_land_use_layer, add_layers

EXIT_CODES = f"""exit status:
  0    done; the result is trusted or usable with care
  {NOT_TRUSTED}   done, but the result is not trusted
  1    unexpected error              4    no transform could be found
  2    wrong option                  5    a result could not be written
  3    a layer cannot be used        6    the matching engine failed
  130  cancelled
"""

ABOUT = """Registers SAR images to optical images.

  sarto register --optical A.tif --sar B.tif --out results/
"""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        "sarto", description=ABOUT, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, help: str, run: Callable[[argparse.Namespace, Console], int], among: Any = actions
    ) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = among.add_parser(
            name,
            help=help,
            description=run.__doc__,
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(run=run, parser=sub, json=False, quiet=False)
        sub.add_argument("--quiet", action="store_true", help="No progress bars and no messages.")
        if run is not commands.bench:  # which has its own
            sub.add_argument(
                "--json", action="store_true", help="Print the result as JSON, without progress bars."
            )
        return sub

    register = command("register", "find GCPs, align the SAR layer, write everything", commands.register)
    register.add_argument(
        "--from", dest="record", metavar="RECORD", help="Repeat the run of a record.json, with its options."
    )
    match = command("match", "find and check GCPs only", commands.match)
    for sub in (register, match):
        add_layers(sub, required=sub is match)
        add_land_use_layer(sub)
        _add_extent(sub)
        for title, kind in OPTION_GROUPS:
            add_dataclass(sub, title, kind)
        _add_engine(sub)
    warp = command("warp", "align the SAR layer with GCPs from a file", commands.warp)
    add_layers(warp)
    commands.add_warp_arguments(warp)
    assess = command("assess", "measure how well two layers lie on each other", commands.assess)
    add_layers(assess)
    add_land_use_layer(assess)
    _add_extent(assess)
    for title, kind in OPTION_GROUPS[:3]:
        add_dataclass(assess, title, kind)
    _add_engine(assess)
    bench = command("bench", "measure methods on pairs with known truth", commands.bench)
    bench_cli.add_arguments(bench)
    table = command("bench-table", "compare methods in one table, from finished benches", commands.bench_table)
    table_cli.add_arguments(table)
    doubts = command(
        "bench-doubts", "list published alignments that several methods contradict", commands.bench_doubts
    )
    doubts_cli.add_arguments(doubts)
    keypoints = command(
        "bench-keypoints", "measure how often keypoints repeat between optical and SAR", commands.bench_keypoints
    )
    keypoints_cli.add_arguments(keypoints)
    checked = command("models", "check the foundation models of PromptMID's full size", models.run)
    models.add_arguments(checked)
    bank = command("text-bank", "turn the prompt library into features for training", text_bank.run)
    text_bank.add_arguments(bank)
    training = actions.add_parser("train", help="train a network, and what belongs to it")
    parts = training.add_subparsers(dest="part", required=True, metavar="PART")
    for part in train.COMMANDS:
        part.add_arguments(command(part.name, part.help, part.run, parts))
    return parser


def _add_extent(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("area and pixel size")
    group.add_argument("--area", default="", metavar="WKT", help="Polygon in the optical layer's CRS (WKT).")
    group.add_argument("--gsd", type=float, help="Pixel size for matching (default: the coarser layer's).")


def _add_engine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("engine")
    group.add_argument(
        "--worker", action="store_true", help="Match in a process of its own, as the QGIS plugin does."
    )


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    args = build_parser().parse_args(_joined(sys.argv[1:] if argv is None else argv))
    console = Console(args.json, args.quiet)
    try:
        with console.listening():
            status: int = args.run(args, console)
    except (Exception, KeyboardInterrupt) as error:
        console.close()
        message, hint, status = explain(error)
        if os.environ.get("SARTO_DEBUG"):
            traceback.print_exception(error)
        print(f"sarto: {message}", file=sys.stderr)
        if hint:
            print(f"       {hint}", file=sys.stderr)
    return status


def _joined(argv: list[str]) -> list[str]:
    """Options and negative numbers after them in one: argparse takes -1e20 and -inf for options by themselves."""
    joined: list[str] = []
    for text in argv:
        if joined and joined[-1].startswith("--") and "=" not in joined[-1] and _is_negative(text):
            joined[-1] += f"={text}"
        else:
            joined.append(text)
    return joined


def _is_negative(text: str) -> bool:
    try:
        return text.startswith("-") and float(text) < 0
    except ValueError:
        return False


def explain(error: BaseException) -> tuple[str, str, int]:
    """What the user reads about an error: message, way out, exit status."""
    if isinstance(error, KeyboardInterrupt):
        error = Cancelled()
    if isinstance(error, SartoError):
        return error.message, error.hint, error.exit_code
    if isinstance(error, MemoryError):
        return "unexpected error: the memory does not suffice.", "Use a coarser --gsd or a smaller --area.", 1
    text = str(error).strip().split("\n")[0]
    kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
    return f"unexpected error: {kind}{text}".rstrip(": "), "SARTO_DEBUG=1 shows where it happened.", 1
