"""TAFE: text-assisted feature enhancement.

The paper: text descriptors of scenes and of land cover, encoded by a frozen text encoder, enhance the
high-level visual features of both images through visual–text interaction. Our reading: each position of the 1/16
features asks the land-cover descriptors what it shows (cross-attention); the whole image asks the scene
descriptors. What they answer is added through gates that the network learns per position and channel, so that
it can decline where text does not help. What the land-cover descriptors answer also goes, ungated, to the
coarse features that are matched (`cfdm.CoarseHead`): a place that reads "river" in both images is matched as
such. Optical images are compared with the optical wordings, SAR images with the SAR wordings; what an entry
answers is the mean of both wordings, the same for both images, and that draws the modalities together.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .config import TarConfig

GATE_BIAS = -2.0
"""Gates begin almost closed: training starts from the visual features alone."""


class TextFeatures(NamedTuple):
    """Text features as tensors; axis 1 is (optical wording, SAR wording).

    scenes: (S, 2, D); covers: (C, 2, D); unit length.
    """

    scenes: Tensor
    covers: Tensor


class Attended(NamedTuple):
    """What TAFE returns.

    enhanced: (2B, channels, rows, columns); said: (2B, channels, rows, columns) what the land-cover descriptors
    answered, before the gate; covers: (2B, C, rows, columns) share of attention that each position
    pays to each land-cover descriptor; scenes: (2B, S) likewise for whole images.
    """

    enhanced: Tensor
    said: Tensor
    covers: Tensor
    scenes: Tensor


class _Interaction(nn.Module):
    """Cross-attention from visual queries to text, with a learned gate on the answer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(2 * width, width)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, GATE_BIAS)

    def forward(self, visual: Tensor, wordings: Tensor, meanings: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """visual: (B, N, W); wordings of the image's modality and meanings common to both: (B, T, W).

        Returns gated answers and the answers as they were (B, N, W), and attention (B, N, T).
        """
        normed = self.norm(visual)
        q, k, v = (self._split(t) for t in (self.query(normed), self.key(wordings), self.value(meanings)))
        weights = torch.softmax((q @ k.transpose(-1, -2)).float() / math.sqrt(q.shape[-1]), dim=-1)
        answer = (weights.to(v.dtype) @ v).transpose(1, 2).flatten(2)
        answer = self.out(answer)
        gate = torch.sigmoid(self.gate(torch.cat([normed, answer], dim=-1)))
        return gate * answer, answer, weights.mean(dim=1)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class TextEnhancement(nn.Module):
    """Scene-level and land-cover-level interaction, kept apart."""

    def __init__(self, config: TarConfig) -> None:
        super().__init__()
        width = config.widths[2]
        self.project = nn.Sequential(nn.Linear(config.text_dim, width), nn.LayerNorm(width))
        self.cover = _Interaction(width, config.heads)
        self.scene = _Interaction(width, config.heads)

    def forward(self, features: Tensor, text: TextFeatures) -> Attended:
        """features: (2B, W, rows, columns), optical images first, then SAR images."""
        rows, columns = features.shape[-2:]
        tokens = features.flatten(2).transpose(1, 2)
        answer, said, covers = self.cover(tokens, *self._per_image(text.covers, len(tokens)))
        whole = tokens.mean(dim=1, keepdim=True)
        overall, _, scenes = self.scene(whole, *self._per_image(text.scenes, len(tokens)))

        def shaped(places: Tensor) -> Tensor:
            return places.transpose(1, 2).reshape(len(places), -1, rows, columns)

        return Attended(shaped(tokens + answer + overall), shaped(said), shaped(covers), scenes[:, 0])

    def _per_image(self, features: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Projected text (count, T, W): wordings (optical for the first half, SAR after) and meanings."""
        projected = self.project(features)
        wordings = projected.transpose(0, 1).repeat_interleave(count // 2, dim=0)
        return wordings, projected.mean(dim=1).expand(count, -1, -1)
