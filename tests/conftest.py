"""Fixtures for tests of the whole: the generated sample scene."""

from __future__ import annotations

import gc
import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from sarto.core.contract import Floats
from sarto.core.matching import METHODS, TRAITS
from sarto.resources.sample.generate import generate

torch.set_num_threads(1)  # test processes share the cores; spinning threads would multiply the time


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_when_qgis_ends(request: pytest.FixtureRequest) -> Iterator[None]:
    """QGIS's and GDAL's objects in circles of references would be freed after QGIS itself, which crashes."""
    if request.config.pluginmanager.hasplugin("pytest_qgis"):
        request.getfixturevalue("qgis_app")  # ends after this
    yield
    gc.collect()


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


READER = Path(__file__).with_name("reader_method.py")


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of a method that reads text, registered as 'reader' for one test."""
    spec = importlib.util.spec_from_file_location("reader_method", READER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for table in (METHODS, TRAITS):
        monkeypatch.setitem(table, "reader", None)  # what is set from here on is taken back
    monkeypatch.setitem(sys.modules, "sarto.core.matching.reader", module)
    module.register()
    return module


@pytest.fixture
def reader_python(reader: ModuleType, tmp_path: Path) -> str:
    """An engine that knows 'reader', too."""
    if sys.platform == "win32":
        pytest.skip("the stand-in is a shell script")
    launcher = tmp_path / "reader-python"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{READER}"\n')
    launcher.chmod(0o755)
    return str(launcher)
