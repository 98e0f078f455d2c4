"""`sarto train`: its parts and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

from .console import Console
from .training import data, runs, weights

_MODELS = "Foundation models of PromptMID's full size (docs/promptmid-full.md); without: the compact one."
_ALIGNMENT = "Offsets and weights by `sarto train align`, in place of the manifest's."


class Command(NamedTuple):
    """A command of `sarto train`."""

    name: str
    help: str
    run: Callable[[argparse.Namespace, Console], int]
    add_arguments: Callable[[argparse.ArgumentParser], None]


def _add_tar(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("training").add_argument
    add(
        "--config",
        default="tar",
        metavar="FILE",
        help="Settings (JSON), or tar, tar-small, tar-no-text, tar-local, tar-gpu.",
    )
    add("--bank", metavar="BANK", help="Text bank, for a network that reads text.")
    _add_run(add)


def _add_promptmid(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("training").add_argument
    add("--stage", required=True, type=int, choices=(1, 2), help="1: the diffusion model; 2: the descriptors.")
    add("--config", metavar="FILE", help="Settings (JSON; default: by the stage and the size).")
    add("--models", metavar="FOLDER", help=_MODELS)
    add("--backbone", metavar="FILE", help="EfficientNet-Lite0's weights (default: the installed package's).")
    _add_run(add)


def _add_run(add: Callable[..., argparse.Action]) -> None:
    """What all training has."""
    add("--data", required=True, metavar="DATA", help="Manifest (CSV) or pack of the pairs to train with.")
    add("--out", required=True, metavar="FOLDER", help="Folder of the run.")
    add("--held-out", metavar="DATA", help="Manifest or pack of pairs to check on, of other places.")
    add("--alignment", metavar="CSV", help=_ALIGNMENT)
    add("--resume", action="store_true", help="Go on with the folder's run, if it has one.")
    add("--from", dest="start", metavar="FILE", help="Start from weights, or from a checkpoint of another run.")
    add("--minutes", type=float, metavar="N", help="Stop after so many minutes, saved.")
    add("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="Where to train.")
    add("--threads", type=int, metavar="N", help="Threads of the processor (default: its cores).")
    add(
        "--workers",
        type=int,
        metavar="N",
        help="Processes that make batches; 0 = a thread (default: by the device).",
    )


def _add_pack(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("pack").add_argument
    add("--data", required=True, metavar="MANIFEST", help="Manifest (CSV) of the pairs.")
    add("--out", required=True, metavar="FILE", help="The pack to write.")
    add("--max-mb", type=float, default=55.0, metavar="N", help="Largest size in MiB (default: 55).")
    add("--sets", default="", help="Only these sets, separated by commas.")
    add("--alignment", metavar="CSV", help=_ALIGNMENT)
    add("--overwrite", action="store_true", help="Replace the pack if it is there.")


def _add_plot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="Folder of a training run.")
    parser.add_argument("--out", metavar="PNG", help="The picture (default: curves.png in the folder).")


def _add_export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("export").add_argument
    add("--from", dest="start", required=True, metavar="CHECKPOINT", help="Checkpoint of a training run.")
    add("--out", required=True, metavar="WEIGHTS", help="The weights to write (.safetensors).")
    add("--bank", metavar="BANK", help="Text bank, where the checkpoint does not hold it.")
    add("--models", metavar="FOLDER", help=_MODELS)
    add("--local-from", metavar="CHECKPOINT", help="Take the local part of tar from here (trained side by side).")
    add("--card", metavar="JSON", help="Write the results card here, too.")
    add("--overwrite", action="store_true", help="Replace weights and card if they are there.")


def _add_calibrate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("calibration").add_argument
    add(
        "--weights",
        required=True,
        metavar="FILE",
        help="The weights to calibrate (.safetensors); they are changed.",
    )
    add("--data", required=True, metavar="MANIFEST", help="Manifest (CSV) of pairs.")
    add("--pairs", type=int, default=400, metavar="N", help="Pairs to register, each twice (default: 400).")
    add("--seed", type=int, default=0, help="Seed of the choice and the warps (default: 0).")
    add("--jobs", type=int, default=1, help="Processes (default: 1).")


def _add_prompts(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("prompts").add_argument
    add("--weights", required=True, metavar="FILE", help="Weights of tar or promptmid (.safetensors).")
    add("--data", required=True, metavar="DATA", help="Manifest or pack of pairs that were not trained on.")
    add(
        "--batches",
        type=int,
        default=60,
        metavar="N",
        help="Batches, of eight pairs (promptmid: of four; default: 60).",
    )
    add("--seed", type=int, default=0, help="Seed of the windows (default: 0).")
    add("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="Where to compute.")


def _add_align(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("alignment").add_argument
    add("--data", required=True, metavar="MANIFEST", help="Manifest (CSV) of the pairs.")
    add("--out", required=True, metavar="CSV", help="The alignments to write.")
    add("--method", default="structural", help="Method that measures (default: structural).")
    add("--weights", metavar="FILE", help="Weights for --method tar (default: Sarto's own).")
    add("--sets", default="", help="Only these sets, separated by commas.")
    add("--jobs", type=int, default=1, help="Processes (default: 1).")
    add("--resume", action="store_true", help="Keep what the file has, and measure the other pairs.")
    add("--overwrite", action="store_true", help="Replace the file if it is there.")


COMMANDS = (
    Command("tar", "train a network of the method tar", runs.tar, _add_tar),
    Command("promptmid", "train the network of the method promptmid", runs.promptmid, _add_promptmid),
    Command("pack", "training data as one file, for another machine", data.pack, _add_pack),
    Command("align", "measure how well training pairs are aligned", data.align, _add_align),
    Command("plot", "draw the learning curves of a run", weights.plot, _add_plot),
    Command("export", "weights and results card from a checkpoint", weights.export, _add_export),
    Command("prompts", "what text and prompts are worth to weights", weights.prompts, _add_prompts),
    Command("calibrate", "fit when to trust what weights find", weights.calibrate, _add_calibrate),
)
