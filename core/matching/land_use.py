"""Land use in seven classes: their names, the prompt that tells them, and which of them a tile shows.

PromptMID (arXiv 2502.18104) guides its diffusion model by a text that names the land-use classes of an image:
farmland, city, village, water, forest, road and others; in practice from a classification or from geographic data.
The classes are the paper's. The wordings (`resources/prompts/land_use.json`, made to be read and edited), the
share from which on a class counts as shown, and the legends of land-cover layers (`legends`) are our own.

In rasters class k of `CLASSES` is stored as k + 1, and `UNKNOWN` as 0. Imports numpy and the contract only: the
dock lists the classes with it, in QGIS's Python.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from ..contract import Floats, InputError, OptionError, Pixels
from . import prompts
from .prompts import AUTO, LONGEST, fail, plain, read_prompt_file, stamp

CLASSES: tuple[str, ...] = ("farmland", "city", "village", "water", "forest", "road", "others")
"""In the order in which prompts name them."""

UNKNOWN = 0
"""Value of a class raster where nothing is known."""

LAND_USE_FILE = "land_use.json"

LEAST_SHARE = 0.05
"""Share of the known pixels from which on a tile shows a class: less is a corner that describes no image."""

LEAST_ROAD_SHARE = 0.01
"""The same for roads, which are thin: one of 20 m across a tile of 2 km is 1 % of it, and yet plain to see."""

LEAST_KNOWN = 0.25
"""Share of the pixels that must be known for a tile to be described by them."""

_PLACE = "{classes}"
_FIELDS = {"name", "title", "phrase"}


@dataclass(frozen=True)
class LandUseTexts:
    """What a prompt is made of.

    template: a sentence with `{classes}` in it. general: the prompt where nothing is known.
    titles, phrases: by `CLASSES`, what is read in lists, and what stands in a prompt.
    """

    template: str
    general: str
    titles: tuple[str, ...]
    phrases: tuple[str, ...]

    def phrase(self, name: str) -> str:
        """What a class is called within a prompt. Raises OptionError for an unknown one."""
        return self.phrases[_index(name)]

    def prompt(self, classes: Sequence[str]) -> str:
        """The prompt for the classes of an image, in the order of `CLASSES`, each once; none: the general one.

        Raises OptionError for an unknown class.
        """
        present = sorted({_index(name) for name in classes})
        if not present:
            return self.general
        *before, last = (self.phrases[k] for k in present)
        listed = f"{', '.join(before)} and {last}" if before else last
        return self.template.replace(_PLACE, listed)

    @property
    def digest(self) -> str:
        """16 hex digits over what prompts are made of; layout and titles do not count."""
        content = [self.template, self.general, list(zip(CLASSES, self.phrases))]
        return hashlib.sha256(json.dumps(content).encode("ascii")).hexdigest()[:16]


def load_land_use(folder: Union[str, Path, None] = None) -> LandUseTexts:
    """Read `land_use.json` of a folder, by default the shipped one; again only when it changes.

    Raises InputError that names file, entry and fault.
    """
    path = (Path(folder).absolute() if folder is not None else prompts.FOLDER) / LAND_USE_FILE
    return _load(path, stamp(path))


def parse_classes(text: str) -> tuple[str, ...]:
    """The classes that a text names, in the order of `CLASSES`, each once; () for "auto" and for an empty text.

    text: comma-separated names; letters' case and spaces around them do not matter.
    Raises OptionError that names the unknown class and the closest known ones.
    """
    wanted = [plain(part) for part in text.split(",") if part.strip()]
    if wanted in ([], [AUTO]):
        return ()
    unknown = [name for name in wanted if name not in CLASSES]
    if unknown:
        nearest = difflib.get_close_matches(unknown[0], CLASSES, n=3, cutoff=0.5)
        hint = f"Closest: {', '.join(nearest)}." if nearest else f"Known: {', '.join(CLASSES)}."
        raise OptionError(f"Land use '{unknown[0]}' is not known.", hint)
    return tuple(name for name in CLASSES if name in wanted)


def count_classes(raster: Pixels) -> Floats:
    """Share (7,) of each class among the known pixels of a class raster, uint8 (rows, columns).

    All zero where less than `LEAST_KNOWN` of the pixels is known. Raises InputError for values above 7.
    """
    counts = np.bincount(np.asarray(raster).ravel(), minlength=len(CLASSES) + 1)
    if len(counts) > len(CLASSES) + 1:
        raise InputError(f"A class raster has the value {len(counts) - 1}.", f"0 to {len(CLASSES)} are known.")
    known = int(counts[1:].sum())
    if known == 0 or known < LEAST_KNOWN * raster.size:
        return np.zeros(len(CLASSES))
    return np.asarray(counts[1:] / known, dtype=np.float64)


def present(
    shares: Union[Mapping[str, float], npt.ArrayLike],
    least: float = LEAST_SHARE,
    least_road: float = LEAST_ROAD_SHARE,
) -> tuple[str, ...]:
    """The classes that a tile shows, in the order of `CLASSES`.

    shares: (7,) by `CLASSES`, or by name; what is not named has none. least, least_road: from which share on.
    """
    by_class = [shares.get(name, 0.0) for name in CLASSES] if isinstance(shares, Mapping) else shares
    found = np.asarray(by_class, dtype=np.float64)
    if found.shape != (len(CLASSES),):
        raise InputError(f"{found.size} shares are given for {len(CLASSES)} land-use classes.")
    needed = [least_road if name == "road" else least for name in CLASSES]
    return tuple(
        name for name, share, limit in zip(CLASSES, found.tolist(), needed) if share > 0 and share >= limit
    )


def _index(name: str) -> int:
    if name not in CLASSES:
        raise OptionError(f"Land use '{name}' is not known.", f"Known: {', '.join(CLASSES)}.")
    return CLASSES.index(name)


@lru_cache(maxsize=8)
def _load(path: Path, _stamp: tuple[int, int]) -> LandUseTexts:
    content = read_prompt_file(path, LAND_USE_FILE)
    template, general = (_sentence(path, field, content.get(field)) for field in ("template", "general"))
    if template.count(_PLACE) != 1:
        fail(path, "template", f"does not hold '{_PLACE}' once", f'Write "a satellite image of {_PLACE}".')
    if set("{}") & set(template.replace(_PLACE, "") + general):
        fail(path, "template", "or the general prompt has a brace that means nothing", f"Only '{_PLACE}' may be.")
    entries: dict[str, dict[str, Any]] = {}
    for number, entry in enumerate(content["entries"], 1):
        name = _name(path, number, entry)
        if name in entries:
            fail(path, name, "is there twice", "Remove one.")
        entries[name] = entry
    if missing := [name for name in CLASSES if name not in entries]:
        fail(path, missing[0], "is missing", f"Each of {', '.join(CLASSES)} has an entry.")
    titles, phrases = (
        tuple(_words(path, name, field, entries[name][field]) for name in CLASSES) for field in ("title", "phrase")
    )
    texts = LandUseTexts(template, general, titles, phrases)
    if (longest := len(texts.prompt(CLASSES).split())) > LONGEST:
        fail(path, "template", f"makes prompts of up to {longest} words", f"Keep below {LONGEST} in all.")
    return texts


def _name(path: Path, number: int, entry: Any) -> str:
    """The name of an entry that has the right fields."""
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        fail(path, f"number {number}", "is no object with a text 'name'", 'Write {"name": "…", …}.')
    if name not in CLASSES:
        fail(path, name, "is no land-use class", f"Known: {', '.join(CLASSES)}.")
    if unknown := sorted(set(entry) - _FIELDS):
        fail(path, name, f"has an unknown field '{unknown[0]}'", f"Known: {', '.join(sorted(_FIELDS))}.")
    if missing := sorted(_FIELDS - set(entry)):
        fail(path, name, f"lacks '{missing[0]}'", f"Each entry has {', '.join(sorted(_FIELDS))}.")
    return name


def _words(path: Path, name: str, field: str, value: Any) -> str:
    """The text of a field, with single spaces."""
    if not isinstance(value, str) or not value.strip() or set(",{}") & set(value):
        fail(path, name, f"has a '{field}' that is no text, empty, or has a comma or brace", "Give a few words.")
    return " ".join(value.split())


def _sentence(path: Path, field: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        fail(path, field, "is no text, or empty", f'Write {json.dumps(field)}: "a satellite image …".')
    return " ".join(value.split())
