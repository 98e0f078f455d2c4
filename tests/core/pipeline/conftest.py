"""One finished run on the generated scene."""

from __future__ import annotations

import pytest
from sarto.core.matching import create
from sarto.core.pipeline import register

from .jobs import job_of


@pytest.fixture(scope="session")
def finished(sample_scene, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "results ü"
    before = sample_scene.fingerprint()
    result = register(job_of(sample_scene, out), create("structural"))
    assert sample_scene.fingerprint() == before
    return out, result
