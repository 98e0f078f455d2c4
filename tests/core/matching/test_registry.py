"""What is known about methods without importing them."""

from __future__ import annotations

import sys
import types

import pytest
from sarto.core.contract import EngineError, OptionError
from sarto.core.matching import METHODS, TRAITS, Traits, create, methods_with, traits_of


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_described(name: str) -> None:
    traits = TRAITS[name]
    assert traits.title[0].isupper()
    assert traits.when.endswith(".")
    assert traits.pace > 0


def test_a_method_of_which_nothing_is_known_has_the_plainest_traits() -> None:
    assert traits_of("odd") == Traits("odd")


def test_only_registered_methods_are_offered_as_readers_of_text(monkeypatch) -> None:
    monkeypatch.setitem(TRAITS, "poet", Traits("Poet", reads_text=True))
    assert "poet" not in methods_with("reads_text")
    monkeypatch.setitem(METHODS, "poet", "poet:Poet")
    assert "poet" in methods_with("reads_text")
    assert "structural" not in methods_with("reads_text")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(OptionError, match="'magic' is not known"):
        create("magic")


def test_a_missing_package_is_named_with_the_way_out(monkeypatch, tmp_path) -> None:
    (tmp_path / "lonely.py").write_text("import no_such_package.part\n")
    package = types.ModuleType("sarto.core.matching.lonely")
    package.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setitem(METHODS, "lonely", "lonely.lonely:Lonely")
    with pytest.raises(EngineError) as caught:
        create("lonely")
    assert "'lonely' needs the package 'no_such_package'" in caught.value.message
    assert sys.executable in caught.value.message
    assert "structural" in caught.value.hint
