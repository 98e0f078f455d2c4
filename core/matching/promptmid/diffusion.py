"""The diffusion branch: a conditional model that paints the optical image a SAR image belongs to.

The paper takes Stable Diffusion 1.5 with ControlNet: SAR is the condition, optical the target, the prompt the
text, and the features of the decoder describe the SAR image. `compact` is our own model with the same interface,
small enough to be trained on a laptop. Our own reading: its latent image is the grey optical image folded 2 × 2
into four channels; the condition enters where ControlNet's hint does, beside the latent image; the prompt by
cross-attention at 1/8 and 1/16, one token per land-use class.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Optional

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ..passes.blocks import levelled
from ..passes.network import Images, TilePairs
from . import schedule
from .config import CompactConfig

FOLD = 2
"""Pixels per side of a cell of the latent image."""
STRIDE = 16
"""Image sides must be multiples of this."""
GROUPS = 8


class Prompt(NamedTuple):
    """The words for B images. tokens: (B, T, D) features, of unit length; shown: (B, T) which of them count."""

    tokens: Tensor
    shown: Tensor

    def like(self, count: int) -> Prompt:
        """One prompt as `count` of them, or as many as there are."""
        return Prompt(self.tokens.expand(count, -1, -1), self.shown.expand(count, -1))


class Decoded(NamedTuple):
    """What the model makes of B images.

    velocity: (B, 4, H / 2, W / 2) what it predicts, see `schedule`; None where the decoder did not go that far.
    features: of the decoder by their scale (2, 4, 8, 16), (B, channels, H / scale, W / scale).
    """

    velocity: Optional[Tensor]
    features: dict[int, Tensor]


def to_latent(grey: Tensor) -> Tensor:
    """A levelled grey image (B, 1, H, W) as (B, 4, H / 2, W / 2)."""
    return functional.pixel_unshuffle(grey, FOLD)


def from_latent(latent: Tensor) -> Tensor:
    """The reverse of `to_latent`."""
    return functional.pixel_shuffle(latent, FOLD)


class _Residual(nn.Module):
    """Two 3 × 3 convolutions with a shortcut, told the time."""

    def __init__(self, width: int, time: int) -> None:
        super().__init__()
        self.first_norm, self.second_norm = nn.GroupNorm(GROUPS, width), nn.GroupNorm(GROUPS, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.time = nn.Linear(time, 2 * width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        inner = self.first(functional.silu(self.first_norm(x)))
        scale, shift = self.time(time)[:, :, None, None].chunk(2, dim=1)
        inner = self.second_norm(inner) * (1 + scale) + shift
        changed: Tensor = x + self.second(functional.silu(inner))
        return changed


class _Reading(nn.Module):
    """Places look at all other places, then at the prompt's tokens."""

    def __init__(self, width: int, heads: int, text_dim: int) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"{heads} heads cannot share {width} channels")
        self.heads = heads
        self.norm, self.text_norm = nn.GroupNorm(GROUPS, width), nn.GroupNorm(GROUPS, width)
        self.places = nn.Linear(width, 3 * width, bias=False)
        self.query = nn.Linear(width, width, bias=False)
        self.words = nn.Linear(text_dim, 2 * width, bias=False)
        self.out, self.text_out = nn.Linear(width, width), nn.Linear(width, width)
        for layer in (self.out, self.text_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, prompt: Prompt) -> Tensor:
        shape = x.shape
        q, k, v = (self._heads(t) for t in self.places(_tokens(self.norm(x))).chunk(3, dim=-1))
        x = x + _image(self.out(self._joined(functional.scaled_dot_product_attention(q, k, v))), shape)
        q = self._heads(self.query(_tokens(self.text_norm(x))))
        k, v = (self._heads(t) for t in self.words(prompt.tokens.to(q.dtype)).chunk(2, dim=-1))
        shown = prompt.shown[:, None, None].bool()
        answer = functional.scaled_dot_product_attention(q, k, v, attn_mask=shown)
        return x + _image(self.text_out(self._joined(answer)), shape)

    def _heads(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def _joined(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)


def _tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def _image(tokens: Tensor, shape: torch.Size) -> Tensor:
    return tokens.transpose(1, 2).reshape(shape)


class DiffusionBranch(nn.Module):
    """A U-shaped network from latent image, SAR image, time and prompt to the velocity."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        widths, time = config.widths, config.time
        self.config = config
        self.hint = nn.Sequential(
            nn.Conv2d(2, widths[0], 5, stride=2, padding=2),
            nn.GroupNorm(GROUPS, widths[0]),
            nn.SiLU(),
            nn.Conv2d(widths[0], widths[0], 3, padding=1),
        )
        self.inside = nn.Conv2d(FOLD**2, widths[0], 3, padding=1)
        self.time = nn.Sequential(nn.Linear(time // 2, time), nn.SiLU(), nn.Linear(time, time), nn.SiLU())
        self.down = nn.ModuleList([nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(widths, widths[1:])])
        self.encoder = nn.ModuleList([_Residual(w, time) for w in widths])
        self.middle = _Residual(widths[-1], time)
        self.up = nn.ModuleList([nn.Conv2d(b, a, 1) for a, b in zip(widths, widths[1:])])
        self.skip = nn.ModuleList([nn.Conv2d(w, w, 1) for w in widths])
        self.decoder = nn.ModuleList([_Residual(w, time) for w in widths])
        reads = [k for k in range(len(widths)) if k >= len(widths) - 2]
        self.encoder_reads = nn.ModuleDict(
            {str(k): _Reading(widths[k], config.heads, config.text_dim) for k in reads}
        )
        self.decoder_reads = nn.ModuleDict(
            {str(k): _Reading(widths[k], config.heads, config.text_dim) for k in reads}
        )
        self.last = nn.Sequential(
            nn.GroupNorm(GROUPS, widths[0]), nn.SiLU(), nn.Conv2d(widths[0], FOLD**2, 3, padding=1)
        )

    def forward(self, latent: Tensor, sar: Images, time: Tensor, prompt: Prompt, finest: int = FOLD) -> Decoded:
        """latent: (B, 4, H / 2, W / 2) with noise; time: (B,) 0…1.

        finest: the decoder ends at this scale; the velocity is known at the end only.
        """
        moment = self.time(_waves(time, self.config.time // 2))
        x = self.inside(latent) + self.hint(torch.cat([levelled(*sar), sar.valid], dim=1))
        kept = []
        for k, block in enumerate(self.encoder):
            if k:
                x = self.down[k - 1](x)
            x = self._read(self.encoder_reads, k, block(x, moment), prompt)
            kept.append(x)
        x = self.middle(x, moment)
        features = {}
        for k in reversed(range(len(kept))):
            if k < len(kept) - 1:
                x = functional.interpolate(self.up[k](x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = self._read(self.decoder_reads, k, self.decoder[k](x + self.skip[k](kept[k]), moment), prompt)
            features[2 << k] = x
            if 2 << k == finest:
                break
        return Decoded(self.last(x) if finest == FOLD else None, features)

    @staticmethod
    def _read(readers: nn.ModuleDict, level: int, x: Tensor, prompt: Prompt) -> Tensor:
        return readers[str(level)](x, prompt) if str(level) in readers else x

    def describe(self, sar: Images, prompt: Prompt, finest: int = FOLD) -> Decoded:
        """One look at the SAR image from noise that is always the same: what the decoder knows of it."""
        count, _, rows, columns = sar.values.shape
        noise = schedule.fixed_noise((1, FOLD**2, rows // FOLD, columns // FOLD), sar.values.device)
        time = torch.full((count,), self.config.noise, device=noise.device)
        decoded: Decoded = self(noise.expand(count, -1, -1, -1), sar, time, prompt, finest)
        return decoded


def _waves(time: Tensor, length: int) -> Tensor:
    """(B, length) sines and cosines of times (B,)."""
    rates = torch.exp(torch.arange(length // 2, device=time.device) * (math.log(1000.0) / (length // 2 - 1)))
    angles = time[:, None].float() * rates
    return torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)


def diffusion_loss(
    branch: DiffusionBranch, pairs: TilePairs, prompt: Prompt, time: Tensor, noise: Tensor
) -> tuple[Tensor, Optional[Tensor]]:
    """Mean square error of the velocity over what both images show.

    pairs: the optical images in grey; time: (B,), noise: (B, 4, H / 2, W / 2). Returns it, and that of the images
    whose time is 1 (None if none).
    """
    target = to_latent(levelled(*pairs.optical).clamp(-3, 3))
    seen = to_latent(pairs.optical.valid * pairs.sar.valid)
    found = branch(schedule.noisy(target, noise, time), pairs.sar, time, prompt).velocity
    error = ((found.float() - schedule.velocity(target, noise, time)).square() * seen).sum((1, 2, 3))
    each = error / seen.sum((1, 2, 3)).clamp_min(1.0)
    late = each[time >= 1]
    return each.mean(), late.mean() if len(late) else None
