"""The method as it ships, on pairs with known transforms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
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
    SearchRange,
    unaided,
)
from sarto.core.geometry import affine
from sarto.core.matching import MatchTask, create
from sarto.core.matching.keypoints import DENSITY, detect
from sarto.core.matching.passes import match as match_module
from sarto.core.matching.passes import pose as pose_module
from sarto.core.matching.passes.match import CHANCE, support
from sarto.core.matching.passes.pose import Hypothesis
from sarto.core.matching.passes.weight_files import read_card
from sarto.core.matching.prompts import load_library
from sarto.core.matching.tar import TarMatcher
from sarto.core.matching.tar.matcher import Parts
from sarto.core.matching.tar.weights import SHIPPED, read_bank
from sarto.core.pipeline import STAGES

from ..conftest import Pair, make_pair

MOST_MEGABYTES = 8


@pytest.fixture(scope="module")
def matcher() -> TarMatcher:
    found = create("tar")
    assert isinstance(found, TarMatcher)
    return found


def match(
    matcher: TarMatcher, pair: Pair, range_name: str = "georef", **options: object
) -> tuple[float, MatchResult]:
    task = MatchTask(pair.optical, pair.sar, RANGES[range_name], MatchOptions(method="tar", **options))
    result = matcher.match(task)
    return affine.grid_distance(result.pose, pair.truth, pair.optical.shape), result


def test_a_pose_that_both_passes_see_beats_one_that_the_second_likes_a_little_more() -> None:
    both, one = (Hypothesis(np.eye(2, 3), "", score) for score in (0.06, 0.001))
    assert support(0.95, both) > support(1.05, one)
    assert support(1.6, one) > support(0.95, both)  # but a clear answer counts
    assert support(0.0, Hypothesis(np.eye(2, 3), "", 0.0)) == pytest.approx(CHANCE)


def test_the_weights_are_small_checked_and_tied_to_the_prompt_library() -> None:
    assert SHIPPED.stat().st_size <= MOST_MEGABYTES * 1e6
    card = read_card(SHIPPED)
    assert card["sha256"]
    bank = read_bank()
    assert bank is not None
    library = load_library()
    assert bank.scene_names == tuple(p.name for p in library.scenes)
    assert bank.cover_names == tuple(p.name for p in library.land_cover)


def test_finds_a_georeferencing_error(matcher: TarMatcher, georeferenced_pair: Pair) -> None:
    error, result = match(matcher, georeferenced_pair)
    assert error < 1.0
    assert result.evidence > RULES.evidence[0]
    assert result.inliers.sum() > 0.3 * len(result.ties)
    assert len(result.ties) <= 1.3 * MatchOptions().points
    assert np.all((result.ties.confidence >= 0) & (result.ties.confidence <= 1))


def test_a_clear_pose_needs_no_structural_search_and_is_glanced_at_once(
    matcher: TarMatcher, georeferenced_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    glanced: list[Hypothesis] = []
    glance = match_module.glance

    def counted(task: MatchTask, model: object, hypotheses: list[Hypothesis], reporter: Reporter) -> object:
        glanced.extend(hypotheses)
        return glance(task, model, hypotheses, reporter)

    monkeypatch.setattr(match_module, "glance", counted)
    monkeypatch.setattr(pose_module, "search_pose", None)
    error, result = match(matcher, georeferenced_pair)
    assert error < 1.0
    assert result.steps["pose from"] == "learned search"
    assert len(glanced) == 1


def in_order(stages: list[str]) -> bool:
    order = [name for name, _ in STAGES]
    return stages == sorted(stages, key=order.index)


@pytest.mark.parametrize("keypoints", ["auto", "sift"])
def test_stages_come_in_their_order(matcher: TarMatcher, georeferenced_pair: Pair, keypoints: str) -> None:
    """The bar never goes back, so that what came too early would make it stand still."""
    stages: list[str] = []
    pair = georeferenced_pair
    task = MatchTask(pair.optical, pair.sar, RANGES["georef"], MatchOptions(method="tar", keypoints=keypoints))
    matcher.match(task, Reporter(on_progress=lambda stage, share: stages.append(stage)))
    assert in_order(stages)
    assert {"Searching the position", "Refining the position", "Matching tie points"} == set(stages)


def test_the_last_look_is_weighed_whatever_tie_points_are_handed_over(
    matcher: TarMatcher, georeferenced_pair: Pair
) -> None:
    pair, found = georeferenced_pair, {}
    for kind in ("grid", "sift"):
        options = MatchOptions(method="tar", keypoints=kind)
        found[kind] = matcher.examine(MatchTask(pair.optical, pair.sar, RANGES["georef"], options)).evidence
    assert found["sift"]["last"] == found["grid"]["last"] != found["grid"]["gain"]
    assert found["grid"]["last"] > 1


def test_tie_points_at_keypoints(matcher: TarMatcher) -> None:
    pair = make_pair(144, degrees=1.2, scale=1.01, shift=(6.4, -4.7), seed=2)
    error, result = match(matcher, pair, keypoints="pc-fast")
    assert result.steps["keypoints"] == "pc-fast"
    assert error < 1.0
    assert len(result.ties) > 20
    grey = pair.optical.astype(np.float32)
    positions = detect("pc-fast", grey, np.ones_like(grey), int(DENSITY * grey.size)).positions
    gaps = np.linalg.norm(result.ties.reference[:, None] - positions[None], axis=2)
    assert gaps.min(axis=1).max() < 1e-6
    _, plain = match(matcher, pair)
    _, grid = match(matcher, pair, keypoints="grid")
    assert plain.steps == grid.steps
    assert plain.steps["keypoints"] == "grid"
    assert np.array_equal(plain.ties.moving, grid.ties.moving)
    assert np.allclose(plain.ties.reference % 8, 4.5)  # in the middle of every fourth fine cell


def test_finds_a_large_rotation_and_scale(matcher: TarMatcher) -> None:
    error, _ = match(matcher, make_pair(256, 27.0, 0.8, (14.0, -11.0), seed=3), "tar")
    assert error < 2.0


@pytest.mark.parametrize("range_name", ["georef", "tar"])
def test_images_of_different_places_have_no_evidence(matcher: TarMatcher, range_name: str) -> None:
    for seed in range(2):
        here, there = make_pair(192, seed=10 + seed), make_pair(192, seed=90 + seed)
        _, result = match(matcher, Pair(here.optical, there.sar, here.truth), range_name)
        assert result.evidence < RULES.evidence[0]


def test_same_seed_same_result(matcher: TarMatcher, georeferenced_pair: Pair) -> None:
    _, first = match(matcher, georeferenced_pair)
    _, second = match(matcher, georeferenced_pair)
    assert np.array_equal(first.ties.moving, second.ties.moving)
    assert np.array_equal(first.inliers, second.inliers)
    assert first.evidence == second.evidence


def test_nodata_holes_do_not_disturb(matcher: TarMatcher, georeferenced_pair: Pair) -> None:
    optical, sar = georeferenced_pair.optical.copy(), georeferenced_pair.sar.copy()
    optical[40:110, 30:120] = 0
    sar[:, 200:] = 0
    error, result = match(matcher, Pair(optical, sar, georeferenced_pair.truth))
    assert error < 1.5
    x, y = np.rint(result.ties.reference).astype(int).T
    assert np.all(optical[y.clip(0, 255), x.clip(0, 255)] > 0)


def test_no_common_pixels_is_said(matcher: TarMatcher) -> None:
    pair = make_pair(128)
    with pytest.raises(NoMatchError):
        match(matcher, Pair(pair.optical, np.zeros_like(pair.sar), pair.truth))


def test_constant_images_are_not_trusted(matcher: TarMatcher) -> None:
    flat = np.full((160, 160), 90, np.uint8)
    _, result = match(matcher, Pair(flat, flat, np.eye(2, 3)))
    assert result.evidence < RULES.evidence[1]


def test_cancel_answers_at_every_stage(matcher: TarMatcher, georeferenced_pair: Pair) -> None:
    asked: list[int] = []
    task = MatchTask(
        georeferenced_pair.optical, georeferenced_pair.sar, RANGES["georef"], MatchOptions(method="tar")
    )
    matcher.match(task, Reporter(is_cancelled=lambda: asked.append(0) or False))
    assert len(asked) > 5
    for stop in range(0, len(asked), max(1, len(asked) // 4)):
        count: list[int] = []

        def cancelled(count: list[int] = count, stop: int = stop) -> bool:
            count.append(0)
            return len(count) > stop

        with pytest.raises(Cancelled):
            matcher.match(task, Reporter(is_cancelled=cancelled))


def test_images_of_different_size(matcher: TarMatcher) -> None:
    pair = make_pair(256, shift=(4.0, -3.0))
    part = np.ascontiguousarray(pair.sar[20:230, 10:240])
    truth = pair.truth - np.array([[0, 0, 10], [0, 0, 20]])
    error, _ = match(matcher, Pair(pair.optical, part, truth))
    assert error < 1.0


@pytest.mark.slow
def test_a_large_scene_is_matched_from_coarse_to_fine(matcher: TarMatcher) -> None:
    pair = make_pair(1200, degrees=1.0, scale=1.005, shift=(42.0, -30.0), seed=8)
    stages: list[str] = []
    task = MatchTask(pair.optical, pair.sar, RANGES["georef"], MatchOptions(method="tar"))
    result = matcher.match(task, Reporter(on_progress=lambda stage, share: stages.append(stage)))
    assert affine.grid_distance(result.pose, pair.truth, pair.optical.shape) < 1.0
    assert 100 < len(result.ties) < 700
    quarters = np.bincount((result.ties.reference > 600) @ np.array([1, 2]), minlength=4)
    assert quarters.min() > 15
    assert in_order(stages)
    assert {"Searching the position", "Refining the position", "Matching tie points"} == set(stages)


def test_windows_of_small_overlaps_do_not_all_show_the_same_ground(matcher: TarMatcher) -> None:
    _, large = match(matcher, make_pair(256, seed=2))
    _, small = match(matcher, make_pair(128, seed=2))
    assert small.reach < 0.4 * 128
    assert small.reach < 0.7 * large.reach < 0.3 * 256


def test_a_scene_hint_reaches_the_network(matcher: TarMatcher, georeferenced_pair: Pair) -> None:
    _, free = match(matcher, georeferenced_pair)
    _, told = match(matcher, georeferenced_pair, scene="farmland")
    seen, hinted = (dict(result.steps["evidence from"])["coarse"] for result in (free, told))
    assert seen != hinted
    with pytest.raises(OptionError, match="farmlnd"):
        match(matcher, georeferenced_pair, scene="farmlnd")


def test_the_land_cover_that_it_saw_covers_the_reference(matcher: TarMatcher, georeferenced_pair: Pair) -> None:
    optical = georeferenced_pair.optical.copy()
    optical[:, :64] = 0
    options = MatchOptions(method="tar")
    task = MatchTask(optical, georeferenced_pair.sar, RANGES["georef"], options, land_cover=True)
    cover = matcher.match(task).cover
    assert cover is not None
    assert cover.share.shape == (len(cover.names), 16, 16)
    total = cover.share.sum(axis=0)
    assert np.allclose(total[:, 4:], 1, atol=1e-3)
    assert np.all(total[:, :4] == 0)
    assert np.allclose(affine.apply(cover.lattice, [[0, 0], [15, 15]]), [[7.5, 7.5], [247.5, 247.5]])


def test_parts_can_be_left_out(georeferenced_pair: Pair) -> None:
    _, whole = match(TarMatcher(), georeferenced_pair)
    _, plain = match(TarMatcher(parts=Parts(text="none")), georeferenced_pair)
    _, learned = match(TarMatcher(parts=Parts(rescue=False)), georeferenced_pair)
    assert whole.steps["text"] == "used"
    assert plain.steps["text"] == "not used"
    assert plain.cover is None
    assert learned.steps["pose from"] == "learned search"


def test_without_guidance_the_other_tie_points_stay(georeferenced_pair: Pair) -> None:
    noise = np.random.default_rng(0).normal(0, 90, georeferenced_pair.sar.shape)
    hard = replace(georeferenced_pair, sar=np.clip(georeferenced_pair.sar + noise, 1, 255).astype(np.uint8))
    _, whole = match(TarMatcher(), hard)
    _, alone = match(TarMatcher(parts=Parts(guided=False)), hard)
    found = unaided(whole.ties.round_trip)
    assert 0 < found.sum() < len(found)
    assert np.array_equal(alone.ties.moving, whole.ties.moving[found])
    assert np.array_equal(alone.inliers, whole.inliers[found])
    assert alone.evidence == pytest.approx(whole.evidence, abs=1e-4)


def test_missing_weights_are_named(tmp_path: Path, georeferenced_pair: Pair) -> None:
    with pytest.raises(EngineError, match="nothing"):
        match(TarMatcher(tmp_path / "nothing.safetensors"), georeferenced_pair)


def test_a_search_range_of_pixels_is_kept(matcher: TarMatcher) -> None:
    pair = make_pair(256, shift=(12.0, 9.0), seed=4)
    task = MatchTask(pair.optical, pair.sar, SearchRange.parse("20"), MatchOptions(method="tar"))
    result = matcher.match(task)
    assert affine.grid_distance(result.pose, pair.truth, (256, 256)) < 1.0
    turned = cv2.rotate(pair.sar, cv2.ROTATE_90_CLOCKWISE)
    away = matcher.match(MatchTask(pair.optical, np.asarray(turned), SearchRange.parse("20"), task.options))
    angle, scale = affine.angle_and_scale(away.pose)
    assert away.evidence < RULES.evidence[0]
    assert abs(angle) < 12
    assert 0.8 < scale < 1.25
