"""Pairs of small landscapes on disk."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from .scene import landscape

SIDE = 96

WriteManifest = Callable[..., Path]


@pytest.fixture
def write_manifest(tmp_path: Path) -> WriteManifest:
    """Writes `count` pairs with identical content in both images and a manifest in the given order of rows."""

    def write(
        count: int = 4, order: list[int] | None = None, name: str = "pairs.csv", **columns: list[str]
    ) -> Path:
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        rows = []
        for i in range(count):
            image = folder / f"{i}.png"
            cv2.imwrite(str(image), landscape(i, SIDE, 3.0))
            given = {column: values[i] for column, values in columns.items()}
            rows.append({"pair_id": f"place{i}/a", "optical": image.name, "sar": image.name, **given})
        path = folder / name
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows([rows[i] for i in order or range(count)])
        return path

    return write
