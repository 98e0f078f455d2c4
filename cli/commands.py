"""What each command does. The docstrings are shown by `--help`."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from ..core.bench import cli as bench_cli
from ..core.bench import doubts_cli, keypoints_cli, table_cli
from ..core.contract import (
    RESAMPLING,
    MatchOptions,
    ModelOptions,
    OptionError,
    OutputOptions,
    RadiometryOptions,
    RegisterJob,
    RegisterResult,
    Verdict,
)
from ..core.matching import create
from ..core.pipeline import MatchesPairs, displacement_left, load_result, realign
from ..core.pipeline import register as run_register
from ..core.worker.client import WorkerClient
from .console import Console
from .options import add_dataclass, changed_options, read_dataclass, read_land_use_layer, read_layer

NOT_TRUSTED = 10
"""Exit status of a run that delivered a result which is not trusted."""

GCP_KINDS = ("gpkg", "points", "csv", "geojson", "land_cover", "painted", "record", "report")


def register(args: argparse.Namespace, console: Console) -> int:
    """Find GCPs between an optical and a SAR layer, align the SAR layer, and write everything.

    DIR gets aligned.tif, gcps.gpkg, gcps.points (QGIS Georeferencer), gcps.csv, gcps.geojson, record.json
    and report.html. The input files are never changed.

      sarto register --optical s2.tif --sar s1.tif --out results/
      sarto register --optical s2.tif --sar s1.tif --range 50 --model affine --out results/
      sarto register --optical s2.tif --sar s1.tif --scene harbour,river --out results/
      sarto register --from results/record.json --out again/
    """
    if args.record:
        if ignored := changed_options(args, ("record", "directory", "overwrite", "json", "quiet", "worker")):
            raise OptionError(
                f"Option '{ignored[0]}' would be ignored: --from takes it from the record.",
                "Leave it out, or give all options without --from.",
            )
        return _run(_job_of_record(args), args, console)
    if not args.optical or not args.sar:
        raise OptionError("Both layers are needed.", "Give --optical and --sar, or --from RECORD.")
    return _run(_job(args), args, console)


def match(args: argparse.Namespace, console: Console) -> int:
    """Find and check GCPs only: as `register`, without the aligned raster.

    sarto match --optical s2.tif --sar s1.tif --out results/
    """
    return _run(_job(args), args, console, GCP_KINDS)


def assess(args: argparse.Namespace, console: Console) -> int:
    """Measure how well two layers lie on each other; nothing is written.

    Tie points are looked for as in `register`. The displacement that is left between the layers is
    reported; the exit status says whether the measurement itself can be trusted.

      sarto assess --optical s2.tif --sar results/aligned.tif
    """
    result = _execute(_job(args), args, console, ())
    left = displacement_left(result)
    if left.count:
        console.log(
            f"The layers are off by {left.median:.2f} px (median), {left.rmse:.2f} px (RMS), "
            f"{left.ce90:.2f} px (90 %) at {left.count} tie points."
        )
    console.result(result)
    return _status(result)


def add_warp_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `sarto warp`."""
    group = parser.add_argument_group("warp")
    group.add_argument("--gcps", required=True, metavar="FILE", help="GCPs: .gpkg, .csv, .geojson or .points.")
    group.add_argument("--out", required=True, metavar="TIF", help="The aligned raster to write.")
    group.add_argument("--grid", default="reference", choices=("reference", "source"), help="Output grid.")
    group.add_argument("--resampling", default="bilinear", choices=RESAMPLING, help="Interpolation.")
    group.add_argument("--overwrite", action="store_true", help="Replace the raster if it is there.")
    add_dataclass(parser, "transform", ModelOptions, skip=("tolerance_px", "check_share"))


def warp(args: argparse.Namespace, console: Console) -> int:
    """Align the SAR layer with GCPs from a file, for example after editing them.

    With --model auto the transform is chosen as in `register`. Check points stay check points, but a .points
    file does not say which they are: all its points are fitted, and there is no held-out error.

    sarto warp --optical s2.tif --sar s1.tif --gcps results/gcps.gpkg --out aligned.tif
    """
    done = realign(
        read_layer(args, "optical"),
        read_layer(args, "sar"),
        args.gcps,
        args.out,
        read_dataclass(args, ModelOptions),
        OutputOptions(grid=args.grid, resampling=args.resampling, overwrite=args.overwrite),
        console.reporter(),
    )
    console.close()
    fit, check = done.fit, done.check
    if args.json:
        figures = {"model": done.model, "rmse_fit": fit.rmse, "rmse_check": check.rmse, "gcps": fit.count}
        shown = {key: value if value == value else None for key, value in figures.items()}
        print(json.dumps({**shown, "aligned": str(done.path)}))
    else:
        held = f"{check.count} held out, RMSE {check.rmse:.2f} px" if check.count else "no check points"
        print(f"{done.path}: {done.model} from {fit.count} GCPs, RMSE {fit.rmse:.2f} px; {held}.")
    return 0


def bench(args: argparse.Namespace, console: Console) -> int:
    """Measure methods on pairs with known truth."""
    return bench_cli.run(args, console.reporter())


def bench_table(args: argparse.Namespace, console: Console) -> int:
    """Compare methods in one table per protocol, from what finished benches have written."""
    return table_cli.run(args, console.reporter())


def bench_doubts(args: argparse.Namespace, console: Console) -> int:
    """List published alignments that several methods contradict with one voice."""
    return doubts_cli.run(args, console.reporter())


def bench_keypoints(args: argparse.Namespace, console: Console) -> int:
    """Measure how often optical and SAR images of one place give the same keypoints."""
    status = keypoints_cli.run(args, console.reporter())
    console.close()
    return status


def _status(result: RegisterResult) -> int:
    return NOT_TRUSTED if result.assessment.verdict is Verdict.NOT_TRUSTED else 0


def _job(args: argparse.Namespace) -> RegisterJob:
    return RegisterJob(
        reference=read_layer(args, "optical"),
        moving=read_layer(args, "sar"),
        area=args.area,
        gsd=args.gsd,
        radiometry=read_dataclass(args, RadiometryOptions),
        match=read_dataclass(args, MatchOptions),
        model=read_dataclass(args, ModelOptions),
        output=read_dataclass(args, OutputOptions),
        land_use_layer=read_land_use_layer(args),
    )


def _job_of_record(args: argparse.Namespace) -> RegisterJob:
    """The job of an earlier run; only the output folder and `--overwrite` are taken from this call."""
    job = load_result(Path(args.record)).job
    directory = args.directory or job.output.directory
    return replace(job, output=replace(job.output, directory=directory, overwrite=args.overwrite))


def _run(
    job: RegisterJob, args: argparse.Namespace, console: Console, kinds: tuple[str, ...] | None = None
) -> int:
    result = _execute(job, args, console, kinds)
    console.result(result)
    return _status(result)


def _execute(
    job: RegisterJob, args: argparse.Namespace, console: Console, kinds: tuple[str, ...] | None
) -> RegisterResult:
    with ExitStack() as stack:
        matcher: MatchesPairs = create(job.match.method)
        if args.worker:
            matcher = stack.enter_context(WorkerClient(log=console.log))
        wanted = {} if kinds is None else {"kinds": kinds}
        reporter = console.reporter()
        reporter.check()  # loading the method takes a while
        return run_register(job, matcher, reporter, **wanted)
