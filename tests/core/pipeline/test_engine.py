"""The engine is checked before anything is read."""

from __future__ import annotations

import sys

import pytest
from sarto.core.contract import EngineError, LayerSource, RegisterJob
from sarto.core.pipeline import check_engine, register_in_worker
from sarto.core.worker import WorkerClient, environment


def test_what_it_consists_of_is_said() -> None:
    said = check_engine(sys.executable)
    assert "torch" in said
    assert "opencv" in said


def test_packages_without_metadata_count(monkeypatch) -> None:
    """Debian's OpenCV is a module that pip knows nothing of."""
    monkeypatch.setattr(environment, "_version", lambda _distribution: "")
    assert environment.versions()["opencv"] == "of the system"
    monkeypatch.setattr(environment, "find_spec", lambda _name: None)
    assert set(environment.versions()) == {"python"}


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"python": "3.11", "numpy": "1.24"}, "lacks torch and opencv-python-headless"),
        ({"python": "3.11", "numpy": "1.24", "torch": "2.4.1"}, "pip install opencv-python-headless"),
        ({"python": "3.9", "numpy": "1.24", "opencv": "4.9", "torch": "1.13.1+cpu"}, "torch 1.13.1"),
        (None, "lacks numpy and torch"),
    ],
)
def test_what_is_missing_is_named_before_layers_are_opened(monkeypatch, versions, words) -> None:
    monkeypatch.setattr(WorkerClient, "start", lambda _self, _reporter: {"versions": versions, "device": "cpu"})
    job = RegisterJob(LayerSource("/nowhere/a.tif"), LayerSource("/nowhere/b.tif"))
    with pytest.raises(EngineError, match=words):
        register_in_worker(job, "/somewhere/python")
    with pytest.raises(EngineError, match=words):
        check_engine("/somewhere/python")
