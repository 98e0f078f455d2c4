"""The settings of a training run of PromptMID's compact network.

The paper trains its first stage (the diffusion model) with AdamW, batch 2, weight decay 0.01, 50 epochs, its
second (descriptors) with batch 1, weight decay 0.01, 20 epochs, on foundation models. The compact network starts
from nothing: its settings are our own, found on two CPU cores.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..matching.passes.network import FINE_CELL, STRIDE
from ..matching.passes.tiles import STRIDE as LOCAL_STRIDE
from ..matching.promptmid.config import PARTS, CompactConfig
from .settings import PRECISIONS, Course, check_limits, parsed, read_settings, wrong

LIMITS: dict[str, tuple[float, float]] = {
    "stage": (1, 2),
    "steps": (1, 10_000_000),
    "warmup": (0, 100_000),
    "cooldown": (0, 1),
    "rate": (1e-7, 0.1),
    "decay": (0, 1),
    "pairs": (1, 1024),
    "side": (64, 1024),
    "local_pairs": (1, 1024),
    "local_side": (64, 1024),
    "local_weight": (0, 1000),
    "land_use_weight": (0, 1000),
    "painting_weight": (0, 1000),
    "words_left_out": (0, 1),
    "pure_noise": (0, 1),
    "average": (0, 0.999999),
    "seed": (0, 2**31 - 1),
    "network.widths": (8, 1024),
    "network.heads": (1, 32),
    "network.time": (8, 1024),
    "network.text_dim": (1, 8192),
    "network.noise": (0, 1),
    "network.fine": (4, 512),
    "network.aggregate": (4, 512),
    "network.descriptor": (4, 512),
    "network.window": (1, 9),
    "network.low": (4, 256),
}
"""Smallest and largest value of each number, of each number of a list."""


@dataclass(frozen=True)
class PromptMidTraining(Course):
    """Settings of `sarto train promptmid`.

    stage: 1 trains the diffusion branch to paint the optical image; 2 trains all else.
    steps, warmup, cooldown, rate, decay, average, seed, sets, precision: as for TAR (`TarTraining`).
    pairs, side: pairs per step and side of their windows in pixels; local_pairs, local_side: of those for the
    low-level features (stage 2). local_weight, land_use_weight: of their loss and of the classifier's.
    painting_weight: of the loss of stage 1 in stage 2, in which the diffusion branch then goes on learning: its
    features come to tell apart what descriptors need while it still paints; 0 keeps it as it is (the paper).
    words_left_out: share of pairs that get the general prompt. pure_noise: share of pairs of stage 1 whose latent
    image is noise and nothing else, as it is when features are taken.
    """

    network: CompactConfig = field(default_factory=CompactConfig)
    stage: int = 1
    steps: int = 10000
    warmup: int = 100
    cooldown: float = 0.4
    rate: float = 1e-3
    decay: float = 0.01
    pairs: int = 8
    side: int = 160
    local_pairs: int = 4
    local_side: int = 128
    local_weight: float = 0.5
    land_use_weight: float = 0.1
    painting_weight: float = 0.0
    words_left_out: float = 0.25
    pure_noise: float = 0.7
    average: float = 0.998
    seed: int = 1
    sets: tuple[str, ...] = ()
    precision: str = "auto"

    @staticmethod
    def read(path: Path) -> PromptMidTraining:
        """Read a JSON file of settings; what it leaves out keeps its default. Raises InputError, OptionError."""
        return PromptMidTraining.from_json(read_settings(path), f"The settings {path.name}")

    @staticmethod
    def from_json(values: Any, what: str = "The settings") -> PromptMidTraining:
        """The reverse of `to_json`; raises OptionError that names the field where the values make no sense."""
        settings = parsed(PromptMidTraining, values, what)
        _check(settings, what)
        return settings

    def to_json(self) -> dict[str, Any]:
        """As plain values, for JSON and for checkpoints."""
        return asdict(self)


def _check(settings: PromptMidTraining, what: str) -> None:
    network = settings.network
    named = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name != "network"}
    named |= {f"network.{f.name}": getattr(network, f.name) for f in fields(network)}
    check_limits(named, LIMITS, what)
    paints = "diffusion" not in network.without
    rules = (
        ("network.widths", len(network.widths) == 4, "Give four numbers."),
        ("network.widths", all(w % 8 == 0 for w in network.widths), "Give multiples of 8."),
        ("network.heads", all(w % network.heads == 0 for w in network.widths[2:]), "It must divide the last two."),
        ("network.time", network.time % 4 == 0, "Use a multiple of 4."),
        ("network.window", len(network.window) == 2 and network.window[0] % 2 == 1, "Odd taps, and a gap."),
        ("network.fine", len(network.fine) == 2, "Give two numbers."),
        ("network.scales", bool(network.scales) and set(network.scales) <= {4, 8, 16}, "Use some of 4, 8, 16."),
        ("network.without", set(network.without) <= set(PARTS), f"Use some of {', '.join(PARTS)}."),
        ("stage", settings.stage == 2 or paints, "A network without diffusion has a second stage only."),
        ("painting_weight", not settings.painting_weight or paints, "Use 0 for a network without diffusion."),
        ("side", settings.side % STRIDE == 0, f"Use a multiple of {STRIDE}."),
        ("local_side", settings.local_side % STRIDE == 0, f"Use a multiple of {STRIDE}."),
        ("precision", settings.precision in PRECISIONS, f"Use one of {', '.join(PRECISIONS)}."),
    )
    assert STRIDE % (FINE_CELL * LOCAL_STRIDE) == 0
    for name, fits, way_out in rules:
        if not fits:
            raise wrong(what, name, named[name], way_out)
