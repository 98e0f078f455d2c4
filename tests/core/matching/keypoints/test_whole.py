"""Keypoints of whole images: seamless, and in full pixels whatever they are looked for on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sarto.core.contract import SILENT, Cancelled, Floats, OptionError, Pixels, Reporter
from sarto.core.matching.keypoints import DENSITY, detect, detect_whole, kind_for, whole

from ..conftest import make_pair

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def image() -> Pixels:
    return make_pair(160, seed=4).optical


def positions(kind: str, pixels: Pixels, factor: float = 1.0) -> Floats:
    return detect_whole(kind, pixels, factor, CPU, SILENT).positions


def near(some: Floats, others: Floats, radius: float) -> float:
    """Share of positions (N, 2) that have one of the others within the radius."""
    gaps = np.linalg.norm(some[:, None] - others[None], axis=2)
    return float((gaps.min(axis=1) < radius).mean())


@pytest.mark.parametrize("kind", ["pc-fast", "sift", "grid"])
def test_a_small_image_is_looked_at_in_one_piece(image: Pixels, kind: str) -> None:
    expected = detect(kind, image.astype(np.float32), np.ones(image.shape, np.float32), int(DENSITY * image.size))
    found = detect_whole(kind, image, 1.0, CPU, SILENT)
    assert np.allclose(found.positions, expected.positions)
    assert np.allclose(found.strength, expected.strength)


def test_squares_leave_no_seam(image: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = positions("pc-fast", image)
    monkeypatch.setattr(whole, "CORE", 48)
    found = positions("pc-fast", image)
    assert near(at_once, found, 1.0) > 0.7  # what is strong enough is said square by square
    assert len(np.unique(found.round(3), axis=0)) == len(found)
    gaps = np.linalg.norm(found[:, None] - found[None], axis=2) + 9 * np.eye(len(found))
    assert gaps.min() > 0.5  # none is found on both sides of a border
    for border in (48, 96, 144):
        assert (np.abs(found[:, 0] - border) < 6).sum() > 3


def test_larger_pixels(image: Pixels) -> None:
    """An image twice as large, seen on pixels twice as large, is the image."""
    twice = np.kron(image, np.ones((2, 2), np.uint8))
    assert np.allclose(positions("pc-fast", twice, 2.0), 2 * (positions("pc-fast", image) + 0.5) - 0.5)


def test_nodata_has_no_keypoints(image: Pixels) -> None:
    assert positions("pc-fast", image * (np.arange(160) > 80).astype(np.uint8))[:, 0].min() > 80
    assert detect_whole("pc-fast", np.zeros((50, 60), np.uint8), 1.0, CPU, SILENT).positions.shape == (0, 2)


def test_it_can_be_stopped(image: Pixels) -> None:
    with pytest.raises(Cancelled):
        detect_whole("sift", image, 1.0, CPU, Reporter(is_cancelled=lambda: True))


def test_what_is_asked_for_goes_before_what_a_method_has() -> None:
    assert [kind_for("auto", "grid"), kind_for("sift", "grid")] == ["grid", "sift"]
    with pytest.raises(OptionError, match="'harris'"):
        kind_for("harris", "grid")
