"""From 8-bit images with NoData to tensors: pyramids, patches, warped copies.

All functions take numpy images of uint8, (rows, columns) or (bands, rows, columns), 0 = NoData in all bands,
possibly memory-mapped and large, and read no more of them than they need.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ..contract import Floats, Pixels
from ..geometry import affine

STRIP_ROWS = 1024


@dataclass(frozen=True)
class Layer:
    """An image as float32 with its validity.

    values: (rows, columns) or (bands, rows, columns), 0…255, smooth fill where invalid.
    valid: (rows, columns), 0…1.
    factor: full pixels per pixel; position u here is X = factor · (u + 0.5) - 0.5 in the full image.
    """

    values: npt.NDArray[np.float32]
    valid: npt.NDArray[np.float32]
    factor: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.valid.shape
        return rows, columns


def _stacked(bands: list[Layer]) -> Layer:
    """The bands of one image as one layer."""
    valid = np.minimum.reduce([band.valid for band in bands])
    return Layer(np.stack([band.values for band in bands]), valid, bands[0].factor)


def _shrink(pixels: Pixels, factor: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Mean of valid pixels and share of valid pixels over factor × factor blocks; the rest is cut off."""
    rows, columns = pixels.shape[0] // factor, pixels.shape[1] // factor
    values, valid = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    step = max(1, STRIP_ROWS // factor)
    for row in range(0, rows, step):
        stop = min(rows, row + step)
        strip = np.asarray(pixels[row * factor : stop * factor, : columns * factor])
        size = (columns, stop - row)
        share = cv2.resize((strip > 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
        total = cv2.resize(strip.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        values[row:stop], valid[row:stop] = total / np.maximum(share, 1e-6), share
    return values, valid


def reduce(pixels: Pixels, factor: float) -> Layer:
    """The whole image with `factor` ≥ 1 times larger pixels."""
    if pixels.ndim == 3:
        return _stacked([reduce(band, factor) for band in pixels])
    whole = max(1, int(factor))
    values, valid = _shrink(pixels, whole)
    values = fill(values, valid)
    rest = factor / whole
    if rest > 1.001:
        size = (max(1, round(values.shape[1] / rest)), max(1, round(values.shape[0] / rest)))
        lattice = np.array([[rest, 0.0, (rest - 1) / 2], [0.0, rest, (rest - 1) / 2]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        smooth = cv2.GaussianBlur(values, (0, 0), 0.45 * rest)
        values = cv2.warpAffine(smooth, lattice, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        valid = cv2.warpAffine(valid, lattice, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    return Layer(values, (valid > 0.5).astype(np.float32), factor)


def fill(values: npt.NDArray[np.float32], valid: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Put a smooth continuation where values are invalid, so that NoData makes no edges."""
    if valid.min() > 0.99:
        return values
    if valid.max() <= 0:
        return np.full_like(values, 128.0)
    known = values * (valid > 0)
    weight = (valid > 0).astype(np.float32)
    filled = np.full_like(values, float(known.sum() / weight.sum()))
    for sigma in (32.0, 8.0, 3.0):
        share = cv2.GaussianBlur(weight, (0, 0), sigma)
        near = cv2.GaussianBlur(known, (0, 0), sigma) / np.maximum(share, 1e-6)
        blend = np.clip(share * 4.0, 0.0, 1.0)
        filled = blend * near + (1 - blend) * filled
    return np.where(weight > 0, values, filled).astype(np.float32)


def patch(pixels: Pixels, lattice: Floats, size: tuple[int, int]) -> Layer:
    """A small image sampled from a large one.

    lattice: (2, 3) affine patch pixel → image pixel; size: (rows, columns) of the patch.
    Reads the bounding box only; larger pixels are averages.
    """
    if pixels.ndim == 3:
        return _stacked([patch(band, lattice, size) for band in pixels])
    step = float(np.sqrt(abs(np.linalg.det(lattice[:, :2]))))
    corners = affine.apply(lattice, [[0, 0], [size[1] - 1, 0], [0, size[0] - 1], [size[1] - 1, size[0] - 1]])
    margin = int(2 + 2 * step)
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + margin + 1, pixels.shape[::-1])
    if np.any(high - low < 2):
        return Layer(np.full(size, 128, np.float32), np.zeros(size, np.float32))
    shrink = max(1, int(step))
    values, valid = _shrink(pixels[low[1] : high[1], low[0] : high[0]], shrink)
    if min(values.shape) < 1:
        return Layer(np.full(size, 128, np.float32), np.zeros(size, np.float32))
    values = fill(values, valid)
    box = affine.compose(np.array([[1.0, 0, -low[0]], [0, 1.0, -low[1]]]), lattice)
    box = (box + np.array([[0, 0, 0.5], [0, 0, 0.5]])) / shrink - np.array([[0, 0, 0.5], [0, 0, 0.5]])
    flags, extent = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, (size[1], size[0])
    moved = cv2.warpAffine(values, box, extent, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine((valid > 0.5).astype(np.float32), box, extent, flags=flags, borderValue=(0,))
    return Layer(np.asarray(moved, np.float32), (np.asarray(inside) > 0.9).astype(np.float32))


def to_tensor(layers: list[Layer], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Layers of one size → values (N, bands, rows, columns) and validity (N, 1, rows, columns), float32."""
    values = torch.from_numpy(np.stack([layer.values.reshape(-1, *layer.shape) for layer in layers]))
    valid = torch.from_numpy(np.stack([layer.valid for layer in layers]))[:, None]
    return values.to(device), valid.to(device)


def warp(
    values: torch.Tensor, valid: torch.Tensor, lattices: Floats, size: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """One image (1, 1, H, W) seen on B lattices.

    lattices: (B, 2, 3) target pixel → image pixel; size: (rows, columns) of the targets.
    Returns values and validity, (B, 1, rows, columns) each.
    """
    rows, columns = values.shape[-2:]
    device = values.device
    to_unit = np.array([[2 / columns, 0, 1 / columns - 1], [0, 2 / rows, 1 / rows - 1]])
    linear = to_unit[:, :2] @ lattices[:, :, :2]
    offset = lattices[:, :, 2] @ to_unit[:, :2].T + to_unit[:, 2]
    y, x = torch.meshgrid(
        torch.arange(size[0], dtype=torch.float32, device=device),
        torch.arange(size[1], dtype=torch.float32, device=device),
        indexing="ij",
    )
    a = torch.from_numpy(linear).float().to(device)[:, :, :, None, None]
    t = torch.from_numpy(offset).float().to(device)[:, :, None, None]
    grid = (a[:, :, 0] * x + a[:, :, 1] * y + t).permute(0, 2, 3, 1)
    count = len(lattices)
    moved = torch.nn.functional.grid_sample(
        values.expand(count, -1, -1, -1), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    limit = 1.0 - torch.tensor([1 / columns, 1 / rows], device=device)
    inside = (grid.abs() <= limit + 1e-6).all(dim=-1)[:, None].float()
    if valid.min() < 1:
        seen = torch.nn.functional.grid_sample(
            valid.expand(count, -1, -1, -1), grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        inside = inside * (seen > 0.9).float()
    return moved, inside
