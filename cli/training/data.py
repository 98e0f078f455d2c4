"""`sarto train pack` and `sarto train align`: the data that networks learn from."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ...core.contract import Cancelled, OptionError
from ..console import Console
from .checks import as_path, check_positive, refuse_existing, split_list

SAVED_EVERY = 50
"""Pairs between writing what `align` has measured."""


def pack(args: argparse.Namespace, console: Console) -> int:
    """Pack training data into one file, for a machine without the data folder.

    Chips are encoded anew as WebP at the highest quality that fits; `sarto train tar --data` reads the file.

      sarto train pack --data train/manifest.csv --out train.pack --max-mb 55
    """
    from ...core.matching.files import write_whole
    from ...core.train.chips import list_pairs
    from ...core.train.pack import make_pack

    target = Path(args.out)
    refuse_existing(target, args.overwrite)
    if not 0 < args.max_mb < 100_000:
        raise OptionError(f"A pack cannot have at most {args.max_mb:g} MiB.", "Use a positive number.")
    listed = list_pairs(
        Path(args.data), split_list(args.sets), alignment=Path(args.alignment) if args.alignment else None
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


def align(args: argparse.Namespace, console: Console) -> int:
    """Measure how well the chips of a manifest lie on each other, for training with misaligned pairs.

    The file lists a shift and a weight for each pair; `sarto train tar --alignment` uses them in place of the
    manifest's. Pairs that cannot be measured get a weight of 0.25; those that the manifest calls misaligned, 0.

      sarto train align --data train/manifest.csv --out alignment.csv --jobs 2
    """
    from ...core.train.align import align as measure
    from ...core.train.alignment import read_alignment, write_alignment
    from ...core.train.chips import list_pairs

    check_positive(args, "jobs")
    target = Path(args.out)
    if not args.resume:
        refuse_existing(target, args.overwrite)
    rows = list(read_alignment(target).values()) if args.resume and target.exists() else []
    listed = list_pairs(Path(args.data), split_list(args.sets), least_weight=0.0)
    done = {row.pair_id for row in rows}
    pending = [one for one in listed if one.pair.pair_id not in done]
    reporter = console.reporter()
    try:
        for count, row in enumerate(measure(pending, args.method, as_path(args.weights), args.jobs), start=1):
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
