"""RemoteCLIP's text tower, the encoder of TAR (arXiv 2605.12064), from a checkpoint that the user supplies.

RemoteCLIP (Liu et al., arXiv 2306.11029) is a CLIP trained on remote-sensing images; its checkpoints have the
names and shapes of OpenCLIP. TAR does not say which of them it uses. The architecture is that which the authors of
RemoteCLIP give: plain GELU, 77 tokens. Only the text tower is built; the image tower would only cost memory.

This is the only place that imports `open_clip`, and it does so late: few need it, and it needs a torchvision that
fits the installed torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch
from safetensors.torch import load_file

from ...contract import EngineError, OptionError
from .. import device as devices
from .protocol import Features

ARCHITECTURES = {"ViT-B-32": ((512, 512), 32), "ViT-L-14": ((768, 768), 14)}
"""Shape of the text projection (width, dimension) and patch size of the image tower."""

_TEXT = ("token_embedding.", "positional_embedding", "transformer.", "ln_final.", "text_projection")
_BATCH = 32
_WHICH = f"Take RemoteCLIP's checkpoint of {' or '.join(ARCHITECTURES)}."

Weights = dict[str, torch.Tensor]


class RemoteClipEncoder:
    """The frozen text tower of a RemoteCLIP checkpoint.

    checkpoint: `.pt` (tensors only: nothing in it is run) or `.safetensors`, as OpenCLIP saves it.
    architecture: "ViT-B-32" or "ViT-L-14"; None reads it off the shapes.
    device: "auto", "cpu" or "cuda".
    Raises EngineError where open_clip or the file is missing or the file does not fit.
    """

    def __init__(self, checkpoint: Path, architecture: Optional[str] = None, device: str = "auto") -> None:
        if architecture is not None and architecture not in ARCHITECTURES:
            raise OptionError(
                f"Architecture '{architecture}' is not known.", f"Known: {', '.join(ARCHITECTURES)}."
            )
        open_clip = _open_clip()
        weights = read_text_weights(Path(checkpoint))
        found = find_architecture(weights, architecture, Path(checkpoint))
        self.name = f"RemoteCLIP-{found}"
        self._device = devices.pick(device)
        tower = _tower(open_clip, found)
        _fill(tower, weights, f"Checkpoint '{checkpoint}'", found)
        self._tower = tower.requires_grad_(False).eval().to(self._device)
        self._tokenizer = open_clip.get_tokenizer(found)
        self.dimension: int = ARCHITECTURES[found][0][1]

    def encode(self, texts: Sequence[str]) -> Features:
        """Features (N, dimension), unit length. What goes beyond 77 tokens of a text does not count."""
        parts = [np.zeros((0, self.dimension), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(texts), _BATCH):
                tokens = self._tokenizer(list(texts[start : start + _BATCH])).to(self._device)
                parts.append(torch.nn.functional.normalize(self._tower(tokens).float(), dim=-1).cpu().numpy())
        return np.concatenate(parts)


def read_text_weights(path: Path) -> Weights:
    """The tensors of a checkpoint by OpenCLIP's names, without wrappers; of the image tower only the first layer.

    Raises EngineError; code in a pickle is refused, not run.
    """
    if not path.is_file():
        raise EngineError(f"Checkpoint '{path}' does not exist.", _WHICH)
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile pickle can end in an error of any kind
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EngineError(
            f"Checkpoint '{path}' could not be read as plain tensors: {first}",
            "It is damaged, or holds objects whose loading could run code. Fetch it again from its authors.",
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise EngineError(f"Checkpoint '{path}' holds a {type(content).__name__}, not named tensors.", _WHICH)
    tensors = {str(name).removeprefix("module."): tensor for name, tensor in content.items()}
    wanted = (*_TEXT, "visual.conv1.")
    return {n: t for n, t in tensors.items() if isinstance(t, torch.Tensor) and n.startswith(wanted)}


def find_architecture(weights: Weights, asked: Optional[str], path: Path) -> str:
    """The architecture that the shapes belong to. Raises EngineError if it is none, or not the one asked for."""
    shape = tuple(weights["text_projection"].shape) if "text_projection" in weights else None
    patch = weights["visual.conv1.weight"].shape[-1] if "visual.conv1.weight" in weights else None
    fits = [name for name, (text, size) in ARCHITECTURES.items() if text == shape and patch in (None, size)]
    if not fits or asked not in (None, *fits):
        known = {name: facts for name, facts in ARCHITECTURES.items() if asked in (None, name)}
        expected = " or ".join(f"{text} and {size} ({name})" for name, (text, size) in known.items())
        raise EngineError(
            f"Checkpoint '{path}' is no CLIP of {asked or 'a known architecture'}: its text projection and patch "
            f"size are {shape or 'missing'} and {patch or 'missing'}; expected {expected}.",
            _WHICH,
        )
    return fits[0]


def _open_clip() -> Any:
    try:
        import open_clip
    except ImportError as error:
        raise EngineError(
            f"RemoteCLIP needs open_clip, which could not be imported: {error}.",
            "Install it: pip install open_clip_torch.",
        ) from error
    except RuntimeError as error:  # a torchvision that was built for another torch
        raise EngineError(
            f"open_clip could not be imported: {error}.", "Install a torchvision that fits the installed torch."
        ) from error
    return open_clip


def _tower(open_clip: Any, architecture: str) -> torch.nn.Module:
    """An untrained text tower."""
    config = open_clip.get_model_config(architecture)
    text = config["text_cfg"]
    sizes = {name: text[name] for name in ("context_length", "vocab_size", "width", "heads", "layers")}
    tower: torch.nn.Module = open_clip.transformer.TextTransformer(**sizes, output_dim=config["embed_dim"])
    return tower


def _fill(tower: torch.nn.Module, weights: Weights, what: str, architecture: str) -> None:
    """Load all weights of the text tower or fail: none may be missing, left over or of another shape."""
    given = {name: tensor for name, tensor in weights.items() if name.startswith(_TEXT)}
    wanted = {name: tuple(tensor.shape) for name, tensor in tower.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in given.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise EngineError(
                f"{what} does not fit {architecture}: '{name}' should have shape {wanted.get(name, 'none')}, "
                f"not {found.get(name, 'none')}.",
                _WHICH,
            )
    broken = [name for name, tensor in given.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise EngineError(f"{what}: '{broken[0]}' has values that are not finite.", "Fetch the checkpoint again.")
    tower.load_state_dict({name: tensor.float() for name, tensor in given.items()})
