"""Optical features: coarse ones of DINOv2, frozen, and fine ones of VGG19, which go on learning."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ....contract import EngineError
from . import folder as files

CONVOLUTIONS = (2, 2, 4, 4)
"""Of VGG19's levels, up to 1/8 (Simonyan and Zisserman, 2015); the fifth is not taken."""
_UNREADABLE = (
    OSError, EOFError, RuntimeError, ValueError, AttributeError, SafetensorError, pickle.UnpicklingError
)  # fmt: skip
COARSE = 8
"""Pixels per token of DINOv2: images are shown at the size at which its patches are as large."""


def tokens(vision: Any, image: Tensor) -> Tensor:
    """DINOv2's features (B, channels, H / 8, W / 8) of levelled images (B, bands, H, W), one band thrice."""
    bands, (rows, columns) = image.shape[1], (side // COARSE for side in image.shape[-2:])
    patch = int(vision.config.patch_size)
    picture = functional.interpolate(
        image[:, [min(k, bands - 1) for k in range(3)]].float(),
        size=(rows * patch, columns * patch),
        mode="bicubic",
        align_corners=False,
    )
    with torch.no_grad(), torch.autocast(image.device.type, enabled=False):
        seen: Tensor = vision(pixel_values=picture.to(vision.dtype)).last_hidden_state
    return seen[:, 1:].float().transpose(1, 2).reshape(len(image), -1, rows, columns)


class VggBranch(nn.Module):
    """VGG19 up to 1/8, named as in torchvision (`features.0.weight` …). widths: channels of its four levels."""

    def __init__(self, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.ends: list[int] = []
        inside = 3
        for level, (count, width) in enumerate(zip(CONVOLUTIONS, widths)):
            if level:
                layers.append(nn.MaxPool2d(2))
            for _ in range(count):
                layers += [nn.Conv2d(inside, width, 3, padding=1), nn.ReLU(inplace=False)]
                inside = width
            self.ends.append(len(layers) - 1)
        self.features = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> dict[int, Tensor]:
        """Features (B, width, H / scale, W / scale) by scale (1, 2, 4, 8) of levelled images (B, bands, H, W)."""
        bands = image.shape[1]
        x = image[:, [min(k, bands - 1) for k in range(3)]]
        found = {}
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.ends:
                found[1 << self.ends.index(number)] = x
        return found


def fill_vgg(branch: VggBranch, folder: Path) -> None:
    """Give a branch VGG19's published weights from the folder. Raises EngineError where none there fit."""
    path = _vgg_file(folder)
    found = _tensors(path)
    wanted = branch.state_dict()
    wrong = [name for name, value in wanted.items() if name not in found or found[name].shape != value.shape]
    if wrong:
        raise EngineError(f"'{path}' holds no VGG19: '{wrong[0]}' is missing or of another shape.", files.WAY_OUT)
    branch.load_state_dict({name: found[name] for name in wanted})


def _vgg_file(folder: Path) -> Path:
    named = [folder / "vgg19.safetensors", *sorted(folder.glob("vgg19*.pth"))]
    for path in named:
        if path.is_file():
            return path
    raise EngineError(f"The foundation models in '{folder}' lack VGG19 ('vgg19.safetensors').", files.WAY_OUT)


def _tensors(path: Path) -> dict[str, Tensor]:
    """Tensors only; anything else in the file is refused before it runs."""
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(str(path)))
        content = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): value for name, value in content.items() if torch.is_tensor(value)}
    except _UNREADABLE as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise EngineError(f"VGG19's weights '{path}' cannot be read: {reason}.", files.WAY_OUT) from error
