"""Keypoints: properties that hold whatever the image, and what PC-FAST is for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from sarto.core.contract import OptionError
from sarto.core.matching.keypoints import CLEARANCE, KINDS, Keypoints, detect
from sarto.core.matching.keypoints.spread import evenly

from ..conftest import as_optical, as_sar, landscape

SIDE = 160


@pytest.fixture(scope="module")
def fields() -> np.ndarray:
    return landscape(SIDE, 3)


@pytest.fixture(scope="module")
def optical(fields: np.ndarray) -> np.ndarray:
    return as_optical(fields, 1).astype(np.float32)


def found(kind: str, image: np.ndarray, count: int = 100, valid: np.ndarray | None = None) -> Keypoints:
    known = np.ones(image.shape, np.float32) if valid is None else valid.astype(np.float32)
    return detect(kind, image.astype(np.float32), known, count)


def gaps(expected: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Distance from each expected position to the nearest one found."""
    return np.linalg.norm(expected[:, None] - positions[None], axis=2).min(axis=1)


def squares(degrees: float) -> np.ndarray:
    """Bright and dark rectangles with soft rims, turned about the centre of the image."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    turn = np.radians(degrees)
    u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    image = np.full(x.shape, 90.0)
    for i in range(-2, 3):
        for j in range(-2, 3):
            (a, b), (w, h) = rng.uniform(-3, 3, 2), rng.uniform(5, 8, 2)
            outside = np.maximum(abs(u - 24 * i - a) - w, abs(v - 24 * j - b) - h)
            image += rng.choice([-60, 90]) / (1 + np.exp(np.clip(outside / 0.4, -50, 50)))
    return image


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 7, 50, 200])
def test_no_more_than_asked_for_and_close_to_it(kind: str, count: int, optical: np.ndarray) -> None:
    keypoints = found(kind, optical, count)
    assert 0.7 * min(count, 100) <= len(keypoints) <= count
    assert keypoints.positions.shape == (len(keypoints), 2)
    assert keypoints.strength.shape == (len(keypoints),)
    assert keypoints.positions.dtype == keypoints.strength.dtype == np.float64
    assert keypoints.strength.min() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_none_near_nodata_or_the_border(kind: str, optical: np.ndarray) -> None:
    valid = np.ones((SIDE, SIDE), bool)
    valid[:40, :70] = valid[100:110, 100:140] = False
    keypoints = found(kind, np.where(valid, optical, 0), 400, valid)
    assert len(keypoints) > 50
    known = np.pad(valid, 1).astype(np.uint8)  # beyond the border is as unknown as NoData
    distance = cv2.distanceTransform(known, cv2.DIST_C, 3)[1:-1, 1:-1]
    column, row = np.rint(keypoints.positions).astype(int).T
    assert distance[row, column].min() >= CLEARANCE - 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_every_time(kind: str, optical: np.ndarray) -> None:
    first, second = found(kind, optical), found(kind, optical.copy())
    assert np.array_equal(first.positions, second.positions)
    assert np.array_equal(first.strength, second.strength)


@pytest.mark.parametrize("kind", KINDS)
def test_no_keypoint_twice(kind: str, optical: np.ndarray) -> None:
    keypoints = found(kind, optical, 1000)
    assert len(np.unique(keypoints.positions, axis=0)) == len(keypoints)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefix", [32, 100])
def test_all_parts_of_the_image_have_some(kind: str, prefix: int, optical: np.ndarray) -> None:
    """Although one quadrant has ten times the contrast of the others (twice for SIFT, which goes by contrast)."""
    uneven = 128 + (optical - 128) * (0.5 if kind == "sift" else 0.1)
    uneven[: SIDE // 2, : SIDE // 2] = optical[: SIDE // 2, : SIDE // 2]
    positions = found(kind, uneven, prefix if kind == "grid" else 100).positions[:prefix]
    quadrant = (positions >= SIDE / 2) @ [1, 2]
    assert np.bincount(quadrant, minlength=4).min() >= len(positions) / 10


@pytest.mark.parametrize("kind", ["pc-fast", "sift"])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_constant_image_has_none(kind: str, value: int) -> None:
    assert len(found(kind, np.full((60, 60), value))) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_usable_pixel_no_keypoint(kind: str, optical: np.ndarray) -> None:
    assert len(found(kind, optical, valid=np.zeros((SIDE, SIDE)))) == 0
    assert len(found(kind, optical[:10, :10])) == 0
    assert len(found(kind, optical[:11, :11])) <= 1


def test_a_hazy_image_has_as_many(optical: np.ndarray) -> None:
    assert len(found("pc-fast", 128 + 0.05 * (optical - 128))) == len(found("pc-fast", optical))


@pytest.mark.parametrize("degrees", [30, 90])
def test_keypoints_turn_with_the_image(degrees: int) -> None:
    turn, middle = np.radians(degrees), (SIDE - 1) / 2
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    before, after = (found("pc-fast", squares(d), 400).positions for d in (0, degrees))
    expected = (before[:50] - middle) @ rotation.T + middle
    apart = gaps(expected, after)
    assert (apart < 0.5).mean() >= 0.9
    assert np.median(apart) < 0.25


def test_keypoints_lie_on_corners() -> None:
    image = np.full((81, 81), 60.0)
    image[30:51, 25:61] = 160
    corners = np.array([[x, y] for x in (24.5, 60.5) for y in (29.5, 50.5)])
    assert gaps(corners, found("pc-fast", image, 8).positions).max() < 1.5


def test_keypoints_lie_on_structure_not_between() -> None:
    rims = cv2.Canny(np.clip(squares(0), 0, 255).astype(np.uint8), 50, 100) > 0
    positions = found("pc-fast", squares(0), 400).positions
    assert len(positions) > 60
    assert (gaps(positions, np.argwhere(rims)[:, ::-1]) < 1.5).mean() > 0.8  # others: the middle of a square


def test_an_inverted_image_has_the_same_keypoints(optical: np.ndarray) -> None:
    first, second = found("pc-fast", optical), found("pc-fast", 255 - optical)
    assert np.median(gaps(first.positions, second.positions)) < 0.05
    assert (gaps(first.positions, second.positions) < 0.5).mean() > 0.95


@pytest.mark.parametrize("second", ["other brightness", "sar"])
def test_repeats_better_than_fast_where_contrast_is_rearranged(second: str) -> None:
    """Some edges turn round, others grow faint: what SAR does. Intensity FAST goes by contrast and loses them."""
    repeated: dict[str, list[float]] = {"pc": [], "fast": []}
    for seed in range(6):
        fields = landscape(SIDE, seed)
        known = np.unique(fields)
        shuffled = np.random.default_rng(seed).permutation(known)[np.searchsorted(known, fields)]
        one = as_optical(fields, 1)
        other = as_optical(shuffled, 2) if second == "other brightness" else as_sar(fields, 2)
        pc = [found("pc-fast", image, 60).positions for image in (one, other)]
        fast = [intensity_fast(image, 60) for image in (one, other)]
        repeated["pc"].append((gaps(*pc) <= 1.5).mean())
        repeated["fast"].append((gaps(*fast) <= 1.5).mean())
    assert np.mean(repeated["pc"]) > 1.1 * np.mean(repeated["fast"])


def intensity_fast(image: np.ndarray, count: int) -> np.ndarray:
    """FAST on the image itself, spread in the same way."""
    corners = cv2.FastFeatureDetector.create(5).detect(image)
    positions = np.array([k.pt for k in corners])
    inner = np.all((positions >= CLEARANCE) & (positions < SIDE - CLEARANCE), axis=1)
    strength = np.array([k.response for k in corners])[inner]
    return positions[inner][evenly(positions[inner], strength, (SIDE - 2 * CLEARANCE) ** 2, count)]


def test_the_grid_is_regular_and_centred() -> None:
    positions = found("grid", np.zeros((101, 61)), 40).positions
    assert np.allclose(positions.mean(axis=0), [30, 50])
    for values in positions.T:
        steps = np.diff(np.unique(values))
        assert np.allclose(steps, steps[0])


def test_the_strongest_of_each_cell_come_first() -> None:
    rng = np.random.default_rng(6)
    positions, strength = rng.uniform(0, 99, (500, 2)), rng.uniform(0, 1, 500)
    chosen = evenly(positions, strength, 100 * 100, 100)  # 25 cells of 20 × 20 pixels
    cell = ((positions[chosen] + 0.5) // 20) @ [1, 5]
    assert sorted(cell[:25]) == list(range(25))
    assert strength[chosen[0]] == strength.max()
    assert np.all(np.diff(strength[chosen[:25]]) <= 0)
    shuffled = rng.permutation(500)
    assert np.array_equal(shuffled[evenly(positions[shuffled], strength[shuffled], 100 * 100, 100)], chosen)


def test_what_cannot_be_is_an_error_with_a_way_out(optical: np.ndarray) -> None:
    with pytest.raises(OptionError, match=r"'harris'.*pc-fast, sift, grid"):
        found("harris", optical)
    with pytest.raises(OptionError, match="at least 1"):
        found("grid", optical, 0)
