"""The methods by name. A method's module is imported when it is first used."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module

from ..contract import EngineError, OptionError
from .protocol import Matcher

METHODS: dict[str, str] = {
    "tar": "tar:TarMatcher",
    "promptmid": "promptmid:PromptMidMatcher",
    "structural": "structural:StructuralMatcher",
}


@dataclass(frozen=True)
class Traits:
    """What is known about a method without importing it: QGIS's Python has neither torch nor OpenCV.

    title: its name in lists. when: when to choose it, a sentence or two for a tooltip.
    reads_text: it takes the scene hint, and can tell which land cover it saw where.
    reads_land_use: it takes a land-cover layer, or classes of land use that the user names.
    reads_weights: it was trained, and takes other weights than those that ship.
    paints: it can show what the SAR image would look like to an optical sensor.
    packages: what it needs in the engine besides the packages that all methods need (see `worker.environment`).
    pace: time that it takes for matching, as a multiple of what `structural` takes.
    """

    title: str
    when: str = ""
    reads_text: bool = False
    reads_land_use: bool = False
    reads_weights: bool = False
    paints: bool = False
    packages: tuple[str, ...] = ()
    pace: float = 1.0


TRAITS: dict[str, Traits] = {
    "structural": Traits(
        "Structure (without training)",
        "Compares edges and their directions, without any training. Quicker on large scenes; the one to try where "
        "a learned method finds nothing, and a second opinion that shares little with either.",
    ),
    "tar": Traits(
        "Learned (best for most scenes)",
        "A trained network finds what looks alike in both images, helped by words about scenes and land cover. "
        "It finds more than Structure does on Sentinel images, and as much on those of other satellites.",
        reads_text=True,
        reads_weights=True,
        packages=("safetensors",),
        pace=3.0,
    ),
    "promptmid": Traits(
        "Learned, with land use (PromptMID)",
        "Finds keypoints of the optical image with a network that paints what the SAR image would look like to an "
        "optical sensor, told what the ground is used for. As good as the other learned method, and slower. "
        "It can hand over the picture that it paints.",
        reads_land_use=True,
        reads_weights=True,
        paints=True,
        packages=("safetensors",),
        pace=6.0,
    ),
}


def traits_of(name: str) -> Traits:
    """What is known about a method; the plainest traits for one of which nothing is."""
    return TRAITS.get(name) or Traits(name)


def methods_with(trait: str) -> tuple[str, ...]:
    """The registered methods that have a trait: "reads_text", "reads_land_use", "reads_weights" or "paints"."""
    return tuple(name for name in METHODS if getattr(traits_of(name), trait))


def create(name: str) -> Matcher:
    """The matcher of that name. Raises OptionError for an unknown one, EngineError where a package is missing."""
    if name not in METHODS:
        raise OptionError(f"Matching method '{name}' is not known.", f"Use one of {', '.join(METHODS)}.")
    module, _, attribute = METHODS[name].partition(":")
    try:
        matcher: Matcher = getattr(import_module(f".{module}", __package__), attribute)()
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        others = ", ".join(other for other in METHODS if other != name)
        raise EngineError(
            f"Matching method '{name}' needs the package '{missing}', which '{sys.executable}' does not have.",
            "Install it there" + (f", or use another method ({others})." if others else "."),
        ) from error
    return matcher
