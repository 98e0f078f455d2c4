"""Images and pairs of tiles as networks take them, made on the spot."""

from __future__ import annotations

import torch
from sarto.core.matching.passes.network import Images, TilePairs


def images(count: int, rows: int, columns: int, seed: int = 0) -> Images:
    """Smooth random images of one band, all valid."""
    random = torch.Generator().manual_seed(seed)
    rough = torch.rand((count, 1, rows // 8 + 2, columns // 8 + 2), generator=random)
    smooth = torch.nn.functional.interpolate(rough, (rows, columns), mode="bicubic", align_corners=False)
    return Images((smooth * 255).clamp(1, 255), torch.ones(count, 1, rows, columns))


def pairs(count: int, rows: int, columns: int) -> TilePairs:
    """Different images; those of the same size and place are always the same."""
    return TilePairs(images(count, rows, columns), images(count, rows, columns, 1))


def some(seen: Images, which: slice | list[int]) -> Images:
    """Of images, those that are asked for."""
    return Images(seen.values[which], seen.valid[which])
