"""What networks of several methods are built of."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def levelled(values: Tensor, valid: Tensor) -> Tensor:
    """(B, C, H, W) with mean 0 and deviation 1 over the valid pixels (B, 1, H, W) of each channel, 0 elsewhere."""
    area = valid.sum((-2, -1), keepdim=True).clamp_min(1.0)
    centred = (values - (values * valid).sum((-2, -1), keepdim=True) / area) * valid
    return centred / (torch.sqrt(centred.square().sum((-2, -1), keepdim=True) / area) + 1e-3)


class Block(nn.Module):
    """Two 3 × 3 convolutions with a shortcut; the first with gaps of `dilation`."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def silence(self) -> None:
        """Pass on what comes from another block unchanged, until training says otherwise."""
        last = self.body[-1]
        assert isinstance(last, nn.BatchNorm2d)
        nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))
