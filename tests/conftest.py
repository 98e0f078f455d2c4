"""Fixtures for tests of the whole: the generated sample scene."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from sarto.core.contract import Floats
from sarto.resources.sample.generate import generate

torch.set_num_threads(1)  # test processes share the cores; spinning threads would multiply the time


@dataclass(frozen=True)
class SampleScene:
    """truth: (2, 3) position on the optical grid → where the SAR layer shows it."""

    optical: Path
    sar: Path
    truth: Floats

    def fingerprint(self) -> tuple[object, ...]:
        """Changes with any change to the inputs, or to the files beside them."""
        folder = self.optical.parent
        content = [hashlib.sha256(p.read_bytes()).hexdigest() for p in (self.optical, self.sar)]
        return (*content, *sorted(p.name for p in folder.iterdir()))


@pytest.fixture(scope="session")
def sample_scene(tmp_path_factory: pytest.TempPathFactory) -> SampleScene:
    folder = tmp_path_factory.mktemp("sample")
    generate(folder)
    truth = np.array(json.loads((folder / "truth.json").read_text())["matrix"])
    return SampleScene(folder / "sample_optical.tif", folder / "sample_sar.tif", truth)
