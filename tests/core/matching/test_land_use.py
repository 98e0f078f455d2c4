"""Land use: prompts, what users type, shares of a tile, legends of land-cover products."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sarto.core.contract import InputError, MatchOptions, OptionError
from sarto.core.matching import prompts
from sarto.core.matching.land_use import (
    CLASSES,
    UNKNOWN,
    count_classes,
    load_land_use,
    parse_classes,
    present,
)
from sarto.core.matching.legends import LEGENDS, choose_legend, guess_legend

SHIPPED = json.loads((prompts.FOLDER / "land_use.json").read_text(encoding="utf-8"))


# ── prompts ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("classes", "prompt"),
    [
        ((), "a satellite image"),
        (("road",), "a satellite image of roads"),
        (("water", "farmland"), "a satellite image of farmland and water"),
        (("water", "village", "farmland", "water"), "a satellite image of farmland, a village and water"),
    ],
)
def test_prompts_are_english(classes: tuple[str, ...], prompt: str) -> None:
    assert load_land_use().prompt(classes) == prompt


def test_a_prompt_of_an_unknown_class_is_refused() -> None:
    with pytest.raises(OptionError, match="'sea' is not known"):
        load_land_use().prompt(["sea"])
    with pytest.raises(OptionError):
        load_land_use().phrase("sea")
    assert load_land_use().phrase("city") == "a city"


def test_the_digest_knows_what_matters() -> None:
    texts = load_land_use()
    assert len(texts.digest) == 16
    assert replace(texts, titles=texts.titles[::-1]).digest == texts.digest
    for other in ({"template": "seen from above: {classes}"}, {"general": "land"}, {"phrases": texts.titles}):
        assert replace(texts, **other).digest != texts.digest


def write(folder: Path, content: Any) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "land_use.json").write_text(text, encoding="utf-8")
    return folder


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    assert load_land_use(write(tmp_path, SHIPPED)) == load_land_use()
    changed = load_land_use(write(tmp_path, SHIPPED | {"template": "a  photo of\n{classes}!"}))
    assert changed.prompt(("water",)) == "a photo of water!"


def entries(**changed: Any) -> dict[str, Any]:
    """The shipped file with another first entry."""
    first, *rest = SHIPPED["entries"]
    return SHIPPED | {"entries": [{k: v for k, v in {**first, **changed}.items() if v is not None}, *rest]}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "is not JSON"),
        ({"entries": []}, "has no list 'entries'"),
        (SHIPPED | {"template": "a satellite image"}, "'template' does not hold '{classes}' once"),
        (SHIPPED | {"template": 7}, "'template' is no text"),
        (SHIPPED | {"general": " "}, "'general' is no text"),
        (SHIPPED | {"general": "a {place}"}, "has a brace"),
        (SHIPPED | {"template": "of {classes} " + "and so on " * 20}, "makes prompts of up to"),
        (SHIPPED | {"entries": SHIPPED["entries"][1:]}, "'farmland' is missing"),
        (SHIPPED | {"entries": [*SHIPPED["entries"], SHIPPED["entries"][3]]}, "'water' is there twice"),
        (SHIPPED | {"entries": ["farmland"]}, "'number 1' is no object"),
        (entries(name="desert"), "'desert' is no land-use class"),
        (entries(colour="red"), "'farmland' has an unknown field 'colour'"),
        (entries(phrase=None), "'farmland' lacks 'phrase'"),
        (entries(phrase="fields, meadows"), "'farmland' has a 'phrase'"),
        (entries(title=""), "'farmland' has a 'title'"),
    ],
)
def test_a_fault_names_file_and_entry(tmp_path: Path, content: Any, fault: str) -> None:
    with pytest.raises(InputError) as caught:
        load_land_use(write(tmp_path, content))
    assert str(tmp_path / "land_use.json") in caught.value.message
    assert fault in caught.value.message
    assert caught.value.hint


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"land_use\.json' could not be read"):
        load_land_use(tmp_path)


def test_the_readme_describes_the_file() -> None:
    text = (prompts.FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"`{word}`" in text for word in ("land_use.json", "template", "general", "phrase", "{classes}"))


# ── what users type ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["", "auto", " AUTO ", ","])
def test_auto_names_nothing(text: str) -> None:
    assert parse_classes(text) == ()


def test_classes_are_read_kindly() -> None:
    assert parse_classes("water, Farmland,,water") == ("farmland", "water")
    assert parse_classes(",".join(CLASSES)) == CLASSES


@pytest.mark.parametrize(
    ("text", "hint"), [("watr", "Closest: water"), ("auto,water", "Known: farmland"), ("sea", "Known: farmland")]
)
def test_an_unknown_class_names_the_closest(text: str, hint: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_classes(text)
    assert hint in caught.value.hint


# ── shares ──────────────────────────────────────────────────────────────────────────────────────────────────


def raster(**counts: int) -> np.ndarray:
    """A class raster of 100 pixels with so many of each class, the rest unknown."""
    values = np.zeros(100, np.uint8)
    filled = [CLASSES.index(name) + 1 for name, count in counts.items() for _ in range(count)]
    values[: len(filled)] = filled
    return np.random.default_rng(1).permutation(values).reshape(20, 5)


def test_shares_are_of_the_known_pixels() -> None:
    shares = count_classes(raster(water=30, road=10))
    assert shares.dtype == np.float64
    assert dict(zip(CLASSES, shares)) == dict.fromkeys(CLASSES, 0) | {"water": 0.75, "road": 0.25}


def test_too_few_known_pixels_tell_nothing() -> None:
    assert not count_classes(raster(water=24)).any()
    assert count_classes(raster(water=25)).sum() == 1
    assert not count_classes(np.zeros((0, 4), np.uint8)).any()


def test_values_of_no_class_are_refused() -> None:
    with pytest.raises(InputError, match="value 8"):
        count_classes(np.full((3, 3), 8, np.uint8))


def test_small_shares_are_not_shown_but_roads_are() -> None:
    assert present(count_classes(raster(farmland=92, water=4, road=4))) == ("farmland", "road")
    assert present({"water": 0.05, "farmland": 0.95}) == ("farmland", "water")
    assert present({"water": 0.04, "road": 0.005}) == ()
    assert present(np.zeros(7), least=0.0, least_road=0.0) == ()
    assert present({"water": 0.2, "city": 0.8}, least=0.5) == ("city",)
    with pytest.raises(InputError, match="3 shares"):
        present([0.2, 0.3, 0.5])


# ── legends ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_legend_leads_to_the_seven_classes() -> None:
    assert list(LEGENDS) == ["worldcover", "corine", "nlcd", "dynamicworld"]
    for legend in LEGENDS.values():
        assert {name for series in legend.series for name in series.values()} <= set(CLASSES)
        assert not legend.nothing & legend.codes


@pytest.mark.parametrize(
    ("legend", "count", "meanings"),
    [
        ("worldcover", 11, {10: "forest", 40: "farmland", 50: "city", 80: "water", 95: "forest", 30: "others"}),
        ("nlcd", 20, {11: "water", 21: "village", 24: "city", 42: "forest", 82: "farmland", 31: "others"}),
        ("dynamicworld", 9, {0: "water", 1: "forest", 4: "farmland", 6: "city", 8: "others"}),
        ("corine", 44, {111: "city", 112: "village", 122: "road", 211: "farmland", 312: "forest", 523: "water"}),
    ],
)
def test_codes_mean_classes(legend: str, count: int, meanings: dict[int, str]) -> None:
    known = LEGENDS[legend]
    assert len(known.series[0]) == count
    assert {code: CLASSES[value - 1] for code, value in known.table(meanings).items()} == meanings


def test_corine_has_two_ways_to_write_its_codes() -> None:
    """Checked against the official pairs of raster value and code at the borders of its groups."""
    corine = LEGENDS["corine"]
    pairs = {1: 111, 6: 124, 9: 133, 11: 142, 12: 211, 18: 231, 22: 244, 23: 311, 29: 324, 34: 335, 35: 411}
    pairs |= {39: 423, 40: 511, 44: 523}
    series, grid = corine.series
    assert sorted(grid) == list(range(1, 45))
    assert sorted(grid, key=lambda number: sorted(series)[number - 1]) == sorted(grid)
    assert [sorted(series)[number - 1] for number in pairs] == list(pairs.values())
    assert corine.fitting({2, 211}) is None  # no file uses both
    assert corine.table({12, 48, 0}) == {12: 1, 48: UNKNOWN, 0: UNKNOWN}


@pytest.mark.parametrize(
    ("codes", "found"),
    [
        ({10, 40, 50, 80}, ("worldcover",)),
        ({0, 10, 50}, ("worldcover",)),
        ({10, 30, 40}, ("worldcover", "corine")),
        ({11, 41, 82}, ("nlcd",)),
        ({11, 21, 41}, ("nlcd", "corine")),
        ({112, 211, 312}, ("corine",)),
        ({2, 12, 18, 25}, ("corine",)),
        ({0, 1, 4, 6}, ("dynamicworld",)),
        ({1, 4, 6}, ("dynamicworld", "corine")),
        ({0, 211}, ("corine",)),
        ({0}, ("dynamicworld", "worldcover", "nlcd", "corine")),
        ({7, 300}, ()),
        (set(), ()),
    ],
)
def test_a_legend_is_guessed_by_its_codes(codes: set[int], found: tuple[str, ...]) -> None:
    assert set(guess_legend(codes)) == set(found)
    assert guess_legend(codes)[:1] == found[:1]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ESA_WorldCover_10m_2021_v200_N45E006_Map.tif", ("worldcover",)),
        ("U2018_CLC2018_V2020_20u1.tif", ("corine",)),
        ("my nlcd", ("worldcover", "corine")),  # which does not hold the codes
    ],
)
def test_the_name_of_the_layer_helps(name: str, found: tuple[str, ...]) -> None:
    assert guess_legend({10, 30, 40}, name) == found


def test_what_is_not_sure_is_not_guessed() -> None:
    with pytest.raises(OptionError) as caught:
        choose_legend("auto", {1, 4, 6}, "cover")
    assert "Option 'legend' is 'auto', but the codes 1, 4, 6 of 'cover' fit" in caught.value.message
    assert caught.value.hint == "Set it to dynamicworld or corine."
    assert choose_legend("corine", {1, 4, 6}, "cover").title == "CORINE Land Cover"


@pytest.mark.parametrize(
    ("wanted", "codes", "fault"),
    [
        ("worldcover", {10, 11, 12}, "not of ESA WorldCover: 11, 12."),
        ("auto", {10, 40, 80, 77}, "known (ESA WorldCover, CORINE Land Cover, NLCD, Dynamic World): 77."),
        ("nlcd", set(range(300, 320)), "NLCD: 300, 301, 302, 303, 304, 305, …."),
    ],
)
def test_unknown_codes_are_named(wanted: str, codes: set[int], fault: str) -> None:
    with pytest.raises(InputError) as caught:
        choose_legend(wanted, codes, "cover")
    assert "Land-cover layer 'cover' has codes" in caught.value.message
    assert fault in caught.value.message


def test_the_option_knows_the_legends() -> None:
    (legend,) = (f for f in dataclasses.fields(MatchOptions) if f.name == "legend")
    assert legend.metadata["choices"] == ("auto", *LEGENDS)
    (land_use,) = (f for f in dataclasses.fields(MatchOptions) if f.name == "land_use")
    assert all(name in land_use.metadata["help"] for name in CLASSES)


def test_an_unknown_legend_is_an_option_error() -> None:
    with pytest.raises(OptionError, match="'legend' is 'modis'"):
        choose_legend("modis", {1}, "cover")
