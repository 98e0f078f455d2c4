"""The prompt library: what scenes and land covers look like in optical and in SAR images, in words.

TAR (arXiv 2605.12064) describes remote-sensing *scenes* and *land-cover categories* in text and keeps the two
apart; the paper prints no list. The classes (like those of AID, NWPU-RESISC45 and ESA WorldCover), the wordings,
and one wording per sensor are our own. The files are `resources/prompts/*.json`, made to be read and edited.

Imports the standard library and the contract's errors only: the dock lists the scenes with it, in QGIS's Python.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn, Optional, Union

from ..contract.errors import InputError, OptionError

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "prompts"
"""The library that comes with Sarto."""

SCENES_FILE = "scenes.json"
LAND_COVER_FILE = "land_cover.json"
AUTO = "auto"
"""The scene hint that narrows nothing."""

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FIELDS = {"name", "title", "optical", "sar"}
LONGEST = 60
"""Words of one wording. RemoteCLIP's text tower reads 77 tokens and drops the rest in silence."""


@dataclass(frozen=True)
class Prompt:
    """One entry of the library.

    name: what is typed, a lower-case slug, unique over both files; title: what is read.
    optical, sar: wordings of its look in an optical and in a SAR image, at least one each.
    worldcover: class code of ESA WorldCover, None for scenes and for land covers of our own.
    """

    name: str
    title: str
    optical: tuple[str, ...]
    sar: tuple[str, ...]
    worldcover: Optional[int] = None


@dataclass(frozen=True)
class PromptLibrary:
    """Scenes (one fits a whole image) and land covers (they fit places in it)."""

    scenes: tuple[Prompt, ...]
    land_cover: tuple[Prompt, ...]

    @property
    def digest(self) -> str:
        """16 hex digits over the names, the wordings and their order; layout, titles and codes do not count."""
        content = [[[p.name, p.optical, p.sar] for p in part] for part in (self.scenes, self.land_cover)]
        return hashlib.sha256(json.dumps(content).encode("ascii")).hexdigest()[:16]


def load_library(folder: Union[str, Path, None] = None) -> PromptLibrary:
    """Read `scenes.json` and `land_cover.json` of a folder, by default the shipped ones.

    They are read again only when they change. Raises InputError that names file, entry and fault.
    """
    place = Path(folder).absolute() if folder is not None else FOLDER
    return _load(place, stamp(place / SCENES_FILE), stamp(place / LAND_COVER_FILE))


def parse_scenes(text: str, library: PromptLibrary) -> tuple[str, ...]:
    """The names in a scene hint, in its order, each once; () for "auto" and for an empty hint.

    text: comma-separated names or titles of scenes; letters' case, spaces and hyphens do not matter.
    Raises OptionError that names the unknown scene and the closest known ones.
    """
    names = {form: p.name for p in library.scenes for form in (plain(p.title), plain(p.name))}
    wanted = [part for part in text.split(",") if part.strip()]
    if [plain(part) for part in wanted] in ([], [AUTO]):
        return ()
    unknown = [part.strip() for part in wanted if plain(part) not in names]
    if unknown:
        close = difflib.get_close_matches(plain(unknown[0]), names, n=9, cutoff=0.5)
        nearest = list(dict.fromkeys(names[form] for form in close))[:3]
        hint = f"Closest: {', '.join(nearest)}." if nearest else f"Known: {', '.join(sorted(names.values()))}."
        raise OptionError(f"Scene '{unknown[0]}' is not in the prompt library.", hint)
    return tuple(dict.fromkeys(names[plain(part)] for part in wanted))


def plain(text: str) -> str:
    """A name as it is compared: letters' case, spaces and hyphens do not matter."""
    return " ".join(re.split(r"[\s_-]+", text.strip().lower()))


def stamp(path: Path) -> tuple[int, int]:
    """Changes when the file is edited; a file that is not there is told when it is read."""
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_mtime_ns, state.st_size


@lru_cache(maxsize=8)
def _load(folder: Path, *_stamps: tuple[int, int]) -> PromptLibrary:
    scenes = _read(folder / SCENES_FILE, coded=False)
    covers = _read(folder / LAND_COVER_FILE, coded=True)
    both = {p.name for p in scenes} & {p.name for p in covers}
    if both:
        fail(
            folder / LAND_COVER_FILE, min(both), f"is the name of an entry of '{SCENES_FILE}', too", "Rename one."
        )
    return PromptLibrary(scenes, covers)


