"""The frozen foundation models, loaded from the user's folder; never from the network.

Only safetensors are read: a file of any other kind is not looked at. A tensor that is missing or has another shape
than the model's own configuration says is an error: the libraries would make it up and go on.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ....contract import EngineError
from . import folder as files

PACKAGES = {"diffusers": "diffusers", "transformers": "transformers"}
_INSTALL = "Install what the full size needs: pip install 'sarto[full]'."
_UNUSED = ("text_model.embeddings.position_ids", "embeddings.position_ids", "embeddings.mask_token")
LATENT_CHANNELS, LATENT_CELL = 4, 8


@dataclass(frozen=True)
class Foundation:
    """Stable Diffusion's U-net, autoencoder, text encoder and tokenizer, its noise schedule, and DINOv2.

    digest: see `folder.digest`.
    """

    unet: Any
    vae: Any
    text: Any
    tokenizer: Any
    schedule: Any
    vision: Any
    digest: str

    @property
    def models(self) -> tuple[nn.Module, ...]:
        """What has weights."""
        return self.unet, self.vae, self.text, self.vision

    @property
    def unet_channels(self) -> tuple[int, ...]:
        """Of the decoder's blocks, from the coarsest."""
        return tuple(reversed(self.unet.config.block_out_channels))


def package(name: str) -> Any:
    """An optional package. Raises EngineError where it is missing or does not work."""
    try:
        return import_module(name)
    except (ImportError, RuntimeError, OSError) as error:
        raise EngineError(f"The package '{name}' cannot be used here: {error}.", _INSTALL) from error


def open_foundation(folder: Path, device: torch.device, digest: str | None = None) -> Foundation:
    """Load all models, frozen, half precision on CUDA. digest: of the files; None = they are read for it.

    Raises EngineError where a package or a file is missing, damaged or not what the name says.
    """
    diffusers, transformers = package("diffusers"), package("transformers")
    files.needed(folder)
    kind = torch.float16 if device.type == "cuda" else torch.float32
    with _quiet(diffusers, transformers):
        found = Foundation(
            _model(folder, "unet", diffusers.UNet2DConditionModel, kind),
            _model(folder, "vae", diffusers.AutoencoderKL, kind),
            _model(folder, "text_encoder", transformers.CLIPTextModel, kind),
            _open(folder / "tokenizer", transformers.CLIPTokenizer.from_pretrained),
            _open(folder / "scheduler", diffusers.DDIMScheduler.from_pretrained),
            _model(folder, "dinov2", transformers.Dinov2Model, kind),
            digest or files.digest(files.inspect(folder)),
        )
    _check(found, folder)
    for model in found.models:
        model.requires_grad_(False).eval().to(device)
    return found


def _model(folder: Path, name: str, kind: Any, dtype: torch.dtype) -> Any:
    """A model from its sub-folder, complete."""
    options: dict[str, Any] = {"torch_dtype": dtype, "use_safetensors": True, "output_loading_info": True}
    if files.is_half(folder, name):
        options["variant"] = "fp16"
    model, told = _open(folder / name, kind.from_pretrained, **options)
    wrong = [str(key) for key in told.get("missing_keys", ()) if str(key) not in _UNUSED]
    wrong += [str(key) for key in told.get("mismatched_keys", ())]
    if wrong:
        raise EngineError(
            f"The model in '{folder / name}' does not fit its own config.json: "
            f"{len(wrong)} tensors are missing or of another shape, among them '{wrong[0]}'.",
            files.WAY_OUT,
        )
    return model


def _open(path: Path, read: Any, **options: Any) -> Any:
    try:
        return read(str(path), local_files_only=True, **options)
    except Exception as error:  # libraries that raise whatever the file makes them stumble over
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise EngineError(f"The model in '{path}' cannot be loaded: {reason}", files.WAY_OUT) from error


def _check(found: Foundation, folder: Path) -> None:
    """What the method takes for granted. Raises EngineError."""
    unet, vae = found.unet.config, found.vae.config
    words = found.text.config.hidden_size
    rules = (
        (
            unet.in_channels == unet.out_channels == LATENT_CHANNELS,
            "unet",
            f"{LATENT_CHANNELS} channels in and out",
        ),
        (len(unet.block_out_channels) == 4, "unet", "four levels"),
        (unet.cross_attention_dim == words, "unet", f"prompts of length {words}, as its text encoder makes them"),
        (vae.latent_channels == LATENT_CHANNELS, "vae", f"{LATENT_CHANNELS} latent channels"),
        (2 ** (len(vae.block_out_channels) - 1) == LATENT_CELL, "vae", f"latent cells of {LATENT_CELL} pixels"),
        (found.schedule.config.prediction_type == "epsilon", "scheduler", "predicted noise ('epsilon')"),
    )
    for fits, model, wanted in rules:
        if not fits:
            raise EngineError(
                f"The model in '{folder / model}' is no Stable Diffusion 1.5: {wanted}.", files.WAY_OUT
            )


@contextlib.contextmanager
def _quiet(diffusers: Any, transformers: Any) -> Iterator[None]:
    """The libraries' progress bars and advice would go to the console of QGIS or between our own lines."""
    kept = [logging.getLogger(name).level for name in PACKAGES]
    for name in PACKAGES:
        logging.getLogger(name).setLevel(logging.ERROR)
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
    try:
        yield
    finally:
        for name, level in zip(PACKAGES, kept):
            logging.getLogger(name).setLevel(level)
