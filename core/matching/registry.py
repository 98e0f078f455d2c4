"""The methods by name. A method's module is imported when it is first used."""

from __future__ import annotations

from importlib import import_module

from ..contract import OptionError
from .protocol import Matcher

METHODS: dict[str, str] = {
    "structural": "structural:StructuralMatcher",
}


def create(name: str) -> Matcher:
    """The matcher of that name. Raises OptionError for an unknown one."""
    if name not in METHODS:
        raise OptionError(f"Matching method '{name}' is not known.", f"Use one of {', '.join(METHODS)}.")
    module, _, attribute = METHODS[name].partition(":")
    matcher: Matcher = getattr(import_module(f".{module}", __package__), attribute)()
    return matcher
