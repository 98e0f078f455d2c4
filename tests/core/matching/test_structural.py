"""The structural matcher on pairs with known transforms."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from sarto.core.assess import RULES
from sarto.core.contract import RANGES, SILENT, Cancelled, MatchOptions, NoMatchError, Reporter, SearchRange
from sarto.core.geometry import affine
from sarto.core.matching import MatchTask, create
from sarto.core.matching.keypoints import detect_whole
from sarto.core.matching.passes.match import DISTANCE
from sarto.core.matching.structural import pose
from sarto.core.matching.structural.pose import search_pose

from .conftest import Pair, landscape, make_pair


def match(pair: Pair, range_name: str = "georef", **options: object) -> tuple[float, object]:
    task = MatchTask(pair.optical, pair.sar, RANGES[range_name], MatchOptions(**options))
    result = create("structural").match(task)
    return affine.grid_distance(result.pose, pair.truth, pair.optical.shape), result


def test_finds_a_georeferencing_error_to_subpixel(georeferenced_pair: Pair) -> None:
    error, result = match(georeferenced_pair)
    assert error < 0.5
    assert result.evidence > 0.9
    agreed = result.inliers
    assert agreed.sum() > 0.7 * result.tried
    predicted = affine.apply(georeferenced_pair.truth, result.ties.reference[agreed])
    off = np.linalg.norm(result.ties.moving[agreed] - predicted, axis=1)
    assert np.median(off) < 0.6


def test_windows_can_be_laid_around_keypoints() -> None:
    pair = make_pair(160, degrees=1.2, scale=1.01, shift=(6.4, -4.7), seed=2)
    error, result = match(pair, keypoints="pc-fast")
    assert result.steps["keypoints"] == "pc-fast"
    assert error < 0.6
    assert len(result.ties) > 25
    positions = detect_whole("pc-fast", pair.optical, 1.0, torch.device("cpu"), SILENT).positions
    gaps = np.linalg.norm(result.ties.reference[:, None] - positions[None], axis=2)
    assert gaps.min(axis=1).max() < 1e-9
    _, plain = match(pair)
    _, grid = match(pair, keypoints="grid")
    assert plain.steps == grid.steps
    assert plain.steps["keypoints"] == "grid"
    assert np.array_equal(plain.ties.moving, grid.ties.moving)
    assert np.linalg.norm(plain.ties.reference[:, None] - positions[None], axis=2).min(axis=1).max() > 0.5


def test_no_keypoints_no_tie_points() -> None:
    flat = np.full((96, 96), 90, np.uint8)
    _, result = match(Pair(flat, make_pair(96).sar, np.eye(2, 3)), keypoints="sift")
    assert len(result.ties) == result.tried == 0
    assert result.evidence < RULES.evidence[0]


@pytest.mark.parametrize(("name", "degrees", "scale"), [("tar", -17.0, 1.12), ("georef", 1.5, 1.01)])
def test_a_rough_search_comes_near_enough_for_others_to_go_on(name: str, degrees: float, scale: float) -> None:
    pair = make_pair(320, degrees=degrees, scale=scale, shift=(12.0, -9.0), seed=4)
    task = MatchTask(pair.optical, pair.sar, RANGES[name], MatchOptions())
    rough, exact = (search_pose(task, torch.device("cpu"), SILENT, rough=value) for value in (True, False))
    off = [affine.grid_distance(s.poses[0].transform, pair.truth, pair.optical.shape) for s in (rough, exact)]
    assert off[0] < DISTANCE * 320  # the coarse matching takes it for the same pose
    assert off[1] < 2


def test_a_rough_search_stays_on_small_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[int] = []
    shown = pose.structure_maps

    def watched(values: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sides.append(max(values.shape[-2:]))
        return shown(values, valid)

    pair = make_pair(320, degrees=1.5, shift=(12.0, -9.0), seed=4)
    task = MatchTask(pair.optical, pair.sar, RANGES["georef"], MatchOptions())
    monkeypatch.setattr(pose, "structure_maps", watched)
    pose.search_pose(task, torch.device("cpu"), SILENT, rough=True)
    assert sides[0] == pose.ROUGH_SIDE
    largest = max(sides)
    sides.clear()
    pose.search_pose(task, torch.device("cpu"), SILENT)
    assert largest < 320 <= max(sides)


@pytest.mark.parametrize(("degrees", "scale", "shift"), [(31.0, 0.75, (18.0, -15.0)), (-24.0, 1.25, (-20.0, 4.0))])
def test_finds_large_rotation_and_scale(degrees: float, scale: float, shift: tuple[float, float]) -> None:
    error, _ = match(make_pair(256, degrees, scale, shift, seed=3), "tar")
    assert error < 1.0


@pytest.mark.slow
@pytest.mark.parametrize(("degrees", "scale"), [(163.0, 1.8), (-95.0, 0.55)])
def test_finds_any_rotation(degrees: float, scale: float) -> None:
    error, _ = match(make_pair(256, degrees, scale, (5.0, -12.0), seed=5), "wild")
    assert error < 1.5


@pytest.mark.parametrize("range_name", ["georef", "tar"])
def test_images_of_different_places_have_no_evidence(range_name: str) -> None:
    for seed in range(4):
        here, there = make_pair(192, seed=10 + seed), make_pair(192, seed=90 + seed)
        _, result = match(Pair(here.optical, there.sar, here.truth), range_name)
        assert result.evidence < RULES.evidence[0]


def test_same_seed_same_result(georeferenced_pair: Pair) -> None:
    _, first = match(georeferenced_pair)
    _, second = match(georeferenced_pair)
    assert np.array_equal(first.ties.moving, second.ties.moving)
    assert np.array_equal(first.inliers, second.inliers)
    assert first.evidence == second.evidence


def test_nodata_holes_do_not_disturb(georeferenced_pair: Pair) -> None:
    optical, sar = georeferenced_pair.optical.copy(), georeferenced_pair.sar.copy()
    optical[:, :70] = 0
    sar[180:, :] = 0
    error, result = match(Pair(optical, sar, georeferenced_pair.truth))
    assert error < 1.0
    used = np.rint(result.ties.reference[result.inliers]).astype(int)
    assert np.all(optical[used[:, 1], used[:, 0]] > 0)


def test_a_frame_of_nodata_is_not_matched() -> None:
    """Two unrelated images with the same NoData frame: its edges must not count as structure."""
    here, there = make_pair(256, seed=21), make_pair(256, seed=22)
    frame = np.zeros((256, 256), bool)
    frame[60:200, 40:210] = True
    _, result = match(Pair(np.where(frame, here.optical, 0), np.where(frame, there.sar, 0), here.truth))
    assert result.evidence < 0.5


def test_no_common_pixels_is_said() -> None:
    pair = make_pair(128)
    with pytest.raises(NoMatchError):
        match(Pair(pair.optical, np.zeros_like(pair.sar), pair.truth))


def test_constant_images_are_not_trusted() -> None:
    flat = np.full((200, 200), 90, np.uint8)
    task = MatchTask(flat, flat, RANGES["georef"])
    assert create("structural").match(task).evidence < 0.5


def test_cancel_answers(georeferenced_pair: Pair) -> None:
    asked = []

    def after_a_few() -> bool:
        asked.append(1)
        return len(asked) > 3

    task = MatchTask(georeferenced_pair.optical, georeferenced_pair.sar, RANGES["georef"])
    with pytest.raises(Cancelled):
        create("structural").match(task, Reporter(is_cancelled=after_a_few))


def test_images_of_different_size() -> None:
    """An unreferenced SAR image that shows more than the optical one."""
    pair = make_pair(320, degrees=4.0, shift=(3.0, 8.0), seed=7)
    optical = np.ascontiguousarray(pair.optical[50:270, 70:250])
    truth = affine.compose(pair.truth, np.array([[1.0, 0, 70], [0, 1.0, 50]]))
    search = SearchRange(shift_px=20, rotation_deg=8, scale_min=0.95, scale_max=1.05)
    result = create("structural").match(MatchTask(optical, pair.sar, search))
    assert affine.grid_distance(result.pose, truth, optical.shape) < 1.0


def test_a_large_scene_is_matched_from_coarse_to_fine() -> None:
    side = 1200
    whole = landscape(300, seed=4)
    fields = np.kron(whole, np.ones((side // 300, side // 300), np.float32))
    from .conftest import as_optical, as_sar

    shift = 23
    optical = as_optical(fields[: side - shift, : side - shift])
    sar = as_sar(fields[shift:, shift:])
    task = MatchTask(optical, sar, RANGES["georef"], MatchOptions(points=150))
    result = create("structural").match(task)
    truth = np.array([[1.0, 0, -shift], [0, 1.0, -shift]])
    assert affine.grid_distance(result.pose, truth, optical.shape) < 0.5
    assert 100 < result.tried < 500


@pytest.mark.slow
def test_an_oversampled_scene_is_matched_where_it_has_detail() -> None:
    """Images blown up eight times: single pixels show nothing, so tie points come from a coarser level."""
    pair = make_pair(200, degrees=0.8, shift=(3.0, -4.0), seed=12)
    times = 8
    optical, sar = (
        cv2.resize(image, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
        for image in (pair.optical, pair.sar)
    )
    task = MatchTask(np.maximum(optical, 1), np.maximum(sar, 1), RANGES["georef"], MatchOptions(points=120))
    result = create("structural").match(task)
    truth = affine.enlarge_by(pair.truth, times)
    assert affine.grid_distance(result.pose, truth, optical.shape) < 0.5 * times
    assert result.steps["tie points on pixels of"] > 1
    assert result.inliers.sum() > 0.3 * result.tried


def test_tie_points_never_cluster(georeferenced_pair: Pair) -> None:
    _, result = match(georeferenced_pair)
    points = result.ties.reference
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert distance.min() >= 8
