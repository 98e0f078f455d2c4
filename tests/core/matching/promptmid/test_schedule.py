"""The schedule: image and noise are parted as they were mixed."""

from __future__ import annotations

import pytest
import torch
from sarto.core.matching.promptmid.schedule import OFFSET, fixed_noise, noisy, parted, shares, velocity

CPU = torch.device("cpu")
TIMES = torch.linspace(0, 1, 21)


@pytest.fixture
def mixed() -> tuple[torch.Tensor, torch.Tensor]:
    """An image and noise for every time."""
    random = torch.Generator().manual_seed(2)
    image, noise = (torch.randn(len(TIMES), 4, 5, 6, generator=random) for _ in range(2))
    return image, noise


def test_shares_of_image_and_noise_make_a_whole() -> None:
    image, noise = shares(TIMES)
    assert image.shape == noise.shape == (len(TIMES), 1, 1, 1)
    assert torch.allclose(image.square() + noise.square(), torch.ones_like(image), atol=1e-6)
    assert (image.diff(dim=0) < 0).all()
    assert (noise.diff(dim=0) > 0).all()


def test_it_begins_with_the_image_and_ends_with_noise() -> None:
    image, noise = (share.flatten() for share in shares(torch.tensor([0.0, 1.0])))
    assert image[0] > 0.999
    assert 0 < noise[0] < 0.02
    assert 0 <= image[1] < 1e-6
    assert noise[1] == pytest.approx(1)


def test_image_and_noise_come_back(mixed) -> None:
    found = parted(noisy(*mixed, TIMES), velocity(*mixed, TIMES), TIMES)
    for back, given in zip(found, mixed):
        assert torch.allclose(back, given, atol=1e-5)


def test_velocity_is_what_the_mixture_changes_by(mixed) -> None:
    """Against differences along the angle that time stands for."""
    step = 1e-3
    angle = (1 + OFFSET) * 2 / torch.pi
    double = [part.double() for part in mixed]
    before, after = (noisy(*double, (TIMES + sign * step).double()) for sign in (-1, 1))
    slope = (after - before) / (2 * step) * angle
    inner = slice(1, -1)  # the ends are clamped
    assert torch.allclose(slope[inner], velocity(*double, TIMES.double())[inner], atol=2e-3)


def test_fixed_noise_is_the_same_whatever_is_drawn_and_asked_for_before() -> None:
    first = fixed_noise((1, 4, 8, 8), CPU)
    torch.manual_seed(5)
    torch.randn(7)
    state = torch.get_rng_state()
    assert torch.equal(fixed_noise((6, 4, 8, 8), CPU), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.shape == (1, 4, 8, 8)
    assert not torch.equal(fixed_noise((1, 4, 8, 8), CPU, seed=1), first)
    large = fixed_noise((1, 4, 64, 64), CPU)
    assert abs(float(large.mean())) < 0.05
    assert float(large.std()) == pytest.approx(1, abs=0.05)
