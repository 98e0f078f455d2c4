from __future__ import annotations

import cv2
import numpy as np
import pytest
from sarto.core.bench.protocols import PROTOCOLS, WARPS, cut
from sarto.core.contract import OptionError, Pixels
from sarto.core.geometry import affine

from .scene import landscape

WARPED = [p for p in PROTOCOLS if p not in ("none", "shuffled")]
IDENTITY = np.eye(2, 3)


def sampled(image: Pixels, points: np.ndarray) -> np.ndarray:
    """Values at positions (rows, columns, 2)."""
    x, y = points[..., 0].astype(np.float32), points[..., 1].astype(np.float32)
    return cv2.remap(image.astype(np.float32), x, y, cv2.INTER_CUBIC)


def lattice(shape: tuple[int, ...]) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.stack([x, y], axis=-1).astype(np.float64)


@pytest.mark.parametrize("protocol", WARPED)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_truth_leads_to_the_same_content(protocol: str, seed: int) -> None:
    image = landscape(7)
    sample = cut("p", image, image, IDENTITY, protocol, seed)
    assert sample.truth is not None
    there = affine.apply(sample.truth, lattice(sample.optical.shape))
    side = sample.sar.shape[0]
    inside = ((there > 2) & (there < side - 3)).all(axis=-1)
    gap = np.abs(sampled(sample.sar, there) - sample.optical)[inside]
    assert inside.mean() > 0.1
    shifted = np.abs(sampled(sample.sar, there + 1.0) - sample.optical)[inside]
    assert np.median(gap) < 1.5
    assert np.median(gap) < 0.5 * np.median(shifted)  # the test can tell a pixel


def test_truth_includes_the_published_alignment() -> None:
    optical = landscape(3)
    sar = np.roll(optical, (4, -6), axis=(0, 1))  # rows, columns
    published = np.array([[1.0, 0.0, -6.0], [0.0, 1.0, 4.0]])
    sample = cut("p", optical, sar, published, "georef", 5)
    assert sample.truth is not None
    there = affine.apply(sample.truth, lattice(sample.optical.shape))
    middle = (slice(40, -40), slice(40, -40))
    assert np.median(np.abs(sampled(sample.sar, there) - sample.optical)[middle]) < 1.5


def test_window_and_warp_can_be_undone() -> None:
    image = landscape(5)
    sample = cut("p", image, image, IDENTITY, "tar", 3)
    assert sample.truth is not None
    column, row = sample.origin
    height, width = sample.optical.shape
    np.testing.assert_array_equal(sample.optical, image[row : row + height, column : column + width])
    back = affine.compose(sample.to_chip, sample.truth)
    np.testing.assert_allclose(back, [[1, 0, column], [0, 1, row]], atol=1e-9)


@pytest.mark.parametrize("protocol", WARPED)
def test_no_frame(protocol: str) -> None:
    """Bright content up to the edges of the chip must not leave a dark frame in any window."""
    image = np.maximum(landscape(1), 60)
    for seed in range(10):
        sample = cut("p", image, image, IDENTITY, protocol, seed)
        assert sample.optical.shape == sample.sar.shape == (192, 192)
        assert sample.sar.min() > 40
        edges = np.concatenate([sample.sar[0], sample.sar[-1], sample.sar[:, 0], sample.sar[:, -1]])
        assert edges.std() > 2  # content, not a constant


@pytest.mark.parametrize("protocol", WARPED)
def test_warps_stay_in_their_range_and_fill_it(protocol: str) -> None:
    warp, image = WARPS[protocol], landscape(0, 64)
    middle = affine.centre((48, 48))
    angles, scales, shifts = [], [], []
    for i in range(200):
        truth = cut(f"p{i}", image, image, IDENTITY, protocol, 0).truth
        assert truth is not None
        angle, scale = affine.angle_and_scale(truth)
        angles.append(angle)
        scales.append(scale)
        shifts.append(affine.apply(truth, middle) - middle)
    assert max(np.abs(angles)) <= warp.rotation + 1e-9
    assert max(np.abs(angles)) > 0.9 * warp.rotation
    assert warp.scale_min - 1e-9 <= min(scales) < max(scales) <= warp.scale_max + 1e-9
    assert np.log(max(scales) / min(scales)) > 0.9 * np.log(warp.scale_max / warp.scale_min)
    assert np.abs(shifts).max() <= warp.shift * 48 + 1e-9
    assert np.abs(shifts).max() > 0.9 * warp.shift * 48


def test_seed_pair_and_protocol_decide() -> None:
    image = landscape(0)
    first = cut("p", image, image, IDENTITY, "tar", 0)
    again = cut("p", image, image, IDENTITY, "tar", 0)
    np.testing.assert_array_equal(first.sar, again.sar)
    np.testing.assert_array_equal(first.optical, again.optical)
    for other in (
        cut("q", image, image, IDENTITY, "tar", 0),
        cut("p", image, image, IDENTITY, "tar", 1),
        cut("p", image, image, IDENTITY, "georef", 0),
    ):
        assert not np.allclose(first.truth, other.truth)  # type: ignore[arg-type]


def test_none_leaves_the_pair_alone() -> None:
    image, published = landscape(0), np.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]])
    sample = cut("p", image, image[:200], published, "none", 0)
    np.testing.assert_array_equal(sample.sar, image[:200])
    np.testing.assert_array_equal(sample.truth, published)  # type: ignore[arg-type]


def test_unknown_protocol_is_refused_by_name() -> None:
    image = landscape(0)
    with pytest.raises(OptionError, match="'tarr' is not known"):
        cut("p", image, image, IDENTITY, "tarr", 0)
