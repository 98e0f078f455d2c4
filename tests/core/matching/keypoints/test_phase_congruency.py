"""Phase congruency: properties of the map."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sarto.core.matching.keypoints import Congruency, phase_congruency

from ..conftest import as_optical, landscape

SIDE = 97
MIDDLE = SIDE // 2


def congruency(image: np.ndarray, valid: np.ndarray | None = None) -> Congruency:
    values = torch.from_numpy(np.asarray(image, np.float32))[None, None]
    known = torch.ones_like(values) if valid is None else torch.from_numpy(np.float32(valid))[None, None]
    return phase_congruency(values, known)


def profile(kind: str) -> np.ndarray:
    x = np.arange(SIDE) - MIDDLE
    return {
        "step": 60 + 50 * (np.sign(x) + 1),
        "faint step": 60 + 2 * (np.sign(x) + 1),
        "line": 60 + 100 * (abs(x) < 1),
        "road": 60 + 100 * (abs(x) < 2),
        "dark road": 160 - 100 * (abs(x) < 2),
    }[kind].astype(float)


@pytest.mark.parametrize("kind", ["step", "faint step", "line", "road", "dark road"])
@pytest.mark.parametrize("along", ["x", "y"])
def test_high_on_edges_and_lines_and_low_beside_them(kind: str, along: str) -> None:
    image = np.tile(profile(kind), (SIDE, 1))
    found = congruency(image if along == "x" else image.T)
    strength = found.strength[0, 0] if along == "x" else found.strength[0, 0].T
    assert strength[:, MIDDLE].min() > 0.65
    assert strength[:, MIDDLE - 4 : MIDDLE - 2].max() < 0.1
    assert strength[:, : MIDDLE - 12].max() < 0.1
    assert found.corner[0, 0].max() < 0.25 * strength.max()


def test_high_where_directions_meet() -> None:
    image = np.full((SIDE, SIDE), 60.0)
    image[MIDDLE:, MIDDLE:] = 160
    corner = congruency(image).corner[0, 0].numpy()
    row, column = np.unravel_index(corner.argmax(), corner.shape)
    assert max(abs(row - MIDDLE), abs(column - MIDDLE)) <= 1
    assert corner.max() > 3 * corner[MIDDLE + 20 :, MIDDLE].max()


@pytest.mark.parametrize(("gain", "offset"), [(0.1, 0.0), (2.5, -40.0), (-1.0, 255.0)])
def test_blind_to_gain_offset_and_polarity(gain: float, offset: float) -> None:
    image = as_optical(landscape(96)).astype(np.float32)
    first, second = congruency(image), congruency(gain * image + offset)
    assert first.strength.max() > 0.3
    assert torch.allclose(first.strength, second.strength, atol=2e-3)
    assert torch.allclose(first.corner, second.corner, atol=2e-3)


def test_noise_is_not_congruent_but_an_edge_in_it_is() -> None:
    noise = np.random.default_rng(1).normal(100, 20, (128, 128))
    assert congruency(noise).strength.mean() < 0.01
    assert congruency(noise).strength.max() < 0.25
    noise[:, 64:] += 100
    strength = congruency(noise).strength[0, 0]
    assert strength[:, 63:65].mean() > 20 * strength[:, :50].mean()


@pytest.mark.parametrize("value", [0.0, 77.3, 255.0])
def test_nothing_in_a_constant_image(value: float) -> None:
    found = congruency(np.full((40, 50), value))
    assert found.strength.max() == 0
    assert found.corner.max() == 0


def test_the_image_does_not_wrap_around() -> None:
    step = np.tile(profile("step"), (SIDE, 1))  # dark at the left border, bright at the right one
    for strength in (congruency(step).strength[0, 0], congruency(step.T).strength[0, 0].T):
        assert strength[:, MIDDLE].min() > 0.65
        assert max(strength[:, :6].max(), strength[:, -6:].max()) < 0.05


def test_nodata_makes_no_edge_and_its_values_do_not_matter() -> None:
    image = 100 + np.random.default_rng(3).normal(0, 3, (SIDE, SIDE))
    image[:, 70:] += 60
    valid = np.ones((SIDE, SIDE))
    valid[:, :30] = 0
    black, white = np.where(valid > 0, image, 0), np.where(valid > 0, image, 255)
    first, second = congruency(black, valid), congruency(white, valid)
    assert torch.equal(first.strength, second.strength)
    assert first.strength[..., :30].max() == 0
    assert first.strength[0, 0, :, 30:60].mean() < 0.02
    assert first.strength[0, 0, :, 69:71].mean() > 0.2


def test_all_nodata() -> None:
    found = congruency(np.full((30, 30), 9.0), np.zeros((30, 30)))
    assert found.strength.max() == 0


def test_a_batch_is_its_images() -> None:
    rng = np.random.default_rng(4)
    values = torch.from_numpy(rng.uniform(0, 255, (3, 1, 60, 71))).float()
    values[..., 30:] += 200
    valid = torch.ones_like(values)
    valid[1, :, :20] = 0
    together = phase_congruency(values, valid)
    for i in range(3):
        alone = phase_congruency(values[i : i + 1], valid[i : i + 1])
        assert torch.allclose(together.strength[i], alone.strength[0], atol=1e-4)
        assert torch.allclose(together.corner[i], alone.corner[0], atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 5), (33, 64)])
def test_any_size_and_range(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(5).uniform(0, 255, shape)
    found = congruency(image)
    for part in (found.strength, found.corner):
        assert part.shape == (1, 1, *shape)
        assert part.dtype == torch.float32
        assert 0 <= part.min() <= part.max() <= 1
    assert (found.corner <= found.strength + 1e-6).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_says_the_same() -> None:
    values = torch.rand(2, 1, 64, 64).cumsum(3) * 8
    valid = torch.ones_like(values)
    valid[1, :, 50:] = 0
    here, there = phase_congruency(values, valid), phase_congruency(values.cuda(), valid.cuda())
    assert there.strength.is_cuda
    assert torch.allclose(here.strength, there.strength.cpu(), atol=1e-3)
