"""What each command does. The docstrings are shown by `--help`."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.bench import cli as bench_cli
from ..core.contract import (
    CHECK,
    GCP,
    RESAMPLING,
    GcpTable,
    InputError,
    MatchOptions,
    ModelOptions,
    OptionError,
    OutputError,
    OutputOptions,
    RadiometryOptions,
    RegisterJob,
    RegisterResult,
    Verdict,
    check_options,
    from_dict,
)
from ..core.geometry import choose_model, refit, summary
from ..core.matching import REACH, create
from ..core.pipeline import MatchesPairs
from ..core.pipeline import register as run_register
from ..core.raster import Scene, input_files, read_gcps, target_grid, write_aligned
from ..core.raster.analysis_grid import gsd_in
from ..core.worker.client import WorkerClient
from .console import Console
from .options import add_dataclass, changed_options, read_dataclass, read_layer

NOT_TRUSTED = 10
"""Exit status of a run that delivered a result which is not trusted."""

GCP_KINDS = ("gpkg", "points", "csv", "geojson", "record", "report")


def register(args: argparse.Namespace, console: Console) -> int:
    """Find GCPs between an optical and a SAR layer, align the SAR layer, and write everything.

    DIR gets aligned.tif, gcps.gpkg, gcps.points (QGIS Georeferencer), gcps.csv, gcps.geojson, record.json
    and report.html. The input files are never changed.

      sarto register --optical s2.tif --sar s1.tif --out results/
      sarto register --optical s2.tif --sar s1.tif --range 50 --model affine --out results/
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
    table = result.gcps
    if result.moving_grid == result.reference_grid and len(table):
        left = summary(table.moving_px - table.reference_px, table.enabled)
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
    reporter = console.reporter()
    options = read_dataclass(args, ModelOptions)
    check_options(options)
    _refuse_inputs(args)
    with (
        Scene(read_layer(args, "optical"), "optical") as reference,
        Scene(read_layer(args, "sar"), "SAR") as moving,
    ):
        table = _stored_table(args, reference, moving)
        model = options.model
        if model == "auto":
            chosen = table.enabled
            model = choose_model(
                table.reference_px[chosen],
                table.moving_px[chosen],
                table.role[chosen] == CHECK,
                options.tolerance_px,
                smoothing=options.smoothing,
                reach=REACH,
            ).model
        transform, table = refit(table, model, options.smoothing)
        grid = target_grid(
            args.grid, reference.grid, moving, transform.apply, table.reference_grid, table.moving_grid
        )
        path = write_aligned(
            read_layer(args, "sar"),
            transform.apply,
            table.reference_grid,
            table.moving_grid,
            grid,
            Path(args.out),
            args.resampling,
            reporter,
            args.overwrite,
        )
    console.close()
    fit, check = summary(table.residual_px, table.used(GCP)), summary(table.residual_px, table.used(CHECK))
    if args.json:
        figures = {"model": model, "rmse_fit": fit.rmse, "rmse_check": check.rmse, "gcps": fit.count}
        shown = {key: value if value == value else None for key, value in figures.items()}
        print(json.dumps({**shown, "aligned": str(path)}))
    else:
        held = f"{check.count} held out, RMSE {check.rmse:.2f} px" if check.count else "no check points"
        print(f"{path}: {model} from {fit.count} GCPs, RMSE {fit.rmse:.2f} px; {held}.")
    return 0


def bench(args: argparse.Namespace, console: Console) -> int:
    """Measure methods on pairs with known truth."""
    return bench_cli.run(args, console.reporter())


def _status(result: RegisterResult) -> int:
    return NOT_TRUSTED if result.assessment.verdict is Verdict.NOT_TRUSTED else 0


def _stored_table(args: argparse.Namespace, reference: Scene, moving: Scene) -> GcpTable:
    """The GCPs of a file, in the pixels in which `register` measures: of the coarser layer, or each its own."""
    stored = read_gcps(args.gcps, moving.is_georeferenced)
    grid, moving_grid = reference.grid, moving.grid
    if reference.is_georeferenced and moving.is_georeferenced:
        grid = moving_grid = grid.resampled(max(grid.gsd, gsd_in(moving, grid.crs)))
    reference_px, moving_px = stored.on_grids(moving, grid, moving_grid)
    count = len(stored)
    return GcpTable(
        reference_grid=grid,
        moving_grid=moving_grid,
        reference_px=reference_px,
        moving_px=moving_px,
        confidence=np.ones(count),
        round_trip=np.full(count, np.nan),
        residual_px=np.full((count, 2), np.nan),
        enabled=stored.enabled,
        role=stored.role,
    )


def _refuse_inputs(args: argparse.Namespace) -> None:
    """Raises OutputError where the raster would be written over a file that is read."""
    out = Path(args.out)
    if not out.exists():
        return
    for what, files in (
        ("the GCP file", {Path(args.gcps)}),
        ("an input layer", input_files(args.optical) | input_files(args.sar)),
    ):
        if any(file.exists() and out.samefile(file) for file in files):
            raise OutputError(f"'{args.out}' is {what}.", "Choose another name.")


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
    )


def _job_of_record(args: argparse.Namespace) -> RegisterJob:
    """The job of an earlier run; only the output folder and `--overwrite` are taken from this call."""
    try:
        data = json.loads(Path(args.record).read_text(encoding="utf-8"))
        job = from_dict(RegisterResult, data).job
    except (OSError, ValueError, InputError) as error:
        raise InputError(f"'{args.record}' is not a record of a run: {error}", "Give a record.json.") from error
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
