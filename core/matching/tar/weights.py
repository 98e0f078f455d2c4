"""Files of weights: half precision, safetensors, with the network's size and the text bank inside."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ...contract import EngineError
from ..files import write_whole
from ..passes.calibration import Calibration
from ..passes.views import Model, TileView
from ..passes.weight_files import WAY_OUT, fill, verify
from ..text.bank import TextBank, check_tied
from .config import TarConfig
from .network import TarNetwork
from .tafe import TextFeatures

FORMAT, VERSION = "sarto-tar", "4"
SHIPPED = Path(__file__).resolve().parents[3] / "resources" / "models" / "tar.safetensors"
SHUFFLE_SEED = 0


@dataclass(frozen=True)
class TarModel(Model):
    """A network of TAR. text: the text features that it reads, None = it works without; cover_names: of its land
    covers."""

    text: TextFeatures | None = None
    cover_names: tuple[str, ...] = ()

    def words_for(self, views: list[TileView], size: tuple[int, int]) -> TextFeatures | None:
        """The same text for all tiles."""
        return self.text

    @property
    def record(self) -> dict[str, Any]:
        return {"text": "used" if self.text is not None else "not used"}


def save_weights(
    path: Path,
    state: dict[str, torch.Tensor],
    config: TarConfig,
    bank: TextBank | None,
    calibration: Calibration | None = None,
) -> str:
    """Write weights; the file appears whole or not at all. Returns its SHA-256. Raises OutputError."""
    tensors = {f"net.{k}": v.detach().cpu().half().contiguous() for k, v in state.items() if v.is_floating_point()}
    metadata = {"format": FORMAT, "version": VERSION, "config": json.dumps(config.to_json())}
    if calibration is not None:
        metadata["calibration"] = json.dumps(calibration.to_json())
    if bank is not None:
        arrays, facts = bank.to_tensors()
        tensors |= {name: torch.from_numpy(values) for name, values in arrays.items()}
        metadata |= facts | {"text_digest": bank.digest}
    content = save(tensors, metadata)
    write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def load_model(
    path: Path | None, device: torch.device, scenes: tuple[str, ...] = (), text: str = "full"
) -> TarModel:
    """The network ready to use; kept in memory for the next call.

    path: None = the shipped weights. scenes: names of scenes that the text is narrowed to, () = all.
    text: "full"; for ablations "none" leaves it out, "shuffled" puts the features of other words in their place.
    Raises EngineError for a file that is missing, damaged or of another kind.
    """
    target = path or SHIPPED
    try:
        changed = target.stat().st_mtime_ns
    except OSError as error:
        raise EngineError(f"The weights '{target}' are missing.", WAY_OUT) from error
    network, bank, calibration = _load(target, changed, str(device))
    if bank is None or text == "none":
        return TarModel(network, device, calibration)
    chosen = (bank.shuffled(SHUFFLE_SEED) if text == "shuffled" else bank).select(scenes)
    features = [torch.from_numpy(values).to(device) for values in (chosen.scenes, chosen.covers)]
    return TarModel(network, device, calibration, TextFeatures(*features), bank.cover_names)


def read_bank(path: Path | None = None) -> TextBank | None:
    """The text bank inside a file of weights; None where they were trained without text."""
    target = path or SHIPPED
    return read_weights(target).bank


@dataclass(frozen=True)
class WeightsFile:
    """What a file of weights holds; tensors by their names in the network."""

    tensors: dict[str, torch.Tensor]
    bank: TextBank | None
    config: TarConfig
    calibration: Calibration


@lru_cache(maxsize=4)
def _load(path: Path, changed: int, device: str) -> tuple[TarNetwork, TextBank | None, Calibration]:
    """`changed` takes part in the key only: a file that was replaced is read again."""
    file = read_weights(path)
    network = TarNetwork(file.config)
    if file.bank is not None and network.text is None:
        raise EngineError(f"'{path}' holds a text bank, but its network reads no text.", WAY_OUT)
    fill(network, file.tensors, path)
    network.requires_grad_(False).eval()
    network = network.to(torch.device(device)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, file.bank, file.calibration


def read_weights(path: Path) -> WeightsFile:
    """Read and check a file. Raises EngineError where it is missing, damaged or of another kind."""
    verify(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            if metadata.get("format") != FORMAT or metadata.get("version") != VERSION:
                raise EngineError(
                    f"'{path}' holds no weights of TAR that this version reads.",
                    "Export them anew from a run of this version (sarto train export), or install Sarto anew.",
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config = TarConfig.from_json(json.loads(metadata["config"]))
        calibration = Calibration.from_json(json.loads(metadata.get("calibration", "{}")))
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise EngineError(f"The weights '{path}' cannot be read: {error}.", WAY_OUT) from error
    bank = None
    if "text_digest" in metadata:
        bank = TextBank.from_tensors(tensors, metadata, f"'{path}'")
        check_tied(bank, metadata["text_digest"], f"The weights '{path}'")
    own = {k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")}
    return WeightsFile(own, bank, config, calibration)


def with_text_dimension(config: TarConfig, bank: TextBank) -> TarConfig:
    """The configuration for a bank's length of features."""
    return replace(config, text=True, text_dim=bank.dimension)
