"""The prompt library: what is shipped, what is refused, and how a scene hint is read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sarto.core.contract import InputError, OptionError
from sarto.core.matching.prompts import (
    FOLDER,
    LAND_COVER_FILE,
    SCENES_FILE,
    Prompt,
    PromptLibrary,
    load_library,
    parse_scenes,
)

LIBRARY = PromptLibrary(
    scenes=(
        Prompt("harbour", "Harbour", ("piers",), ("bright bars",)),
        Prompt("open-sea", "Open sea", ("blue",), ("dark",)),
        Prompt("savanna", "Savanna and shrubland", ("dry",), ("dim",)),
    ),
    land_cover=(Prompt("water", "Permanent water", ("blue",), ("black",), 80),),
)


def entry(name: str = "harbour", **changes) -> dict:
    return {"name": name, "title": name.title(), "optical": ["piers", "boats"], "sar": ["bright bars"], **changes}


def write(folder: Path, scenes: object, covers: object = None) -> Path:
    default = {"about": "", "entries": [entry("water", worldcover=80)]}
    for file, content in ((SCENES_FILE, scenes), (LAND_COVER_FILE, default if covers is None else covers)):
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / file).write_text(text, encoding="utf-8")
    return folder


# ── what is shipped ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_shipped_library_covers_what_it_says() -> None:
    library = load_library()
    assert 45 <= len(library.scenes) <= 60
    codes = [p.worldcover for p in library.land_cover if p.worldcover is not None]
    assert codes == [10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100]  # all of ESA WorldCover, in its order
    names = {p.name for p in library.scenes}
    assert {"airport", "harbour", "terraced-fields", "open-sea", "salt-pans", "burnt-land", "rice-paddy"} <= names
    assert [p.name for p in library.scenes] == sorted(names)


def test_the_shipped_wordings_are_short_and_each_is_there_once() -> None:
    library = load_library()
    looks = [look for p in (*library.scenes, *library.land_cover) for look in (p.optical, p.sar)]
    assert all(2 <= len(look) <= 3 for look in looks)
    wordings = [w for look in looks for w in look]
    assert max(len(w.split()) for w in wordings) <= 20
    assert len({w.lower() for w in wordings}) == len(wordings)


def test_the_readme_names_the_files_and_fields() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for word in (SCENES_FILE, LAND_COVER_FILE, "`name`", "`title`", "`optical`", "`sar`", "`worldcover`"):
        assert word in text


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    place = write(tmp_path, {"entries": [entry(optical=["  many\n piers "]), entry("open-sea")]})
    library = load_library(place)
    assert library.scenes[0] == Prompt("harbour", "Harbour", ("many piers",), ("bright bars",))
    assert library.land_cover[0].worldcover == 80
    assert load_library(str(place)) is library


def test_an_edit_is_seen_by_the_running_process(tmp_path: Path) -> None:
    place = write(tmp_path, {"entries": [entry()]})
    before = load_library(place)
    write(tmp_path, {"entries": [entry(), entry("lake")]})
    os.utime(tmp_path / SCENES_FILE, ns=(1, 1))  # clocks of file systems may be coarse
    assert len(load_library(place).scenes) == len(before.scenes) + 1


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"optical": []}, ("harbour", "empty wording", "optical")),
        ({"sar": ["fine", "  "]}, ("harbour", "empty wording", "sar")),
        ({"sar": "bright"}, ("harbour", "no list of texts", "sar")),
        ({"optical": ["piers", 3]}, ("harbour", "no list of texts", "optical")),
        ({"optical": ["word " * 61]}, ("harbour", "61 words")),
        ({"title": ""}, ("harbour", "title")),
        ({"title": "Port, harbour"}, ("harbour", "comma")),
        ({"name": "Big Harbour"}, ("Big Harbour", "proper name", "lower-case")),
        ({"name": "auto"}, ("auto", "taken")),
        ({"name": 7}, ("number 2", "'name'")),
        ({"worldcover": 10}, ("harbour", "unknown field 'worldcover'")),
        ({"optcial": ["typo"]}, ("harbour", "unknown field 'optcial'", "optical")),
        ({"name": "lake"}, ("lake", "name that an earlier entry has")),
        ({"title": "lake"}, ("harbour", "title that an earlier entry has")),
        ({"name": "water"}, ("water", SCENES_FILE, "Rename one")),
    ],
)
def test_a_bad_entry_is_named_with_file_and_fault(tmp_path: Path, bad: dict, words: tuple[str, ...]) -> None:
    place = write(tmp_path, {"entries": [entry("lake"), {**entry(), **bad}]})
    with pytest.raises(InputError) as caught:
        load_library(place)
    for word in (str(tmp_path), *words):
        assert word in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("field", ["name", "title", "optical", "sar"])
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    broken = entry()
    del broken[field]
    with pytest.raises(InputError, match=f"'{field}'"):
        load_library(write(tmp_path, {"entries": [broken]}))


@pytest.mark.parametrize("code", ["10", 0, 1.5, True])
def test_a_code_that_is_none(tmp_path: Path, code: object) -> None:
    covers = {"entries": [entry("water", worldcover=code)]}
    with pytest.raises(InputError, match="worldcover"):
        load_library(write(tmp_path, {"entries": [entry()]}, covers))


def test_a_land_cover_without_a_code_must_say_so(tmp_path: Path) -> None:
    scenes = {"entries": [entry()]}
    with pytest.raises(InputError, match="lacks 'worldcover'"):
        load_library(write(tmp_path, scenes, {"entries": [entry("road")]}))
    library = load_library(write(tmp_path, scenes, {"entries": [entry("road", worldcover=None)]}))
    assert library.land_cover[0].worldcover is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"entries": [}', ("not JSON", "line 1 column 14")),
        ("[" * 100_000, ("not JSON",)),
        ("[]", ("no list 'entries'",)),
        ('{"entries": []}', ("no list 'entries'",)),
        ('{"entries": ["harbour"]}', ("number 1", "object")),
    ],
)
def test_a_file_that_is_no_library(tmp_path: Path, content: str, words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        load_library(write(tmp_path, content))
    for word in (SCENES_FILE, *words):
        assert word in str(caught.value)


def test_a_missing_file_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"scenes\.json' could not be read: No such file"):
        load_library(tmp_path)
    write(tmp_path, {"entries": [entry()]})
    (tmp_path / LAND_COVER_FILE).write_bytes(b'{"about": "\xff\xfe"}')
    with pytest.raises(InputError, match=r"land_cover\.json' is not UTF-8"):
        load_library(tmp_path)


# ── digest ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_digest_knows_content_not_layout(tmp_path: Path) -> None:
    def digest(text: object) -> str:
        os.makedirs(tmp_path, exist_ok=True)
        return load_library(write(tmp_path, text)).digest

    first = digest({"about": "a", "entries": [entry(), entry("lake")]})
    assert len(first) == 16
    layout = json.dumps({"entries": [dict(reversed(entry(title="Other").items())), entry("lake")]}, indent=7)
    assert digest(layout) == first
    swapped = entry(optical=["bright bars"], sar=["piers", "boats"])
    changes = (
        [entry("lake"), entry()],
        [entry("harbor"), entry("lake")],
        [entry(sar=["bright bar"]), entry("lake")],
        [entry(optical=["piers boats"]), entry("lake")],
        [swapped, entry("lake")],
    )
    assert len({first, *(digest({"entries": entries}) for entries in changes)}) == 1 + len(changes)


# ── scene hint ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("auto", ()),
        (" AUTO ", ()),
        (" , ", ()),
        ("harbour", ("harbour",)),
        ("Open Sea,HARBOUR", ("open-sea", "harbour")),
        (" open-sea ,, open_sea, harbour", ("open-sea", "harbour")),
        ("savanna AND  shrubland", ("savanna",)),
    ],
)
def test_a_scene_hint_is_read_kindly(text: str, names: tuple[str, ...]) -> None:
    assert parse_scenes(text, LIBRARY) == names


def test_an_unknown_scene_names_the_closest() -> None:
    with pytest.raises(OptionError, match=r"'Harbor' is not in .* Closest: harbour\."):
        parse_scenes("open sea, Harbor", LIBRARY)
    with pytest.raises(OptionError, match=r"Known: harbour, open-sea, savanna"):
        parse_scenes("xyzzy", LIBRARY)
    with pytest.raises(OptionError, match="'auto'"):
        parse_scenes("auto, harbour", LIBRARY)
    with pytest.raises(OptionError, match="'water'"):  # a land cover is no scene
        parse_scenes("water", LIBRARY)


def test_it_needs_neither_torch_nor_safetensors() -> None:
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('torch', 'cv2', 'safetensors', 'transformers')))\n"
        "from sarto.core.matching.prompts import load_library\n"
        "print(len(load_library().scenes))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
