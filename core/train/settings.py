"""What the settings of all training runs share: files, limits, and the course of the learning rate."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..contract import InputError, OptionError, from_dict

Settings = TypeVar("Settings")

FOLDER = Path(__file__).with_name("configs")
"""Settings that come with Sarto: of TAR tar (the shipped network), tar-small, tar-no-text, tar-gpu, tar-local; of
PromptMID promptmid-1 and promptmid-2, its two stages, promptmid-2-tuned, promptmid-2-longer, promptmid-2-more
and promptmid-2-muon, which go on from there one after the other, and promptmid-full-1 and -2 of the full size."""
PRECISIONS = ("auto", "float32", "bfloat16", "float16")


class Course:
    """How the learning rate goes. Settings have `steps`, `warmup`, `cooldown` and `rate`."""

    steps: int
    warmup: int
    cooldown: float
    rate: float

    def rate_at(self, step: int) -> float:
        """Learning rate: a short warm-up, constant, then linear to zero."""
        end = self.steps * self.cooldown
        rising = (step + 1) / max(self.warmup, 1)
        return self.rate * min(1.0, rising, max(0.0, (self.steps - step) / max(end, 1.0)))


def read_settings(path: Path) -> Any:
    """The JSON of a file of settings. Raises InputError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"The settings {path} cannot be read: {error}.", "Give a JSON file.") from error


def find_settings(name: str) -> Path:
    """The file of that path, or else the settings of that name that come with Sarto. Raises OptionError."""
    shipped = FOLDER / f"{name}.json"
    if Path(name).is_file() or not shipped.is_file():
        if not Path(name).is_file():
            known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.json")))
            raise OptionError(f"There are no settings '{name}'.", f"Give a JSON file, or one of: {known}.")
        return Path(name)
    return shipped


def parsed(kind: type[Settings], values: Any, what: str) -> Settings:
    """Settings from plain values. Raises OptionError that says what does not fit."""
    if isinstance(values, dict) and not isinstance(values.get("network", {}), dict):
        raise wrong(what, "network", values["network"], "Give its fields.")
    try:
        settings: Settings = from_dict(kind, values)
    except InputError as error:
        raise OptionError(f"{what} do not fit. {error.message}", "docs/training.md lists all fields.") from error
    return settings


def check_limits(named: Mapping[str, Any], limits: Mapping[str, tuple[float, float]], what: str) -> None:
    """Raise OptionError for the first number, or number of a list, that lies outside its limits."""
    for name, (low, high) in limits.items():
        value = named[name]
        for number in value if isinstance(value, tuple) else (value,):
            if not (math.isfinite(number) and low <= number <= high):
                raise wrong(what, name, value, f"Use {low:g} to {high:g}.")


def wrong(what: str, name: str, value: object, way_out: str) -> OptionError:
    """The error for a field's value."""
    return OptionError(f"{what} have {value!r} for '{name}'.", way_out)
