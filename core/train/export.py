"""From a checkpoint to a file of weights that ships, with its results card."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..contract import InputError, OptionError, OutputError, to_dict
from ..matching.files import write_whole
from ..matching.passes.calibration import Calibration
from ..matching.passes.weight_files import CARD_SUFFIX, grouped, read_card
from ..matching.promptmid.sizes import make_network
from ..matching.tar.network import TarNetwork
from ..matching.text.bank import TextBank
from .checkpoint import Checkpoint, check_fits, read
from .promptmid_config import PromptMidTraining
from .tar_config import TarTraining
from .tar_step import LOCAL_NAMES
from .weights import Weights, read_weights, save_weights

LARGEST = 65504.0
"""The largest number in half precision."""


def export(
    checkpoint: Path,
    target: Path,
    bank: TextBank | None = None,
    card: Path | None = None,
    models: Path | None = None,
    local: Path | None = None,
) -> dict[str, Any]:
    """Write the averaged weights of a checkpoint in half precision, and their results card. Returns the card.

    bank: the text bank it was trained with, needed where the checkpoint does not hold it (written before it did).
    models: folder of the foundation models, for PromptMID's full size.
    local: another checkpoint of the same network of TAR, whose local part is taken in place of this one's.
    card: also written here; the one beside the weights holds the checksum that loading them insists on.
    A calibration is fitted afterwards, `calibrate_weights`: without one, the method trusts none of its results.
    Raises InputError for a checkpoint that cannot be used, OptionError for a bank that is missing or another one,
    OutputError.
    """
    found = read(checkpoint)
    settings, network = _trained(found, models)
    check_fits(network, found.average, checkpoint)
    other = None
    if local is not None:
        other = read(local)
        if "stage" in found.settings or "stage" in other.settings:
            raise OptionError("Only TAR's network has a local part of its own.", "Leave --local-from away.")
        check_fits(network, other.average, local)
        found = _with_local_part(found, other)
    largest = max(float(v.abs().max()) for v in found.average.values() if v.is_floating_point())
    if largest > LARGEST:
        raise InputError(f"{checkpoint} holds a weight of {largest:.3g}: too large for half precision.")
    if isinstance(settings, TarTraining):
        chosen = _bank_of(found, settings, bank)
        weights = Weights("tar", found.average, settings.network, chosen)
    else:
        weights = Weights("promptmid", found.average, settings.network)
    _discard_card(target)
    digest = save_weights(target, weights)
    content: dict[str, Any] = to_dict(_card(found, settings, network, weights, digest))
    if other is not None:
        own = {k: v for k, v in other.settings.items() if k != "network"}
        part = {"steps": other.step, "seconds": round(other.facts.seconds), "settings": own}
        part["trained on"] = _named(other.facts.sets)
        content["local part"] = to_dict(part)
    write_card(target.with_suffix(CARD_SUFFIX), content)
    if card is not None:
        write_card(card, content)
    return content


def _with_local_part(found: Checkpoint, other: Checkpoint) -> Checkpoint:
    """A checkpoint of TAR with the local part of another one, and the figures of both."""
    average = {k: other.average[k] if k.startswith(LOCAL_NAMES) else v for k, v in found.average.items()}
    figures = {k: v for k, v in found.facts.figures.items() if not k.startswith("local")}
    figures |= {k: v for k, v in other.facts.figures.items() if k.startswith("local")}
    return replace(found, average=average, facts=replace(found.facts, figures=figures))


def _trained(found: Checkpoint, models: Path | None) -> tuple[TarTraining | PromptMidTraining, nn.Module]:
    """The settings of a checkpoint, and a network of their kind."""
    what = f"The settings in {found.path}"
    if "stage" not in found.settings:
        tar = TarTraining.from_json(found.settings, what)
        return tar, TarNetwork(tar.network)
    settings = PromptMidTraining.from_json(found.settings, what)
    if settings.stage != 2:
        raise InputError(
            f"{found.path} is of the first stage: its descriptors are not trained.", "Export the second stage."
        )
    return settings, make_network(settings.network, models, torch.device("cpu"))


def _bank_of(found: Checkpoint, settings: TarTraining, bank: TextBank | None) -> TextBank | None:
    if not settings.network.text:
        return None
    if found.bank is not None and bank is not None and found.bank.digest != bank.digest:
        raise OptionError(
            f"{found.path} was trained with text bank {found.bank.digest}, not with {bank.digest}.",
            "Leave --bank out: the checkpoint holds its own.",
        )
    chosen = found.bank or bank
    if chosen is None:
        raise OptionError(f"{found.path} does not hold the text bank it was trained with.", "Give it with --bank.")
    return chosen


def _card(
    found: Checkpoint,
    settings: TarTraining | PromptMidTraining,
    network: nn.Module,
    weights: Weights,
    digest: str,
) -> dict[str, Any]:
    """The results card. Data sets by name and count: a card travels, and says nothing of the machine's folders."""
    values = settings.to_json()
    sizes = values.pop("network")
    facts = found.facts
    told = {} if weights.method == "promptmid" else {"text": None if weights.bank is None else _text(weights.bank)}
    return {
        "method": weights.method,
        "sha256": grouped(digest),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "steps": found.step,
        "seconds": round(facts.seconds),
        "network": {name: grouped(v) if name == "prompts" else v for name, v in sizes.items()},
        "parameters": sum(v.numel() for v in network.parameters()),
        "settings": values,
        **told,
        "trained on": _named(facts.sets),
        "held out": _named(facts.held_out),
        "figures": facts.figures,
        "versions": versions(),
    }


def _text(bank: TextBank) -> dict[str, Any]:
    counts = {"scenes": len(bank.scene_names), "land covers": len(bank.cover_names)}
    return {"encoder": bank.encoder, "digest": grouped(bank.digest), **counts}


def _named(counts: dict[str, int]) -> dict[str, int]:
    return {name or "unnamed": count for name, count in sorted(counts.items())}


def versions() -> dict[str, str]:
    """Of what weights are made with."""
    try:
        own = version("sarto")
    except PackageNotFoundError:
        own = "unknown"
    return {
        "sarto": own,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }


def write_card(path: Path, content: dict[str, Any]) -> None:
    """Write a card; it appears whole or not at all. Raises OutputError."""
    write_whole(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def _discard_card(weights: Path) -> None:
    """A card of other weights would make the new ones look damaged, were the work stopped in between."""
    try:
        weights.with_suffix(CARD_SUFFIX).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"The old card of '{weights}' cannot be removed: {error.strerror}.") from error


def put_calibration(weights: Path, calibration: Calibration, record: dict[str, Any]) -> dict[str, Any]:
    """Write a calibration into a file of weights and on its card, with the record of the fit. Returns the card.

    Raises EngineError for weights that cannot be read, OutputError.
    """
    file = read_weights(weights)
    card = read_card(weights)
    _discard_card(weights)
    digest = save_weights(weights, file, calibration)
    card |= {"sha256": grouped(digest), "calibration": record}
    write_card(weights.with_suffix(CARD_SUFFIX), card)
    return card
