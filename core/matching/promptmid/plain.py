"""The learnable branch: plain convolutions in VGG's manner; the paper takes VGG19's for fine optical features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PlainBranch(nn.Module):
    """Features at 1/2, 1/4 and so on, as many as there are widths."""

    def __init__(self, bands: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.bands = bands
        first, second, *further = widths
        self.first = nn.Conv2d(bands + 1, first, 3, stride=2, padding=1, bias=False)
        self.at_half = nn.Sequential(_normed(first), _convolution(first, first))
        self.at_quarter = _level(first, second)
        self.further = nn.ModuleList([_level(a, b) for a, b in zip([second, *further], further)])

    def forward(self, image: Tensor, valid: Tensor) -> dict[int, Tensor]:
        """Features (B, width, H / scale, W / scale) by scale of levelled images (B, any bands, H, W).

        Of many bands the first ones are looked at; of too few, the last one more than once.
        """
        bands = image.shape[1]
        image = image[:, [min(k, bands - 1) for k in range(self.bands)]]
        half = self.at_half(self.first(torch.cat([image, valid], dim=1)))
        found = {2: half, 4: self.at_quarter(half)}
        for number, level in enumerate(self.further):
            found[8 << number] = level(found[4 << number])
        return found


def _normed(width: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))


def _convolution(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, 3, padding=1, bias=False), _normed(outside))


def _level(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(nn.MaxPool2d(2), _convolution(inside, outside), _convolution(outside, outside))
