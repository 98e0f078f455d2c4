"""The options that not all methods heed: the scene hint, the land cover that was seen, the land use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from ..contract import MatchOptions, RegisterJob
from ..matching import traits_of
from ..matching.land_use import CLASSES, load_land_use, parse_classes
from ..matching.legends import LEGENDS, choose_legend
from ..matching.prompts import AUTO, load_library, parse_scenes
from ..raster import Classify


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


def known_classes() -> dict[str, str]:
    """Name → title of the classes of land use, in their order. Raises InputError for a broken prompt file."""
    return dict(zip(CLASSES, load_land_use().titles))


def class_names(text: str) -> tuple[str, ...]:
    """The classes of land use that an option names; () for 'auto'. Raises OptionError for an unknown one."""
    return parse_classes(text)


def class_text(names: tuple[str, ...]) -> str:
    """The reverse of `class_names`."""
    return ",".join(names) or AUTO


def check_hints(options: MatchOptions) -> None:
    """Raises OptionError for a scene or a class of land use that is not known."""
    check_scene(options)
    class_names(options.land_use)


def land_use_reader(job: RegisterJob) -> Optional[Classify]:
    """What tells the codes of the job's land-cover layer; None where the method reads none, or there is none."""
    layer = job.land_use_layer
    if layer is None or not traits_of(job.match.method).reads_land_use:
        return None
    label, told, wanted = layer.label, f"{layer.source} {layer.name}", job.match.legend

    def classify(codes: set[int]) -> tuple[Mapping[int, int], str]:
        legend = choose_legend(wanted, codes, label, told)
        how = "told by its codes or its name" if wanted == AUTO else "as chosen"
        return legend.table(codes), f"legend of {LEGENDS[legend.name].title}, {how}"

    return classify


def unheeded(job: RegisterJob, lacking: tuple[str, ...]) -> tuple[str, ...]:
    """What was asked for and the method did not do, for the record. lacking: kinds of result that it lacks."""
    options, traits, notes = job.match, traits_of(job.match.method), []
    if scene_names(options.scene) and not traits.reads_text:
        notes.append(f"The scene hint was not used: the method '{options.method}' reads no text.")
    if "land_cover" in lacking:
        notes.append(f"No land cover was written: the method '{options.method}' sees none.")
    if "painted" in lacking:
        notes.append(f"No synthetic picture was written: the method '{options.method}' paints none.")
    if not traits.reads_land_use:
        asked = {"land-cover layer": job.land_use_layer, "named land use": class_names(options.land_use)}
        unused = [what for what, value in asked.items() if value]
        notes += [f"The {what} was not used: the method '{options.method}' reads no land use." for what in unused]
    return tuple(notes)
