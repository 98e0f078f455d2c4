"""Small pairs, a small text bank and a tiny network."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from sarto.core.matching.tar.config import TarConfig
from sarto.core.matching.text.bank import TextBank
from sarto.core.train.chips import Chip
from sarto.core.train.scenes import label_of
from sarto.core.train.tar import Run
from sarto.core.train.tar_config import TarTraining

NETWORK = TarConfig(
    stem=4,
    widths=(8, 8, 8),
    blocks=(0, 0, 0),
    coarse=8,
    local=(4, 8, 4),
    dilations=(1,),
    weighing=False,
    heads=2,
    text_dim=12,
)
TINY = TarTraining(
    NETWORK,
    steps=40,
    warmup=2,
    rate=3e-3,
    pairs=2,
    side=64,
    local_pairs=2,
    local_side=64,
    average=0.9,
    precision="float32",
)
ONLY_LOCAL: dict[str, float] = {"coarse_weight": 0.0, "window_weight": 0.0, "text_weight": 0.0}
ONLY_COARSE: dict[str, float] = {"local_weight": 0.0}


def texture(seed: int, shape: tuple[int, int] = (128, 128)) -> np.ndarray:
    """Structure of all sizes, uint8, without constant places."""
    random = np.random.default_rng(seed)
    total = np.zeros(shape, np.float32)
    for size, share in ((2.0, 1.0), (6.0, 3.0), (16.0, 6.0)):
        layer = cv2.GaussianBlur(random.standard_normal(shape).astype(np.float32), (0, 0), size)
        total += share * layer / layer.std()
    total += 0.3 * random.standard_normal(shape).astype(np.float32)
    return np.clip(128 + 5 * total, 1, 255).astype(np.uint8)


def make_chip(seed: int, shape: tuple[int, int] = (128, 128), region: str = "") -> Chip:
    """A chip that shows the same in both images."""
    image = texture(seed, shape)
    return Chip(f"pair {seed}", image[:, :, None], image, (0.0, 0.0), 1.0, label_of(region), "made")


@pytest.fixture(scope="session")
def chips() -> list[Chip]:
    return [make_chip(seed, region=region) for seed, region in enumerate(("river", "forest", "", "gorge"))]


@pytest.fixture(scope="session")
def bank() -> TextBank:
    random = np.random.default_rng(3)

    def features(count: int) -> np.ndarray:
        values = random.standard_normal((count, 2, NETWORK.text_dim))
        values /= np.linalg.norm(values, axis=-1, keepdims=True)
        return values.astype(np.float16).astype(np.float32)

    return TextBank("made", ("river", "gorge", "village"), ("water", "cropland"), features(3), features(2))


@pytest.fixture
def make_run(tmp_path: Path, bank: TextBank):
    """Runs in folders of their own; changes go to the settings."""

    def make(name: str = "run", text: bool = True, save_every: int = 250, **changes) -> Run:
        settings = replace(TINY, **changes)
        return Run(settings, tmp_path / name, torch.device("cpu"), bank if text else None, save_every)

    return make


def write_manifest(folder: Path, rows: list[dict[str, object]]) -> Path:
    """A manifest and its images: `optical` and `sar` of the rows are arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "manifest.csv"
    written = []
    for number, row in enumerate(rows):
        names = {kind: f"{kind}{number}.png" for kind in ("optical", "sar")}
        for kind, name in names.items():
            assert cv2.imwrite(str(folder / name), row[kind])
        written.append({"pair_id": f"p{number}", **row, **names})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in written for key in row)))
        writer.writeheader()
        writer.writerows(written)
    return path


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Four pairs of two sets; the last is called misaligned."""
    rows = [
        {
            "optical": texture(k),
            "sar": texture(k),
            "set": "ab"[k % 2],
            "tight": int(k < 2),
            "offset_ok": int(k < 3),
        }
        for k in range(4)
    ]
    return write_manifest(tmp_path / "data", [{**row, "region": "river"} for row in rows])
