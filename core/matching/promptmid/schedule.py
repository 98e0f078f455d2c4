"""The noise of a diffusion model: how much of it at which time, and what the network is asked for.

After Ho et al. (DDPM, 2020) with the cosine schedule of Nichol and Dhariwal (2021); the network predicts
v = a · noise - s · image (Salimans and Ho, 2022), which stays meaningful where hardly anything but noise is left,
and that is where features are taken. Times run from 0 (no noise) to 1 (nothing else).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

OFFSET = 0.008
"""Of the cosine schedule: keeps the first steps from being too small."""


def shares(time: Tensor) -> tuple[Tensor, Tensor]:
    """Amplitudes (B, 1, 1, 1) of image and noise at times (B,), squares adding up to 1."""
    angle = ((time.float() + OFFSET) / (1 + OFFSET) * math.pi / 2)[:, None, None, None]
    return torch.cos(angle).clamp_min(0.0), torch.sin(angle)


def noisy(image: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """The image (B, …) with noise of its shape at times (B,)."""
    image_share, noise_share = shares(time)
    return image_share * image + noise_share * noise


def velocity(image: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """What the network is to predict."""
    image_share, noise_share = shares(time)
    return image_share * noise - noise_share * image


def parted(seen: Tensor, predicted: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Image and noise, from what was seen and the velocity predicted for it."""
    image_share, noise_share = shares(time)
    return image_share * seen - noise_share * predicted, noise_share * seen + image_share * predicted


def fixed_noise(shape: tuple[int, ...], device: torch.device, seed: int = 0) -> Tensor:
    """Noise (1, …) that is the same wherever and whenever it is asked for."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((1, *shape[1:]), generator=generator).to(device)
