"""The engine is checked before anything is read."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest
import sarto
from sarto.core.contract import EngineError, InputError, LayerSource, MatchOptions, RegisterJob, Verdict
from sarto.core.matching import METHODS, TRAITS, Traits
from sarto.core.pipeline import check_engine, register_in_worker
from sarto.core.worker import WorkerClient, environment, pip_names

FULL = {"python": "3.11", "numpy": "1.24", "torch": "2.4.1", "opencv": "4.9", "safetensors": "0.4"}


def test_what_it_consists_of_is_said() -> None:
    said = check_engine(sys.executable)
    assert "torch" in said
    assert "opencv" in said


def test_packages_without_metadata_count(monkeypatch) -> None:
    """Debian's OpenCV is a module that pip knows nothing of."""
    monkeypatch.setattr(environment, "_version", lambda _distribution: "")
    assert environment.versions()["opencv"] == "of the system"
    monkeypatch.setattr(environment, "find_spec", lambda _module: None)
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


@pytest.fixture
def learned(monkeypatch):
    """A second method, which needs safetensors and does not exist otherwise."""
    monkeypatch.setitem(METHODS, "learned", "nowhere:Learned")
    monkeypatch.setitem(TRAITS, "learned", Traits("Learned", packages=("safetensors",)))
    monkeypatch.delitem(METHODS, "tar", raising=False)
    return RegisterJob(LayerSource("/nowhere/a.tif"), LayerSource("b.tif"), match=MatchOptions(method="learned"))


def test_a_method_may_need_more_than_the_others(monkeypatch, learned) -> None:
    found = {name: version for name, version in FULL.items() if name != "safetensors"}
    monkeypatch.setattr(WorkerClient, "start", lambda _self, _reporter: {"versions": found})
    with pytest.raises(EngineError) as caught:
        register_in_worker(learned, "/some/python", kinds=())
    assert "'learned' needs safetensors" in caught.value.message
    assert "'/some/python -m pip install safetensors'" in caught.value.hint
    assert "use the method structural." in caught.value.hint
    monkeypatch.setattr(WorkerClient, "start", lambda _self, _reporter: {"versions": FULL})
    with pytest.raises(InputError, match=r"a\.tif"):  # the engine is fine: now the layers are looked at
        register_in_worker(learned, "/some/python", kinds=())


@pytest.fixture
def bare_python(tmp_path) -> str:
    """A real engine in which safetensors is not installed."""
    if sys.platform == "win32":
        pytest.skip("the stand-in is a shell script")
    script = tmp_path / "bare.py"
    door = Path(sarto.__file__).parent / "core" / "worker" / "__main__.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import runpy, sys
            from importlib import metadata

            def version(name, _known=metadata.version):
                if name == "safetensors":
                    raise metadata.PackageNotFoundError(name)
                return _known(name)

            sys.modules["safetensors"] = None  # cannot be imported, and no spec of it is found
            metadata.version = version
            runpy.run_path({str(door)!r}, run_name="__main__")
            """
        )
    )
    launcher = tmp_path / "python"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}"\n')
    launcher.chmod(0o755)
    return str(launcher)


def test_the_check_says_which_method_an_engine_is_not_fit_for(bare_python, learned) -> None:
    said = check_engine(bare_python)
    assert "torch" in said
    assert "safetensors 0" not in said
    assert f"the method 'learned' cannot be used: '{bare_python} -m pip install safetensors'" in said
    assert "cannot be used" not in check_engine(sys.executable)


@pytest.mark.slow
def test_an_engine_without_what_learned_methods_need_runs_the_others(bare_python, sample_scene, learned) -> None:
    layers = LayerSource(str(sample_scene.optical)), LayerSource(str(sample_scene.sar))
    job = RegisterJob(*layers, match=MatchOptions(method="structural", points=80))
    assert register_in_worker(job, bare_python, kinds=()).assessment.verdict is Verdict.TRUSTED


def test_the_packages_are_listed_once() -> None:
    """What the README tells to install is what the list says, and all that a method needs is on it."""
    readme = (Path(sarto.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert f"pip install {pip_names()}\n" in readme
    for traits in TRAITS.values():
        assert set(traits.packages) <= set(environment.PACKAGES)
