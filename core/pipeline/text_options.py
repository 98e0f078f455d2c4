"""The options that only methods that read text heed: the scene hint, and the land cover that was seen."""

from __future__ import annotations

from typing import Optional

from ..contract import MatchOptions, MatchResult, PreparedPair
from ..matching import traits_of
from ..matching.prompts import AUTO, load_library, parse_scenes
from ..raster import LandCover, classify_cover


def known_scenes() -> dict[str, str]:
    """Name → title of the scenes that a hint can name, by title. Raises InputError for a broken library."""
    titles = {scene.name: scene.title for scene in load_library().scenes}
    return dict(sorted(titles.items(), key=lambda item: item[1].lower()))


def scene_names(hint: str) -> tuple[str, ...]:
    """The names in a scene hint; () for 'auto'. Raises OptionError for an unknown one, naming what is close."""
    return () if hint == AUTO else parse_scenes(hint, load_library())


def scene_hint(names: tuple[str, ...]) -> str:
    """The reverse of `scene_names`."""
    return ",".join(names) or AUTO


def check_scene(options: MatchOptions) -> None:
    """Raises OptionError for a scene hint with a name that the prompt library does not have."""
    scene_names(options.scene)


def seen_cover(pair: PreparedPair, match: MatchResult) -> Optional[LandCover]:
    """The land cover that a method saw, as it is delivered; None where it saw none."""
    return None if match.cover is None else classify_cover(match.cover, pair.reference, pair.reference_grid)


def unheeded(options: MatchOptions, lacks_cover: bool) -> tuple[str, ...]:
    """What was asked for and the method did not do, for the record. lacks_cover: its land cover, for one."""
    notes = []
    if scene_names(options.scene) and not traits_of(options.method).reads_text:
        notes.append(f"The scene hint was not used: the method '{options.method}' reads no text.")
    if lacks_cover:
        notes.append(f"No land cover was written: the method '{options.method}' sees none.")
    return tuple(notes)
