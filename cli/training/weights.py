"""`sarto train plot`, `export`, `calibrate` and `prompts`: what becomes of a run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ...core.contract import OptionError
from ..console import Console
from .checks import as_path, check_positive, refuse_existing


def plot(args: argparse.Namespace, console: Console) -> int:
    """Draw the learning curves of a training run as PNG. While training they are drawn at every check.

    sarto train plot run/
    """
    from ...core.train.curves import draw_curves

    path = draw_curves(Path(args.folder), Path(args.out) if args.out else None)
    print(json.dumps({"curves": str(path)}) if args.json else path)
    return 0


def export(args: argparse.Namespace, console: Console) -> int:
    """Write the averaged weights of a checkpoint as its method reads them, with their results card.

    The card (JSON) lies beside the weights under their name: settings, data sets, figures, checksum. Fit their
    calibration next, with `sarto train calibrate`: without one the method trusts none of its results.

      sarto train export --from run/checkpoint.pt --out weights.safetensors
    """
    from ...core.matching.text import load_bank
    from ...core.train.export import export as write

    target = Path(args.out)
    if target.suffix != ".safetensors":
        raise OptionError(f"'{target}' is no name for weights.", "Let it end in .safetensors.")
    refuse_existing(target, args.overwrite)
    bank = load_bank(args.bank) if args.bank else None
    more = (as_path(args.card), as_path(args.models), as_path(args.local_from))
    card = write(Path(args.start), target, bank, *more)
    if args.json:
        print(json.dumps({"weights": str(target), **card}))
    else:
        size = target.stat().st_size / 1e6
        print(f"{target}: {size:.1f} MB after {card['steps']} steps; SHA-256 {card['sha256'][:8]}…")
    return 0


def calibrate(args: argparse.Namespace, console: Console) -> int:
    """Fit what the figures of weights are worth: when to trust a result, and each tie point.

    Pairs of the manifest, and the same with SAR images of other places, are registered under random warps. The
    calibration is written into the weights and onto their card.

      sarto train calibrate --weights weights.safetensors --data train/manifest.csv
    """
    from ...core.train.calibrate import calibrate as fit
    from ...core.train.export import put_calibration

    check_positive(args, "pairs", "jobs")
    weights = Path(args.weights)
    calibration, record = fit(weights, Path(args.data), args.pairs, args.seed, args.jobs, console.reporter())
    console.close()
    card = put_calibration(weights, calibration, record)
    if args.json:
        print(json.dumps({"weights": str(weights), "sha256": card["sha256"], **record}))
    else:
        print(f"{weights}: {', '.join(f'{name} {count}' for name, count in record.items())}.")
    return 0


def prompts(args: argparse.Namespace, console: Console) -> int:
    """Measure what words are worth to a network: right ones against wrong ones against none, on the same windows.

    For `tar`, its text features, the same given to other words, and none; for `promptmid`, prompts of pairs whose
    region names a land use. Losses: less is better; shares (right): more is.

      sarto train prompts --weights weights.safetensors --data val/manifest.csv
    """
    from ...core.train.data import read_held_out
    from ...core.train.device import pick
    from ...core.train.prompt_worth import prompt_worth
    from ...core.train.text_worth import text_worth
    from ...core.train.weights import method_of

    check_positive(args, "batches")
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
