"""The settings of a training run of TAR."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..contract import InputError
from ..matching.tar.config import TarConfig


@dataclass(frozen=True)
class TarTraining:
    """Settings of `sarto train tar`.

    steps: length of the run; the learning rate falls to zero over the last `cooldown` share of it.
    pairs, side, windows: pairs per step, side of a window in pixels, fine windows per pair.
    text_from: step from which text features take part. average: decay of the averaged weights, which are shipped.
    """

    network: TarConfig = field(default_factory=TarConfig)
    steps: int = 20000
    warmup: int = 200
    cooldown: float = 0.3
    rate: float = 1e-3
    decay: float = 0.02
    pairs: int = 8
    side: int = 160
    windows: int = 20
    coarse_weight: float = 1.0
    window_weight: float = 1.0
    fine_weight: float = 1.0
    text_weight: float = 0.1
    text_from: int = 0
    average: float = 0.999
    seed: int = 1
    sets: tuple[str, ...] = ()

    @staticmethod
    def read(path: Path) -> TarTraining:
        """Read a JSON file of settings; what it leaves out keeps its default. Raises InputError."""
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            network = TarConfig.from_json(values.pop("network", {}))
            values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            return TarTraining(network=network, **values)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"The settings {path} cannot be read: {error}.") from error

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def rate_at(self, step: int) -> float:
        """Learning rate: a short warm-up, constant, then linear to zero."""
        end = self.steps * self.cooldown
        return self.rate * min(1.0, (step + 1) / self.warmup, max(0.0, (self.steps - step) / max(end, 1.0)))
