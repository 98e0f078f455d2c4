"""Files of weights of both sizes: half precision, safetensors, with the network's configuration inside.

Those of `full` lie in the folder of the foundation models that they were trained with.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ...contract import EngineError
from ..files import write_whole
from ..land_use import load_land_use
from ..passes.calibration import Calibration
from ..passes.weight_files import WAY_OUT, fill, verify
from .network import DescriptorNetwork, NetworkConfig
from .sizes import config_of, make_network

FORMAT, VERSION = "sarto-promptmid", "1"
SHIPPED = Path(__file__).resolve().parents[3] / "resources" / "models" / "promptmid.safetensors"


@dataclass(frozen=True)
class WeightsFile:
    """What a file of weights holds; tensors by their names in the network."""

    tensors: dict[str, torch.Tensor]
    config: NetworkConfig
    calibration: Calibration


def save_weights(
    path: Path,
    state: dict[str, torch.Tensor],
    config: NetworkConfig,
    calibration: Calibration | None = None,
) -> str:
    """Write weights; the file appears whole or not at all. Returns its SHA-256. Raises OutputError."""
    tensors = {f"net.{k}": v.detach().cpu().half().contiguous() for k, v in state.items() if v.is_floating_point()}
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "config": json.dumps(config.to_json()),
        "calibration": json.dumps((calibration or Calibration()).to_json()),
    }
    content = save(tensors, metadata)
    write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def read_weights(path: Path) -> WeightsFile:
    """Read and check a file. Raises EngineError where it is missing, damaged or of another kind."""
    verify(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            if metadata.get("format") != FORMAT or metadata.get("version") != VERSION:
                raise EngineError(f"'{path}' holds no weights of PromptMID that this version reads.", WAY_OUT)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config = config_of(json.loads(metadata["config"]))
        calibration = Calibration.from_json(json.loads(metadata["calibration"]))
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise EngineError(f"The weights '{path}' cannot be read: {error}.", WAY_OUT) from error
    return WeightsFile({k.removeprefix("net."): v for k, v in tensors.items()}, config, calibration)


def load(path: Path | None, device: torch.device) -> tuple[DescriptorNetwork, Calibration]:
    """The network ready to use; kept in memory for the next call. path: None = the shipped weights.

    Raises EngineError for a file that is missing, damaged, of another kind, or made for other prompt texts; of the
    full size, also where the foundation models beside it do not fit.
    """
    target = path or SHIPPED
    try:
        changed = target.stat().st_mtime_ns
    except OSError as error:
        raise EngineError(f"The weights '{target}' are missing.", WAY_OUT) from error
    found = _load(target, changed, str(device))
    texts = load_land_use()
    if found[0].config.prompts != texts.digest:
        raise EngineError(
            f"The weights '{target}' were trained with other prompts (land_use.json {found[0].config.prompts}, "
            f"here {texts.digest}).",
            "Put the original file back (resources/prompts/land_use.json), or train anew.",
        )
    return found


@lru_cache(maxsize=2)
def _load(path: Path, changed: int, device: str) -> tuple[DescriptorNetwork, Calibration]:
    """`changed` takes part in the key only: a file that was replaced is read again."""
    file = read_weights(path)
    try:
        network = make_network(file.config, path.parent, torch.device(device))
    except (ValueError, TypeError, IndexError, RuntimeError, ZeroDivisionError) as error:
        raise EngineError(f"'{path}' says sizes that no network can have: {error}.", WAY_OUT) from error
    fill(network, file.tensors, path)
    network.requires_grad_(False).eval()
    network.to(torch.device(device)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, file.calibration