def read_prompt_file(path: Path, files: str) -> dict[str, Any]:
    """The JSON object in a prompt file, which has a list `entries` that is not empty.

    files: what a prompt folder holds, for the message. Raises InputError naming the file and the fault.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"Prompt file '{path}' could not be read: {error.strerror or error}.",
            f"A prompt folder holds {files}.",
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"Prompt file '{path}' is not UTF-8 text: {error.reason}.", "Save it as UTF-8."
        ) from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(
            f"Prompt file '{path}' is not JSON: {error}.", "Look there for a comma or quote."
        ) from error
    entries = content.get("entries") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise InputError(
            f"Prompt file '{path}' has no list 'entries'.",
            'It must look like {"about": "…", "entries": [{…}, …]}.',
        )
    return dict(content)


def _read(path: Path, coded: bool) -> tuple[Prompt, ...]:
    """The entries of one file; `coded`: they must say their WorldCover class."""
    entries = read_prompt_file(path, f"{SCENES_FILE} and {LAND_COVER_FILE}")["entries"]
    prompts = [_prompt(path, number, entry, coded) for number, entry in enumerate(entries, 1)]
    for field in ("name", "title"):
        seen: set[str] = set()
        for prompt in prompts:
            form = plain(getattr(prompt, field))
            if form in seen:
                fail(path, prompt.name, f"has a {field} that an earlier entry has", "Rename or remove one.")
            seen.add(form)
    return tuple(prompts)


def _prompt(path: Path, number: int, entry: Any, coded: bool) -> Prompt:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(name, str):
        fail(path, f"number {number}", "is no object with a text 'name'", 'Write {"name": "…", …}.')
    if not _SLUG.fullmatch(name) or name == AUTO:
        fail(path, name, "has no proper name", "Use lower-case letters, digits and hyphens; 'auto' is taken.")
    fields = _FIELDS | ({"worldcover"} if coded else set())
    if unknown := sorted(set(entry) - fields):
        fail(path, name, f"has an unknown field '{unknown[0]}'", f"Known: {', '.join(sorted(fields))}.")
    if missing := sorted(fields - set(entry)):
        fail(path, name, f"lacks '{missing[0]}'", f"Each entry has {', '.join(sorted(fields))}.")
    title = entry["title"]
    if not isinstance(title, str) or not title.strip() or "," in title:
        fail(path, name, "has a 'title' that is no text, empty, or has a comma", "Give it a few words.")
    code = entry.get("worldcover")
    if code is not None and (isinstance(code, bool) or not isinstance(code, int) or not 0 < code <= 255):
        fail(path, name, f"has 'worldcover' {json.dumps(code)}", "Give a class code such as 10, or null.")
    return Prompt(
        name, title.strip(), _wordings(path, name, entry, "optical"), _wordings(path, name, entry, "sar"), code
    )


def _wordings(path: Path, name: str, entry: dict[str, Any], field: str) -> tuple[str, ...]:
    value = entry[field]
    if not isinstance(value, list) or not all(isinstance(wording, str) for wording in value):
        fail(path, name, f"has '{field}' that is no list of texts", 'Write ["…", "…"].')
    if not value or not all(wording.strip() for wording in value):
        fail(path, name, f"has no or an empty wording under '{field}'", "Say in a few words what it looks like.")
    if longest := [w for w in value if len(w.split()) > LONGEST]:
        fail(
            path,
            name,
            f"has a wording of {len(longest[0].split())} words",
            f"Keep below {LONGEST}; 20 is better.",
        )
    return tuple(" ".join(wording.split()) for wording in value)


def fail(path: Path, entry: str, fault: str, hint: str) -> NoReturn:
    """Raise the InputError about an entry of a prompt file."""
    raise InputError(f"Prompt file '{path}': entry '{entry}' {fault}.", hint)


def names_of(prompts: Sequence[Prompt]) -> tuple[str, ...]:
    """The names, in order."""
    return tuple(prompt.name for prompt in prompts)
