"""The settings of a training run of TAR, and the files that hold them.

The paper prints no schedule; these are our own, found on two CPU cores.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Union

from ..matching.passes.network import FINE_CELL, STRIDE
from ..matching.passes.tiles import STRIDE as LOCAL_STRIDE
from ..matching.tar.config import TarConfig
from .optimiser import ADAMW, OPTIMISERS
from .settings import PRECISIONS, Course, check_limits, parsed, read_settings, wrong

LOCAL_CELL = FINE_CELL * LOCAL_STRIDE
"""Pixels between the places of local windows."""

LIMITS: dict[str, tuple[float, float]] = {
    "steps": (1, 10_000_000),
    "warmup": (0, 100_000),
    "cooldown": (0, 1),
    "rate": (1e-7, 0.1),
    "decay": (0, 1),
    "pairs": (1, 1024),
    "side": (64, 1024),
    "local_pairs": (1, 1024),
    "local_side": (64, 1024),
    "coarse_weight": (0, 1000),
    "window_weight": (0, 1000),
    "local_weight": (0, 1000),
    "text_weight": (0, 1000),
    "text_from": (0, 10_000_000),
    "text_left_out": (0, 0.9),
    "average": (0, 0.999999),
    "seed": (0, 2**31 - 1),
    "network.stem": (4, 512),
    "network.widths": (4, 1024),
    "network.blocks": (0, 12),
    "network.coarse": (4, 512),
    "network.local": (4, 256),
    "network.dilations": (1, 16),
    "network.heads": (1, 32),
    "network.rounds": (0, 12),
    "network.window": (1, 9),
    "network.text_dim": (1, 8192),
}
"""Smallest and largest value of each number, of each number of a list. Beyond lies nothing that can be meant."""


@dataclass(frozen=True)
class TarTraining(Course):
    """Settings of `sarto train tar`.

    network: its size. steps: length of the run.
    warmup: steps over which the learning rate rises to `rate`; it falls to zero over the last `cooldown` share.
    decay: weight decay.
    pairs, side: pairs per step for the coarse matching, and side of their windows in pixels; local_pairs,
    local_side: of those for the local features, which share nothing with it.
    coarse_weight, window_weight, text_weight, local_weight: of the losses; see `coarse_losses` and `local_loss`.
    A part whose weights are all 0 is left out, and stays as it is.
    text_from: step from which text features take part; text_left_out: share of steps without them after that, so
    that the network can do without. average: decay of the averaged weights, which are shipped.
    seed: of the network and of every batch. sets: only pairs of these sets of the manifest, () = all.
    precision: of the network's arithmetic; "auto" is bfloat16 where the device has it, else float16 on CUDA.
    optimiser: "adamw" or "muon", see `optimiser`.
    """

    network: TarConfig = field(default_factory=TarConfig)
    steps: int = 20000
    warmup: int = 200
    cooldown: float = 0.3
    rate: float = 1e-3
    decay: float = 0.02
    pairs: int = 8
    side: int = 160
    local_pairs: int = 8
    local_side: int = 128
    coarse_weight: float = 1.0
    window_weight: float = 1.0
    local_weight: float = 1.0
    text_weight: float = 0.1
    text_from: int = 0
    text_left_out: float = 0.2
    average: float = 0.999
    seed: int = 1
    sets: tuple[str, ...] = ()
    precision: str = "auto"
    optimiser: str = ADAMW

    @staticmethod
    def read(path: Path) -> TarTraining:
        """Read a JSON file of settings; what it leaves out keeps its default. Raises InputError, OptionError."""
        return TarTraining.from_json(read_settings(path), f"The settings {path.name}")

    @staticmethod
    def from_json(values: Any, what: str = "The settings") -> TarTraining:
        """The reverse of `to_json`; raises OptionError that names the field where the values make no sense."""
        settings = parsed(TarTraining, values, what)
        given = values.get("network", {})
        for name in ("widths", "blocks", "local", "window"):
            if name in given and len(given[name]) != len(getattr(settings.network, name)):
                raise wrong(what, f"network.{name}", given[name], "It has too few or too many numbers.")
        check(settings, what)
        return settings

    def to_json(self) -> dict[str, Any]:
        """As plain values, for JSON and for checkpoints."""
        return asdict(self)

    @property
    def has_coarse(self) -> bool:
        """Whether the coarse matching is trained."""
        return max(self.coarse_weight, self.window_weight, self.text_weight) > 0

    @property
    def has_local(self) -> bool:
        """Whether the local features are trained."""
        return self.local_weight > 0


def check(settings: TarTraining, what: str = "The settings") -> None:
    """Raise OptionError that names the first field whose value makes no sense, and what does."""
    named = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name != "network"}
    named |= {f"network.{f.name}": getattr(settings.network, f.name) for f in fields(settings.network)}
    check_limits(named, LIMITS, what)
    network = settings.network
    rules: tuple[tuple[str, Union[bool, int], str], ...] = (
        ("network.widths", len(network.widths) == 3, "Give three numbers."),
        ("network.blocks", len(network.blocks) == 3, "Give three numbers."),
        ("network.local", len(network.local) == 3, "Give three numbers."),
        ("network.dilations", 1 <= len(network.dilations) <= 8, "Give one to eight numbers."),
        (
            "network.window",
            len(network.window) == 2 and network.window[0] % 2,
            "Give an odd number of taps and a gap.",
        ),
        ("network.heads", network.widths[-1] % network.heads == 0, "It must divide the last of the widths."),
        ("side", settings.side % STRIDE == 0, f"Use a multiple of {STRIDE}."),
        ("local_side", settings.local_side % LOCAL_CELL == 0, f"Use a multiple of {LOCAL_CELL}."),
        ("local_weight", settings.has_coarse or settings.has_local, "Give one of the losses a weight."),
        ("precision", settings.precision in PRECISIONS, f"Use one of {', '.join(PRECISIONS)}."),
        ("optimiser", settings.optimiser in OPTIMISERS, f"Use one of {', '.join(OPTIMISERS)}."),
    )
    for name, fits, way_out in rules:
        if not fits:
            raise wrong(what, name, named[name], way_out)
