"""Files of weights of all methods that are trained, under one roof: read, registered with, written anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Union

from safetensors import SafetensorError, safe_open

from ..contract import EngineError, Reporter
from ..matching.passes.calibration import Calibration, Limits
from ..matching.passes.match import Examined
from ..matching.passes.weight_files import WAY_OUT, Tensors
from ..matching.promptmid import matcher as promptmid
from ..matching.promptmid import weights as promptmid_weights
from ..matching.promptmid.network import NetworkConfig
from ..matching.protocol import MatchTask
from ..matching.tar import matcher as tar
from ..matching.tar import weights as tar_weights
from ..matching.tar.config import TarConfig
from ..matching.text.bank import TextBank


class Examiner(Protocol):
    """A matcher that also says by what its result is judged."""

    def examine(self, task: MatchTask, reporter: Reporter = ...) -> Examined: ...


@dataclass(frozen=True)
class Weights:
    """What a file holds. method: name of the method that reads it; bank: of TAR's text, if it reads any."""

    method: str
    tensors: Tensors
    config: Union[TarConfig, NetworkConfig]
    bank: TextBank | None = None


def read_weights(path: Path) -> Weights:
    """Read and check a file of weights of any method. Raises EngineError."""
    if method_of(path) == "promptmid":
        compact = promptmid_weights.read_weights(path)
        return Weights("promptmid", compact.tensors, compact.config)
    file = tar_weights.read_weights(path)
    return Weights("tar", file.tensors, file.config, file.bank)


def method_of(path: Path) -> str:
    """The method that a file of weights is for, by what it says of itself. Raises EngineError."""
    try:
        with safe_open(path, framework="pt") as file:
            kind = (file.metadata() or {}).get("format")
    except (OSError, SafetensorError) as error:
        raise EngineError(f"The weights '{path}' cannot be read: {error}.", WAY_OUT) from error
    return "promptmid" if kind == promptmid_weights.FORMAT else "tar"


def save_weights(path: Path, weights: Weights, calibration: Calibration | None = None) -> str:
    """Write weights; the file appears whole or not at all. Returns its SHA-256. Raises OutputError."""
    if isinstance(weights.config, TarConfig):
        return tar_weights.save_weights(path, weights.tensors, weights.config, weights.bank, calibration)
    return promptmid_weights.save_weights(path, weights.tensors, weights.config, calibration)


def examiner(path: Path, method: str, limits: Limits | None) -> Examiner:
    """A matcher with these weights. limits: see `Parts`."""
    if method == "promptmid":
        return promptmid.PromptMidMatcher(path, promptmid.Parts(limits=limits))
    return tar.TarMatcher(path, tar.Parts(limits=limits))
