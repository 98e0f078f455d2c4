"""`sarto text-bank`: the prompt library as features, once and for all."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..core.contract import OptionError, OutputError
from ..core.matching.prompts import load_library
from ..core.matching.text import TextEncoder, build_bank, save_bank
from .console import Console

ENCODERS = ("sentence", "remoteclip")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `sarto text-bank`."""
    group = parser.add_argument_group("text bank")
    group.add_argument("--out", required=True, metavar="BANK", help="The bank to write (.safetensors).")
    group.add_argument(
        "--encoder", default=ENCODERS[0], choices=ENCODERS, help="What reads the prompts (default: sentence)."
    )
    group.add_argument("--checkpoint", metavar="FILE", help="RemoteCLIP's checkpoint (.pt or .safetensors).")
    group.add_argument(
        "--architecture", metavar="NAME", help="ViT-B-32 or ViT-L-14 (default: what the checkpoint's shapes say)."
    )
    group.add_argument(
        "--prompts", metavar="FOLDER", help="scenes.json and land_cover.json (default: Sarto's own)."
    )
    group.add_argument("--overwrite", action="store_true", help="Replace the bank if it is there.")


def run(args: argparse.Namespace, console: Console) -> int:
    """Turn the prompt library into features, for training a network that reads text.

    The bank holds one vector per entry and sensor. A network works only with the very bank it was trained with;
    the digest that is printed ties them together. The encoders need more packages: pip install 'sarto[text]'.

      sarto text-bank --out bank.safetensors
      sarto text-bank --out bank.safetensors --encoder remoteclip --checkpoint RemoteCLIP-ViT-B-32.pt
    """
    path = Path(args.out)
    if path.suffix != ".safetensors":
        raise OptionError(f"'{path}' is no name for a text bank.", "Let it end in .safetensors.")
    if path.exists() and not args.overwrite:  # before the encoder loads
        raise OutputError(f"'{path}' exists already.", "Choose another name or give --overwrite.")
    library = load_library(args.prompts)
    encoder = _encoder(args)
    console.log(f"Encoding {len(library.scenes)} scenes and {len(library.land_cover)} land covers …")
    bank = build_bank(library, encoder)
    save_bank(bank, path, args.overwrite)
    if args.json:
        facts = {"encoder": bank.encoder, "dimension": bank.dimension, "digest": bank.digest}
        counts = {"scenes": len(bank.scene_names), "land_covers": len(bank.cover_names)}
        print(json.dumps({"bank": str(path), **facts, **counts, "prompts_digest": library.digest}))
    else:
        size = f"{len(bank.scene_names)} scenes and {len(bank.cover_names)} land covers"
        print(f"{path}: {size}, {bank.dimension} features each, by {bank.encoder}; digest {bank.digest}.")
    return 0


def _encoder(args: argparse.Namespace) -> TextEncoder:
    """The encoder asked for; torch and its friends are imported only here."""
    if args.encoder == "remoteclip":
        if not args.checkpoint:
            raise OptionError("RemoteCLIP needs a checkpoint.", "Give --checkpoint FILE.")
        from ..core.matching.text.remoteclip import RemoteClipEncoder

        return RemoteClipEncoder(Path(args.checkpoint), args.architecture)
    for option in ("checkpoint", "architecture"):
        if getattr(args, option):
            raise OptionError(
                f"Option '--{option}' belongs to --encoder remoteclip.", "Give both, or leave it out."
            )
    from ..core.matching.text.sentence import SentenceEncoder

    return SentenceEncoder()
