"""The settings of a training run of PromptMID, of both sizes.

The paper trains its first stage (the diffusion model) with AdamW, batch 2, weight decay 0.01, 50 epochs, its
second (descriptors) with batch 1, weight decay 0.01, 20 epochs, on foundation models: so does the full size. The
compact network starts from nothing: its settings are our own, found on two CPU cores.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..matching.passes.network import FINE_CELL, STRIDE
from ..matching.passes.tiles import STRIDE as LOCAL_STRIDE
from ..matching.promptmid.config import PARTS, CompactConfig
from ..matching.promptmid.full import SIZE, FullConfig
from ..matching.promptmid.network import NetworkConfig
from .optimiser import ADAMW, OPTIMISERS
from .settings import PRECISIONS, Course, check_limits, parsed, read_settings, wrong
from .windows import POSE

LIMITS: dict[str, tuple[float, float]] = {
    "stage": (1, 2),
    "steps": (1, 10_000_000),
    "epochs": (0, 10_000),
    "warmup": (0, 100_000),
    "cooldown": (0, 1),
    "rate": (1e-7, 0.1),
    "decay": (0, 1),
    "pairs": (1, 1024),
    "side": (64, 1024),
    "rotation": (0, 45),
    "scale": (1, 2),
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
    "network.moments": (0, 1),
    "network.painting": (1, 1000),
    "network.vgg": (4, 1024),
    "network.sar_fine": (4, 512),
}
"""Smallest and largest value of each number, of each number of a list."""


GIVEN_FIELDS = ("without", "text_dim", "encoder", "prompts", "foundation")
"""Fields of a network that are no sizes: parts left out, and what follows from what it is made with."""


@dataclass(frozen=True)
class PromptMidTraining(Course):
    """Settings of `sarto train promptmid`.

    stage: 1 trains the diffusion branch to paint the optical image; 2 trains all else.
    steps, warmup, cooldown, rate, decay, average, seed, sets, precision, optimiser: as for TAR (`TarTraining`).
    epochs: times through all pairs, from which steps are counted (`lasting`); 0 = steps are given.
    pairs, side: pairs per step and side of their windows in pixels; rotation, scale: most degrees and factor,
    either way, between the images of half of them (the others lie almost in place but for a shift); local_pairs,
    local_side: of those for the low-level features (all stage 2). local_weight, land_use_weight: of their loss and
    of the classifier's.
    painting_weight: of the loss of stage 1 in stage 2, in which the diffusion branch then goes on learning: its
    features come to tell apart what descriptors need while it still paints; 0 keeps it as it is (the paper).
    words_left_out: share of pairs that get the general prompt. pure_noise: share of pairs of stage 1 whose latent
    image is noise and nothing else, as it is when features are taken.
    """

    network: NetworkConfig = field(default_factory=CompactConfig)
    stage: int = 1
    steps: int = 10000
    epochs: int = 0
    warmup: int = 100
    cooldown: float = 0.4
    rate: float = 1e-3
    decay: float = 0.01
    pairs: int = 8
    side: int = 160
    rotation: float = POSE.rotation
    scale: float = 1.25
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
    optimiser: str = ADAMW

    @staticmethod
    def read(path: Path) -> PromptMidTraining:
        """Read a JSON file of settings; what it leaves out keeps its default. Raises InputError, OptionError."""
        return PromptMidTraining.from_json(read_settings(path), f"The settings {path.name}")

    @staticmethod
    def from_json(values: Any, what: str = "The settings") -> PromptMidTraining:
        """The reverse of `to_json`; raises OptionError that names the field where the values make no sense."""
        network = values.get("network") if isinstance(values, dict) else None
        full = isinstance(network, dict) and network.get("size") == SIZE
        settings = parsed(FullTraining if full else PromptMidTraining, values, what)
        _check(settings, what)
        return settings

    def to_json(self) -> dict[str, Any]:
        """As plain values, for JSON and for checkpoints."""
        return asdict(self)

    def lasting(self, chips: int) -> PromptMidTraining:
        """These settings with steps for as many epochs over so many pairs as they ask for."""
        if not self.epochs:
            return self
        return replace(self, steps=max(1, math.ceil(self.epochs * chips / self.pairs)))


@dataclass(frozen=True)
class FullTraining(PromptMidTraining):
    """Settings for the full size: AdamW, pairs per step, decay and epochs are the paper's, of its first stage.

    Rotation and scale (there 0.8–1, here either way) are those of its second. Its learning rates are not in the
    text at hand: ours is what ControlNet's authors train with.
    """

    network: FullConfig = field(default_factory=FullConfig)
    epochs: int = 50
    rate: float = 1e-5
    warmup: int = 500
    cooldown: float = 0.0
    pairs: int = 2
    side: int = 256
    rotation: float = 10.0
    local_pairs: int = 2
    pure_noise: float = 0.1
    average: float = 0.999


def check_network(settings: Path, network: NetworkConfig, source: Path) -> None:
    """Raise OptionError where a file of settings names another network than that of the weights in `source`.

    `GIVEN_FIELDS` may differ. What the file does not name is theirs.
    """
    given, own = read_settings(settings).get("network", {}), json.loads(json.dumps(network.to_json()))
    for name, value in given.items():
        if name not in GIVEN_FIELDS and own.get(name, value) != value:
            way_out = f"{source} is of a network with {own[name]}: give that, or leave the field out."
            raise wrong(f"The settings {settings.name}", f"network.{name}", value, way_out)


Rule = tuple[str, bool, str]
"""The field, whether it is as it should be, and the way out."""


def _check(settings: PromptMidTraining, what: str) -> None:
    network = settings.network
    named = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name != "network"}
    named |= {f"network.{f.name}": getattr(network, f.name) for f in fields(network)}
    check_limits(named, {name: limits for name, limits in LIMITS.items() if name in named}, what)
    rules: list[Rule] = [
        ("network.window", len(network.window) == 2 and network.window[0] % 2 == 1, "Odd taps, and a gap."),
        ("network.scales", bool(network.scales) and set(network.scales) <= {4, 8, 16}, "Use some of 4, 8, 16."),
        ("side", settings.side % STRIDE == 0, f"Use a multiple of {STRIDE}."),
        ("local_side", settings.local_side % STRIDE == 0, f"Use a multiple of {STRIDE}."),
        ("precision", settings.precision in PRECISIONS, f"Use one of {', '.join(PRECISIONS)}."),
        ("optimiser", settings.optimiser in OPTIMISERS, f"Use one of {', '.join(OPTIMISERS)}."),
    ]
    assert STRIDE % (FINE_CELL * LOCAL_STRIDE) == 0
    rules += _compact_rules(settings, network) if isinstance(network, CompactConfig) else _full_rules(network)
    for name, fits, way_out in rules:
        if not fits:
            raise wrong(what, name, named[name], way_out)


def _compact_rules(settings: PromptMidTraining, network: CompactConfig) -> list[Rule]:
    paints = "diffusion" not in network.without
    return [
        ("network.widths", len(network.widths) == 4, "Give four numbers."),
        ("network.widths", all(w % 8 == 0 for w in network.widths), "Give multiples of 8."),
        ("network.heads", all(w % network.heads == 0 for w in network.widths[2:]), "It must divide the last two."),
        ("network.time", network.time % 4 == 0, "Use a multiple of 4."),
        ("network.fine", len(network.fine) == 2, "Give two numbers."),
        ("network.without", set(network.without) <= set(PARTS), f"Use some of {', '.join(PARTS)}."),
        ("stage", settings.stage == 2 or paints, "A network without diffusion has a second stage only."),
        ("painting_weight", not settings.painting_weight or paints, "Use 0 for a network without diffusion."),
    ]


def _full_rules(network: FullConfig) -> list[Rule]:
    moments = network.moments
    falling = all(now > after for now, after in zip(moments, moments[1:]))
    return [
        ("network.moments", bool(moments) and falling, "Give falling numbers between 0 and 1."),
        ("network.vgg", len(network.vgg) == 4, "Give four numbers."),
        ("network.sar_fine", len(network.sar_fine) == 2, "Give two numbers."),
    ]
