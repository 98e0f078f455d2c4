"""The method as a user calls it: with a small random network, and with the shipped one where it is there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sarto.core.assess import RULES
from sarto.core.contract import (
    RANGES,
    Cancelled,
    EngineError,
    MatchOptions,
    MatchResult,
    NoMatchError,
    OptionError,
    Reporter,
)
from sarto.core.geometry import affine
from sarto.core.matching import MatchTask, create
from sarto.core.matching.land_use import CLASSES
from sarto.core.matching.passes.calibration import Calibration
from sarto.core.matching.passes.network import Images
from sarto.core.matching.promptmid import PromptMidMatcher, weights
from sarto.core.matching.promptmid.compact import CompactNetwork
from sarto.core.matching.promptmid.matcher import Parts
from sarto.core.matching.promptmid.prompting import CLASSIFIER, LAYER, NOTHING, USER
from sarto.core.matching.promptmid.weights import save_weights

from ..conftest import Pair, make_pair
from .conftest import SMALL, make_network


@pytest.fixture(scope="module")
def pair() -> Pair:
    return make_pair(112, degrees=1.2, scale=1.01, shift=(6.4, -4.7), seed=2)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(
        path, make_network().state_dict(), SMALL, Calibration(evidence={"gain": 1.0}, evidence_offset=0.0)
    )
    return path


@pytest.fixture
def matcher(file: Path, monkeypatch) -> PromptMidMatcher:
    """As the registry makes it; the small network is the shipped one."""
    monkeypatch.setattr(weights, "SHIPPED", file)
    found = create("promptmid")
    assert isinstance(found, PromptMidMatcher)
    return found


def task_of(
    pair: Pair, raster: np.ndarray | None = None, bands: np.ndarray | None = None, **options: object
) -> MatchTask:
    """raster: of land use."""
    told = MatchOptions(method="promptmid", **options)
    return MatchTask(pair.optical, pair.sar, RANGES["georef"], told, bands=bands, land_use=raster)


def off(result: MatchResult, pair: Pair) -> float:
    return affine.grid_distance(result.pose, pair.truth, pair.optical.shape)


@pytest.fixture(scope="module")
def plain(file: Path, pair: Pair) -> MatchResult:
    """What is found without anything said."""
    return PromptMidMatcher(file).match(task_of(pair))


def test_the_pose_and_tie_points_of_a_georeferencing_error(plain: MatchResult, pair: Pair) -> None:
    """Even with random weights: the structural search names the pose, and edges place the tie points."""
    assert plain.steps["pose from"] == "structural search"
    assert off(plain, pair) < 3
    assert len(plain.ties) > 10
    errors = np.linalg.norm(plain.ties.moving - affine.apply(pair.truth, plain.ties.reference), axis=1)
    assert np.median(errors) < 1.5
    assert np.all((plain.ties.confidence >= 0) & (plain.ties.confidence <= 1))
    assert len(plain.inliers) == len(plain.ties)


def test_the_record_can_be_written_and_says_what_was_told(plain: MatchResult) -> None:
    steps = dict(plain.steps)
    assert json.loads(json.dumps(steps)) == steps
    assert steps["keypoints"] == "pc-fast"
    assert set(steps["prompts from"]) <= {CLASSIFIER, NOTHING}
    assert sum(steps["prompts"].values()) == sum(steps["prompts from"].values()) == len(steps["prompts of tiles"])
    assert steps["evidence from"]


def test_weights_can_be_named_in_the_options(matcher: PromptMidMatcher, file: Path, pair: Pair) -> None:
    found = matcher.match(task_of(pair, weights=str(file)))
    assert found.steps["weights"].startswith("small.safetensors (SHA-256 ")
    with pytest.raises(EngineError, match=r"none\.safetensors"):
        matcher.match(task_of(pair, weights="none.safetensors"))


def test_a_land_use_layer_is_told_to_the_network(
    plain: MatchResult, matcher: PromptMidMatcher, pair: Pair
) -> None:
    raster = np.full(pair.optical.shape, 1 + CLASSES.index("water"), np.uint8)
    raster[:, 56:] = 1 + CLASSES.index("forest")
    found = matcher.match(task_of(pair, raster, land_use="city"))
    assert found.steps["prompts from"] == {LAYER: len(found.steps["prompts of tiles"])}
    assert set(found.steps["prompts"]) == {"a satellite image of water and forest"}
    assert found.steps["evidence from"] != plain.steps["evidence from"]
    assert off(found, pair) < 3


def test_classes_that_the_user_names_are_told(matcher: PromptMidMatcher, pair: Pair) -> None:
    found = matcher.match(task_of(pair, land_use="road, City"))
    assert set(found.steps["prompts from"]) == {USER}
    assert set(found.steps["prompts"]) == {"a satellite image of a city and roads"}
    with pytest.raises(OptionError, match="'forrest'"):
        matcher.match(task_of(pair, land_use="forrest"))


def test_bands_are_seen_and_nodata_gives_no_tie_points(
    plain: MatchResult, matcher: PromptMidMatcher, pair: Pair
) -> None:
    grey = pair.optical.copy()
    grey[30:60, :50] = 0
    bands = np.stack([grey, 255 - grey // 2, np.roll(grey, 3, 1)]) * (grey > 0)
    found = matcher.match(task_of(Pair(grey, pair.sar, pair.truth), bands=bands))
    assert off(found, pair) < 5
    assert found.steps["evidence from"] != plain.steps["evidence from"]
    x, y = np.rint(found.ties.reference).astype(int).T
    assert len(x)
    assert np.all(grey[y.clip(0, 111), x.clip(0, 111)] > 0)


def test_no_common_pixels_is_said(matcher: PromptMidMatcher, pair: Pair) -> None:
    with pytest.raises(NoMatchError):
        matcher.match(task_of(Pair(pair.optical, np.zeros_like(pair.sar), pair.truth)))


def test_constant_images_have_no_tie_points(matcher: PromptMidMatcher) -> None:
    flat = np.full((64, 64), 90, np.uint8)
    assert len(matcher.match(task_of(Pair(flat, flat, np.eye(2, 3)))).ties) == 0


def test_the_same_again_and_cancel_answers_at_every_stage(
    plain: MatchResult, matcher: PromptMidMatcher, pair: Pair
) -> None:
    asked: list[int] = []
    stages: list[str] = []
    told = Reporter(
        on_progress=lambda stage, share: stages.append(stage), is_cancelled=lambda: asked.append(0) or False
    )
    torch.manual_seed(1234)
    again = matcher.match(task_of(pair), told)
    assert np.array_equal(again.ties.moving, plain.ties.moving)
    assert np.array_equal(again.pose, plain.pose)
    assert again.evidence == plain.evidence
    assert again.steps == {name: told for name, told in plain.steps.items() if name != "weights"}
    assert plain.steps["weights"].startswith("small.safetensors (SHA-256 ")
    assert len(asked) > 5
    assert stages[-1] == "Matching tie points"
    for stop in (0, len(asked) // 2, len(asked) - 1):  # the last one is among the keypoints
        count: list[int] = []

        def cancelled(count: list[int] = count, stop: int = stop) -> bool:
            count.append(0)
            return len(count) > stop

        with pytest.raises(Cancelled):
            matcher.match(task_of(pair), Reporter(is_cancelled=cancelled))


@pytest.mark.slow
def test_parts_can_be_left_out(file: Path, pair: Pair) -> None:
    told = PromptMidMatcher(file, Parts(prompt=("water",))).match(task_of(pair, land_use="city"))
    assert set(told.steps["prompts"]) == {"a satellite image of water"}
    learned = PromptMidMatcher(file, Parts(rescue=False)).match(task_of(pair, keypoints="grid"))
    assert learned.steps["keypoints"] == "grid"
    assert learned.steps["pose from"] == "learned search"


def test_missing_weights_are_named(tmp_path: Path, pair: Pair) -> None:
    with pytest.raises(EngineError, match="nothing"):
        PromptMidMatcher(tmp_path / "nothing.safetensors").match(task_of(pair))


def shipped_match(shipped: Path, pair: Pair, **options: object) -> MatchResult:
    return PromptMidMatcher(shipped).match(task_of(pair, **options))


def test_the_shipped_network_finds_a_georeferencing_error(shipped: Path, georeferenced_pair: Pair) -> None:
    found = shipped_match(shipped, georeferenced_pair)
    assert off(found, georeferenced_pair) < 1.0
    assert found.evidence > RULES.evidence[0]
    assert found.inliers.sum() > 0.3 * len(found.ties)


def test_the_shipped_network_has_no_evidence_for_different_places(shipped: Path) -> None:
    for seed in range(2):
        here, there = make_pair(192, seed=10 + seed), make_pair(192, seed=90 + seed)
        assert shipped_match(shipped, Pair(here.optical, there.sar, here.truth)).evidence < RULES.evidence[0]


def test_the_shipped_network_heeds_its_prompt(shipped: Path, pair: Pair) -> None:
    water, city = (shipped_match(shipped, pair, land_use=name) for name in ("water", "city"))
    assert water.steps["evidence from"] != city.steps["evidence from"]


def test_the_shipped_classifier_has_an_opinion(shipped: Path) -> None:
    network: CompactNetwork
    network, _ = weights.load(shipped, torch.device("cpu"))
    values = torch.from_numpy(make_pair(128, seed=5).optical.astype(np.float32))[None, None]
    found = network.classify(Images(values, torch.ones_like(values)))
    assert float(found.max() - found.min()) > 0.05


@pytest.mark.slow
def test_a_large_scene_is_matched_from_coarse_to_fine(shipped: Path) -> None:
    pair = make_pair(700, degrees=0.6, scale=1.004, shift=(12.0, -9.0), seed=8)
    raster = np.full(pair.optical.shape, 1 + CLASSES.index("farmland"), np.uint8)
    raster[:, 350:] = 1 + CLASSES.index("forest")
    found = PromptMidMatcher(shipped).match(task_of(pair, raster))
    assert off(found, pair) < 2
    assert len(found.ties) > 60
    assert len(found.steps["prompts"]) == 3  # farmland, forest, and both, by tile
    quarters = np.bincount((found.ties.reference > 300) @ np.array([1, 2]), minlength=4)
    assert quarters.min() > 8


def test_the_shipped_network_does_not_trust_constant_images(shipped: Path) -> None:
    flat = np.full((160, 160), 90, np.uint8)
    assert shipped_match(shipped, Pair(flat, flat, np.eye(2, 3))).evidence < RULES.evidence[1]
