"""What the same ground may look like in other images: brightness, polarity, noise, speckle, NoData.

Our own choice; the paper does not say what it varies. Images are float32, 0…255: SAR (rows, columns), optical
(bands, rows, columns).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]


def vary_optical(image: Image, rng: np.random.Generator) -> Image:
    """A window (bands, rows, columns) with other brightness, sharpness and noise; sometimes a negative or haze.

    Half the windows vary band by band, the others as a whole.
    """
    if rng.random() < 0.5:
        bands = [_varied_band(band, rng) for band in image]
    else:
        seed = int(rng.integers(2**32))
        bands = [_varied_band(band, np.random.default_rng(seed)) for band in image]
    if rng.random() < 0.25:
        shape, thickness = _haze(image.shape[1:], rng), rng.uniform(0, 1, len(bands))
        bands = [band + shape * (230 - band) * share for band, share in zip(bands, thickness)]
    return np.clip(np.stack(bands), 1, 255).astype(np.float32)


def _varied_band(band: Image, rng: np.random.Generator) -> Image:
    band = _graded(band, rng, 0.6)
    if rng.random() < 0.15:
        band = 255 - band
    if rng.random() < 0.2:
        band = _blurred(band, rng)
    if rng.random() < 0.3:
        band = band + _noise(band.shape, rng) * rng.uniform(1, 8)
    return band


def _haze(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    """How much of the ground haze hides at full strength, (rows, columns), 0…1: smooth at one scale or another."""
    nodes = int(rng.integers(3, 9))
    cover = cv2.resize(rng.uniform(-0.3, 1.0, (nodes, nodes)).astype(np.float32), shape[::-1])
    return np.asarray(np.clip(cover, 0, 0.95), dtype=np.float32)


def vary_sar(image: Image, rng: np.random.Generator) -> Image:
    """As `vary_optical`, with more or less speckle."""
    if rng.random() < 0.25:
        image = _blurred(image, rng)
    if rng.random() < 0.4:
        looks = rng.uniform(2, 16)
        speckle = rng.gamma(looks, 1 / looks, image.shape).astype(np.float32)
        image = image * np.sqrt(speckle)
    image = _graded(image, rng, 0.6)
    if rng.random() < 0.1:
        image = 255 - image
    return np.clip(image, 1, 255).astype(np.float32)


def holes(side: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Validity (side, side): mostly all ones, else without a half plane (the edge of a scene) or a box."""
    valid = np.ones((side, side), np.float32)
    chance = rng.random()
    if chance < 0.10:
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.5) * side
        y, x = np.mgrid[:side, :side] - (side - 1) / 2
        valid[x * np.cos(angle) + y * np.sin(angle) > distance] = 0
    elif chance < 0.15:
        low = rng.integers(0, side * 3 // 4, 2)
        size = rng.integers(side // 8, side // 3, 2)
        valid[low[0] : low[0] + size[0], low[1] : low[1] + size[1]] = 0
    return valid


def _graded(image: Image, rng: np.random.Generator, spread: float) -> Image:
    """Another gamma, contrast and a slow change of brightness across the window."""
    image = 255 * (np.clip(image, 0, 255) / 255) ** np.exp(rng.uniform(-spread, spread))
    if rng.random() < 0.5:
        image = (image - 128) * rng.uniform(0.5, 1.4) + 128 + rng.uniform(-30, 30)
    if rng.random() < 0.3:
        slope = cv2.resize(rng.uniform(-35, 35, (2, 2)).astype(np.float32), image.shape[::-1])
        image = image + slope
    return np.asarray(image, dtype=np.float32)


def _blurred(image: Image, rng: np.random.Generator) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.3)), dtype=np.float32)


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    return rng.standard_normal(shape, dtype=np.float32)
