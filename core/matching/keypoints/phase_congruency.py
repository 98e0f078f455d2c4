"""Phase congruency: where the waves that make up an image are in step, whatever their strength.

After P. Kovesi, "Image features from phase congruency", Videre 1(3), 1999: log-Gabor filters, the phase deviation
measure, the weight of the spread of frequencies, and the noise threshold from the Rayleigh distribution of the
smallest filters' answers. The two moments over the orientations are those of P. Kovesi, "Phase congruency detects
corners and edges", DICTA 2003. Edges, lines and their inversions answer alike, bright or faint: that is what
optical and SAR images have in common.

Written here rather than taken from a library: the one on the package index (phasepack) has rested since 2016 and
knows neither batches, nor GPUs, nor NoData.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import torch
import torch.nn.functional as functional

from ..imaging import fill

SCALES = 4
ORIENTATIONS = 6
MIN_WAVELENGTH = 3.0
"""Pixels: the smallest filter's wavelength; 2 would be pure grid."""
WAVELENGTH_STEP = 2.1
"""From a filter's wavelength to the next: 3, 6.3, 13 and 28 px."""
BANDWIDTH = 0.55
"""Of the log-Gabor: the Gaussian's width over its centre frequency. With the step above the filters tile the
spectrum evenly (Kovesi 1999)."""
NOISE_SIGMAS = 2.0
"""Standard deviations of the noise's energy, above its mean, that count as noise (Kovesi 1999: 2 to 3)."""
SPREAD_CUTOFF, SPREAD_GAIN = 0.3, 10.0
"""Below this spread of frequencies (0 = one filter answers, 1 = all alike) congruency means little: a single wave
is always in step with itself. Lower than usual (our choice): a thin line, such as a road, spreads to 0.3 only.
"""
MARGIN = 32
"""Pixels of mirrored border, about the longest wavelength, so that opposite edges do not meet."""
FLAT = 1e-3
"""Grey values of standard deviation below which an image counts as constant."""

_EPSILON = 1e-4  # in standard deviations of the image


@dataclass(frozen=True)
class Congruency:
    """Phase congruency of B images, zero where they are invalid.

    strength: (B, 1, H, W), 0…1: the maximum moment, high on edges, lines and corners. A perfect straight edge
        reaches about 0.83, since filters across its direction do not see it.
    corner: (B, 1, H, W), 0…1: the minimum moment, high only where several directions meet.
    """

    strength: torch.Tensor
    corner: torch.Tensor


def phase_congruency(values: torch.Tensor, valid: torch.Tensor) -> Congruency:
    """Phase congruency of grey images.

    values: (B, 1, H, W) 0…255; valid: (B, 1, H, W) 0…1, below one half is NoData, whatever its values.
    Computes on the device of `values`, in float32; takes about 150 bytes of memory per pixel.
    """
    known = (valid > 0.5).float()
    normal, scale = _normalised(values.float(), known)
    rows, columns = normal.shape[-2:]
    padded, (top, left) = _mirrored(normal)
    spectrum = torch.fft.fft2(padded)
    radial, angular = _filters(padded.shape[-2:], values.device)
    xx, yy, xy = (torch.zeros_like(normal) for _ in range(3))
    for index in range(ORIENTATIONS):
        answers = torch.fft.ifft2(spectrum * (radial * angular[index]))
        answers = answers[..., top : top + rows, left : left + columns]
        congruent = _congruency_along(answers.real, answers.imag, known)
        angle = index * math.pi / ORIENTATIONS
        x, y = congruent * math.cos(angle), congruent * math.sin(angle)
        xx, yy, xy = xx + x * x, yy + y * y, xy + 2 * x * y
    spread = torch.sqrt(xy * xy + (xx - yy) ** 2)
    seen = known * (scale > FLAT) / ORIENTATIONS
    return Congruency(
        ((xx + yy + spread) * seen).clamp(0, 1), ((xx + yy - spread).clamp_min(0) * seen).clamp(0, 1)
    )


