"""Prompts of tiles: which source has the word, what lies under a tile, and the record of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sarto.core.contract import RANGES, Floats, MatchOptions, OptionError
from sarto.core.matching import MatchTask
from sarto.core.matching.land_use import CLASSES, LEAST_KNOWN, UNKNOWN
from sarto.core.matching.passes.views import TileView
from sarto.core.matching.promptmid.prompting import (
    CLASSIFIER,
    LAYER,
    LIKELY,
    MOST_RECORDED,
    NOTHING,
    USER,
    Choice,
    Prompting,
)

FARMLAND, CITY, _, WATER, FOREST, ROAD, _ = range(1, 8)
SIZE = (32, 48)


class Classifier:
    """Says the same of every tile, and counts how often it is asked."""

    def __init__(self, **probable: float) -> None:
        self.answer = np.array([probable.get(name, 0.1) for name in CLASSES])
        self.asked: list[tuple[int, int]] = []

    def __call__(self, view: TileView, size: tuple[int, int]) -> Floats:
        self.asked.append(size)
        return self.answer


def tile(x: float = 0, y: float = 0, factor: float = 1.0, pose: Floats | None = None) -> TileView:
    return TileView(np.array([[factor, 0, x], [0, factor, y]]), np.eye(2, 3) if pose is None else pose)


def raster(value: int = UNKNOWN) -> np.ndarray:
    return np.full((100, 200), value, np.uint8)


def task(land_use: np.ndarray | None, named: str = "auto") -> MatchTask:
    image = np.full((100, 200), 90, np.uint8)
    options = MatchOptions(method="promptmid", land_use=named)
    return MatchTask(image, image, RANGES["georef"], options, land_use=land_use)


def test_the_layer_goes_before_the_user_before_the_classifier_before_nothing() -> None:
    sure, unsure = Classifier(forest=LIKELY, water=0.9), Classifier(forest=LIKELY - 1e-6)
    expected = {
        (WATER, "city", sure): Choice(("water",), LAYER),
        (UNKNOWN, "city, road", sure): Choice(("city", "road"), USER),
        (UNKNOWN, "auto", sure): Choice(("water", "forest"), CLASSIFIER),
        (UNKNOWN, "auto", unsure): Choice((), NOTHING),
        (None, "City", unsure): Choice(("city",), USER),
        (None, "", sure): Choice(("water", "forest"), CLASSIFIER),
    }
    for (value, named, classify), choice in expected.items():
        land_use = None if value is None else raster(value)
        prompting = Prompting.of(task(land_use, named), classify)
        assert prompting.choose(tile(), SIZE) == choice
    assert len(sure.asked) == 2  # never while another source has the word


def test_what_lies_under_the_tile_counts_tile_by_tile() -> None:
    land_use = raster(FARMLAND)
    land_use[:, 100:] = FOREST
    land_use[40, :100] = ROAD  # 1 of 32 rows: roads are thin
    prompting = Prompting(land_use, (), Classifier())
    assert prompting.choose(tile(0, 0), SIZE).classes == ("farmland",)
    assert prompting.choose(tile(0, 20), SIZE).classes == ("farmland", "road")
    assert prompting.choose(tile(76, 0), SIZE).classes == ("farmland", "forest")
    assert prompting.choose(tile(51, 0), SIZE).classes == ("farmland",)  # pixels 51…98
    assert prompting.choose(tile(100, 0), SIZE).classes == ("forest",)
    assert prompting.choose(tile(0.5, 0.5, 2.0), (50, 100)).classes == ("farmland", "forest")  # 0.5 %
    assert prompting.choose(tile(98, 0), SIZE).classes == ("forest",)  # 2 of 48 columns are too few


def test_only_the_part_of_a_tile_that_lies_on_the_layer_counts() -> None:
    land_use = raster(WATER)
    land_use[-10:, -10:] = CITY
    prompting = Prompting(land_use, (), Classifier())
    assert prompting.choose(tile(190, 90), SIZE).classes == ("city",)
    assert prompting.choose(tile(-20, -20), SIZE).classes == ("water",)
    for outside in (tile(300, 0), tile(0, 120), tile(-60, 0), tile(0, -40)):
        assert prompting.choose(outside, SIZE) == Choice((), NOTHING)


def test_a_tile_that_is_mostly_unknown_leaves_the_word() -> None:
    land_use = raster()
    known = int(np.ceil(LEAST_KNOWN * 48))
    land_use[:, :known] = WATER
    prompting = Prompting(land_use, ("village",), Classifier())
    assert prompting.choose(tile(0, 0), SIZE) == Choice(("water",), LAYER)
    assert prompting.choose(tile(1, 0), SIZE) == Choice(("village",), USER)
    assert prompting.choose(tile(100, 0), SIZE) == Choice(("village",), USER)


def test_marks_are_in_the_order_of_the_classes() -> None:
    land_use = raster(ROAD)
    land_use[:, 100:] = UNKNOWN
    marks = Prompting(land_use, ("water", "farmland"), Classifier()).marks([tile(0, 0), tile(120, 0)], SIZE)
    assert torch.equal(marks, torch.tensor([[0.0, 0, 0, 0, 0, 1, 0], [1, 0, 0, 1, 0, 0, 0]]))


def test_asked_again_the_answer_is_the_same_and_the_classifier_is_not_asked() -> None:
    classify = Classifier(water=0.8)
    prompting = Prompting(None, (), classify)
    first = prompting.choose(tile(8, 8), SIZE)
    classify.answer = np.ones(len(CLASSES))
    poses = [np.array([[1.0, 0, shift], [0, 1, 0]]) for shift in range(5)]
    marks = prompting.marks([tile(8, 8, pose=pose) for pose in poses], SIZE)
    assert prompting.choose(tile(8, 8), SIZE) == first == Choice(("water",), CLASSIFIER)
    assert (marks == marks[0]).all()
    assert classify.asked == [SIZE]
    assert prompting.choose(tile(9, 8), SIZE) != first  # another place
    assert prompting.choose(tile(8, 8), (48, 48)) != first  # another size
    assert len(classify.asked) == 3


def test_a_class_that_is_not_known_is_named() -> None:
    with pytest.raises(OptionError, match="'forrest' is not known") as caught:
        Prompting.of(task(None, "city, forrest"), Classifier())
    assert "forest" in caught.value.hint


def test_forced_classes_go_before_all() -> None:
    classify = Classifier(water=0.9)
    prompting = Prompting.of(task(raster(CITY), "road"), classify, ("forest",))
    assert prompting.choose(tile(), SIZE).classes == ("forest",)
    assert Prompting.of(task(raster(CITY)), classify, ()).choose(tile(), SIZE).classes == ()
    assert classify.asked == []


def test_the_record_tells_each_tile_and_its_source() -> None:
    land_use = raster(WATER)
    land_use[:, 100:] = UNKNOWN
    prompting = Prompting(land_use, (), Classifier(city=0.7, road=0.6))
    prompting.marks([tile(0, 0), tile(4, 8), tile(120, 0)], SIZE)
    prompting.marks([tile(0.5, 0.5, 2.0)], (16, 16))
    record = prompting.record
    assert record["prompts from"] == {LAYER: 3, CLASSIFIER: 1}
    assert record["prompts"] == {"a satellite image of water": 3, "a satellite image of a city and roads": 1}
    assert [0, 0, 48, 32, "a satellite image of water"] in record["prompts of tiles"]
    assert [120, 0, 48, 32, "a satellite image of a city and roads"] in record["prompts of tiles"]
    assert len(record["prompts of tiles"]) == 4
    assert json.loads(json.dumps(record)) == record


def test_the_record_of_a_large_scene_is_cut_and_says_how_many_there_were() -> None:
    prompting = Prompting(raster(FOREST), (), Classifier())
    prompting.marks([tile(x % 190, x // 190) for x in range(MOST_RECORDED + 20)], (8, 8))
    record = prompting.record
    assert record["prompts"] == {"a satellite image of forest": MOST_RECORDED + 20}
    assert len(record["prompts of tiles"]) == MOST_RECORDED


def test_before_anything_is_asked_the_record_is_empty() -> None:
    record = Prompting(None, (), Classifier()).record
    assert record == {"prompts": {}, "prompts from": {}, "prompts of tiles": []}


def test_a_spoiled_prompt_names_what_the_tile_does_not_show() -> None:
    prompting = Prompting.of(task(raster(WATER)), Classifier(), spoiled=True)
    marks = prompting.marks([tile(), tile(60, 20)], SIZE)
    wrong = [float(name != "water") for name in CLASSES]
    assert marks.tolist() == [wrong, wrong]
    assert prompting.choose(tile(), SIZE) == Choice(tuple(n for n in CLASSES if n != "water"), LAYER)
