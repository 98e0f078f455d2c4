"""Memory-mapped scratch images that have their room on the disk from the start, and the blocks to fill them by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..contract import Grid, OutputError

_CHUNK = 1 << 24

BLOCK = 1024
"""Pixels; a block of three bands takes some tens of MB and well under a second."""


def blocks(grid: Grid, side: int = BLOCK) -> Iterator[tuple[int, int, int, int]]:
    """(column, row, width, height) of the blocks that tile a grid, row by row."""
    for row in range(0, grid.height, side):
        for column in range(0, grid.width, side):
            yield column, row, min(side, grid.width - column), min(side, grid.height - row)


def mapped_image(path: Path, shape: tuple[int, ...]) -> Any:
    """A new memory-mapped `.npy` file of zeros, uint8.

    It is written out before it is mapped: writing into a mapped file for which the disk has no room ends the whole
    process (SIGBUS), QGIS included. Raises OutputError where there is no room.
    """
    size = math.prod(shape)
    try:
        with path.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
            zeros = bytes(min(size, _CHUNK))
            for start in range(0, size, _CHUNK):
                file.write(zeros[: size - start])
        return np.load(path, mmap_mode="r+", allow_pickle=False)
    except OSError as error:
        raise OutputError(
            f"The temporary folder '{path.parent}' has no room for an image of {size / 1e6:.0f} MB: "
            f"{error.strerror or error}.",
            "Free some disk space, choose a smaller area or a larger GSD, or set TMPDIR to another folder.",
        ) from error