def _normalised(values: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of zero mean and unit deviation, NoData filled; and their deviations (B, 1, 1, 1)."""
    if known.min() < 1:
        filled = [fill(v[0].cpu().numpy(), k[0].cpu().numpy()) for v, k in zip(values, known)]
        values = torch.stack([torch.from_numpy(f)[None] for f in filled]).to(values.device)
    area = known.sum((-2, -1), keepdim=True).clamp_min(1)
    centred = values - (values * known).sum((-2, -1), keepdim=True) / area
    deviation = torch.sqrt((centred * centred * known).sum((-2, -1), keepdim=True) / area)
    return centred / deviation.clamp_min(FLAT), deviation


def _mirrored(images: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int]]:
    """Images with a mirrored border, to a size that is fast to transform; and its width at the top and left."""
    before, after = [], []
    for side in images.shape[-2:]:
        margin = min(MARGIN, side - 1)
        extra = int(cv2.getOptimalDFTSize(side + 2 * margin)) - side - 2 * margin
        before.append(margin)
        after.append(min(margin + extra, side - 1))
    padding = (before[1], after[1], before[0], after[0])
    return functional.pad(images, padding, mode="reflect"), (before[0], before[1])


def _filters(shape: tuple[int, ...] | torch.Size, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-Gabor filters in the Fourier domain: radial (SCALES, H, W) and angular (ORIENTATIONS, H, W) parts.

    The angular part covers one half plane, so that an answer's real part is that of the even filter and its
    imaginary part that of the odd one. Raised cosines, which add up to the same in all directions, stand in for
    the paper's Gaussians (our reading).
    """
    fy = torch.fft.fftfreq(shape[0], device=device)[:, None]
    fx = torch.fft.fftfreq(shape[1], device=device)[None]
    radius = torch.sqrt(fx * fx + fy * fy)
    radius[0, 0] = 1.0
    round_off = 1 / (1 + (radius / 0.45) ** 30)  # the square's corners would favour the diagonals
    radial = []
    for scale in range(SCALES):
        centre = 1 / (MIN_WAVELENGTH * WAVELENGTH_STEP**scale)
        gauss = torch.exp(-(torch.log(radius / centre) ** 2) / (2 * math.log(BANDWIDTH) ** 2)) * round_off
        gauss[0, 0] = 0.0
        radial.append(gauss)
    theta = torch.atan2(fy, fx)
    angular = []
    for index in range(ORIENTATIONS):
        angle = index * math.pi / ORIENTATIONS
        away = torch.remainder(theta - angle + math.pi, 2 * math.pi) - math.pi
        angular.append(0.5 + 0.5 * torch.cos((away.abs() * ORIENTATIONS / 2).clamp_max(math.pi)))
    return torch.stack(radial), torch.stack(angular)


def _congruency_along(even: torch.Tensor, odd: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Phase congruency in one direction, (B, 1, H, W) 0…1, from the answers of all scales (B, SCALES, H, W)."""
    amplitude = torch.sqrt(even * even + odd * odd)
    total = amplitude.sum(1, keepdim=True)
    mean_even, mean_odd = even.sum(1, keepdim=True), odd.sum(1, keepdim=True)
    length = torch.sqrt(mean_even**2 + mean_odd**2) + _EPSILON
    mean_even, mean_odd = mean_even / length, mean_odd / length
    # Amplitude times cosine minus |sine| of the deviation from the mean phase.
    energy = (even * mean_even + odd * mean_odd - (even * mean_odd - odd * mean_even).abs()).sum(1, keepdim=True)
    width = (total / (amplitude.amax(1, keepdim=True) + _EPSILON) - 1) / (SCALES - 1)
    weight = torch.sigmoid(SPREAD_GAIN * (width - SPREAD_CUTOFF))
    noise = _noise_threshold(amplitude[:, :1], known)
    return weight * (energy - noise).clamp_min(0) / (total + _EPSILON)


def _noise_threshold(smallest: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Energy (B, 1, 1, 1) that noise alone reaches, from the smallest filters' amplitudes (B, 1, H, W).

    Most of what the smallest filter sees is noise; its amplitudes are then Rayleigh distributed, and their median
    says how widely. The noise in the longer waves follows from their bandwidths.
    """
    seen = torch.where(known > 0, smallest, torch.full_like(smallest, torch.nan)).flatten(1)
    mode = torch.nan_to_num(seen.nanmedian(dim=1).values / math.sqrt(math.log(4)))[:, None, None, None]
    over_scales = sum(WAVELENGTH_STEP**-scale for scale in range(SCALES))
    mean, deviation = math.sqrt(math.pi / 2), math.sqrt((4 - math.pi) / 2)
    return mode * over_scales * (mean + NOISE_SIGMAS * deviation)
