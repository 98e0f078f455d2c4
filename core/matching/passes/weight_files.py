"""Files of weights and their cards: what all learned methods check before they believe one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...contract import EngineError, MatchOptions

Tensors = dict[str, torch.Tensor]
WAY_OUT = "Install Sarto anew, or name another file of weights."
CARD_SUFFIX = ".json"
"""The results card beside a file of weights has its name with this ending; it holds the checksum, in groups of
eight digits (`grouped`): scanners for secrets take long numbers for passwords."""


def verify(path: Path) -> None:
    """Hold a file against the checksum on its card, where it has one. Raises EngineError."""
    card = read_card(path)
    if not card:
        return
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise EngineError(f"The weights '{path}' cannot be read: {error}.", WAY_OUT) from error
    if found != str(card.get("sha256")).replace(" ", ""):
        raise EngineError(
            f"The weights '{path}' are damaged: their checksum is not the one on their card.", WAY_OUT
        )


def grouped(digest: str) -> str:
    """A checksum as it stands on a card."""
    return " ".join(digest[i : i + 8] for i in range(0, len(digest), 8))


def read_card(path: Path) -> dict[str, Any]:
    """The results card of a file of weights; {} where there is none. Raises EngineError for a broken one."""
    card = path.with_suffix(CARD_SUFFIX)
    if not card.is_file():
        return {}
    try:
        content = json.loads(card.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"The card '{card}' cannot be read: {error}.", WAY_OUT) from error
    return dict(content)


def named_weights(given: Path | None, options: MatchOptions) -> Path | None:
    """The file of weights that a matcher was made with, else that which the user names; None = the shipped one."""
    return given or (Path(options.weights) if options.weights else None)


def signature(path: Path) -> str:
    """A file of weights by its name and the first digits of its SHA-256."""
    return f"{path.name} (SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}…)"


def fill(network: nn.Module, tensors: Tensors, path: Path) -> None:
    """Put a file's tensors into a network. Raises EngineError where they do not fit."""
    wanted = {k: v.shape for k, v in network.state_dict().items() if v.is_floating_point()}
    wrong = [k for k, shape in wanted.items() if k not in tensors or tensors[k].shape != shape]
    if wrong or len(tensors) != len(wanted):
        what = wrong[0] if wrong else "too many tensors"
        raise EngineError(f"'{path}' does not fit its network: {what}.", WAY_OUT)
    if not all(bool(torch.isfinite(v).all()) for v in tensors.values()):
        raise EngineError(f"'{path}' holds weights that are not numbers.", WAY_OUT)
    network.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)
