"""The diffusion branch: what reaches what it predicts, and what must not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from sarto.core.matching.passes.network import Images
from sarto.core.matching.promptmid import schedule
from sarto.core.matching.promptmid.compact import CompactNetwork
from sarto.core.matching.promptmid.diffusion import (
    Decoded,
    DiffusionBranch,
    Prompt,
    diffusion_loss,
    from_latent,
    levelled,
    to_latent,
)

from ..tensors import images, pairs, some
from .conftest import SMALL

TOKENS = 3


@pytest.fixture
def branch(network: CompactNetwork) -> DiffusionBranch:
    return network.diffusion


def words(count: int, *shown: int, seed: int = 0) -> Prompt:
    """Random tokens, of which some are shown."""
    random = torch.Generator().manual_seed(seed)
    tokens = torch.nn.functional.normalize(torch.randn(count, TOKENS, SMALL.text_dim, generator=random), dim=-1)
    marks = torch.zeros(count, TOKENS)
    marks[:, list(shown)] = 1
    return Prompt(tokens, marks)


def look(branch: DiffusionBranch, prompt: Prompt, seed: int = 0) -> torch.Tensor:
    """All that the branch says of one image."""
    decoded = branch.describe(images(1, 48, 32, seed), prompt)
    return torch.cat([decoded.velocity.flatten(), *(part.flatten() for part in decoded.features.values())])


@pytest.mark.parametrize("size", [(32, 32), (48, 96)])
def test_features_come_at_their_scales(branch: DiffusionBranch, size: tuple[int, int]) -> None:
    rows, columns = size
    decoded = branch.describe(images(2, rows, columns), words(2, 0))
    assert decoded.velocity.shape == (2, 4, rows // 2, columns // 2)
    shapes = {scale: part.shape for scale, part in decoded.features.items()}
    assert shapes == {
        scale: (2, width, rows // scale, columns // scale) for scale, width in zip((2, 4, 8, 16), SMALL.widths)
    }


def test_a_word_counts_where_it_is_shown_and_only_there(branch: DiffusionBranch) -> None:
    prompt = words(1, 0, 2)
    plain = look(branch, prompt)
    for token, counts in ((1, False), (2, True), (0, True)):
        tokens = prompt.tokens.clone()
        tokens[:, token] = -tokens[:, token]
        other = look(branch, Prompt(tokens, prompt.shown))
        assert torch.equal(other, plain) != counts
        assert ((other - plain).abs().max() > 1e-3) == counts
    assert (look(branch, words(1, 0, 1, 2)) - plain).abs().max() > 1e-3


def test_the_order_of_words_does_not_matter(branch: DiffusionBranch) -> None:
    prompt = words(1, 0, 2)
    turned = Prompt(prompt.tokens.flip(1), prompt.shown.flip(1))
    assert torch.allclose(look(branch, prompt), look(branch, turned), atol=1e-5)


def test_before_training_words_are_not_heard() -> None:
    torch.manual_seed(0)
    fresh = DiffusionBranch(SMALL).eval()
    with torch.no_grad():
        assert torch.equal(look(fresh, words(1, 0)), look(fresh, words(1, 1, 2)))


def test_images_of_a_batch_do_not_see_each_other(branch: DiffusionBranch) -> None:
    sar = images(3, 48, 48)
    sar.valid[1, :, :20] = 0
    prompt = Prompt(words(3, 0).tokens, torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 1]]))
    random = torch.Generator().manual_seed(1)
    latent, time = torch.randn(3, 4, 24, 24, generator=random), torch.tensor([0.2, 0.7, 1.0])
    together = branch(latent, sar, time, prompt)
    for k in range(3):
        one = slice(k, k + 1)
        alone = branch(latent[one], some(sar, one), time[one], Prompt(prompt.tokens[one], prompt.shown[one]))
        assert torch.allclose(together.velocity[one], alone.velocity, atol=1e-4)
        for scale, part in alone.features.items():
            assert torch.allclose(together.features[scale][one], part, atol=1e-4)


def test_one_prompt_stands_for_all(branch: DiffusionBranch) -> None:
    sar = images(3, 32, 32)
    one = words(1, 0, 1)
    each = branch.describe(sar, one.like(3))
    alone = branch.describe(some(sar, slice(2, None)), one)
    assert torch.allclose(each.velocity[2:], alone.velocity, atol=1e-4)


def test_what_lies_under_nodata_does_not_matter(branch: DiffusionBranch) -> None:
    sar, valid = images(1, 48, 48)
    valid[..., :17] = 0
    spoiled = torch.where(valid > 0, sar, torch.full_like(sar, 255.0))
    first, second = (branch.describe(Images(s, valid), words(1, 0)) for s in (sar, spoiled))
    assert torch.equal(first.velocity, second.velocity)
    changed = sar.clone()
    changed[..., 20] = 255
    assert not torch.equal(branch.describe(Images(changed, valid), words(1, 0)).velocity, first.velocity)


def test_brightness_and_contrast_do_not_matter(branch: DiffusionBranch) -> None:
    sar, valid = images(1, 48, 48)
    first, second = (branch.describe(Images(s, valid), words(1, 0)).velocity for s in (sar, 0.4 * sar + 30))
    assert torch.allclose(first, second, atol=1e-2)


def test_an_image_is_described_the_same_every_time(branch: DiffusionBranch) -> None:
    first = look(branch, words(1, 0))
    torch.manual_seed(99)
    assert torch.equal(look(branch, words(1, 0)), first)
    assert (look(branch, words(1, 0), seed=1) - first).abs().max() > 1e-2
    twice = branch.describe(some(images(1, 32, 32), [0, 0]), words(1, 0).like(2)).velocity
    assert torch.allclose(twice[0], twice[1], atol=1e-5)  # the noise does not depend on the place in the batch


def test_the_time_at_which_features_are_taken_counts(network: CompactNetwork) -> None:
    early = DiffusionBranch(replace(SMALL, noise=0.3)).eval()
    early.load_state_dict(network.diffusion.state_dict())
    with torch.no_grad():
        assert (look(early, words(1, 0)) - look(network.diffusion, words(1, 0))).abs().max() > 1e-3


def test_latent_images_are_foldings() -> None:
    grey, _ = images(2, 32, 48)
    latent = to_latent(grey)
    assert latent.shape == (2, 4, 16, 24)
    assert torch.equal(from_latent(latent), grey)
    assert torch.equal(latent[0, :, 3, 5], grey[0, 0, 6:8, 10:12].flatten())


def test_levelling_looks_at_valid_pixels_only() -> None:
    values, valid = images(1, 32, 32)
    values = torch.cat([values, 300 - values], dim=1)
    valid[..., :11] = 0
    found = levelled(values, valid)
    assert found[..., :11].abs().max() == 0
    seen = found[..., 11:].flatten(2)
    assert torch.allclose(seen.mean(-1), torch.zeros(1, 2), atol=1e-4)
    assert torch.allclose(seen.std(-1), torch.ones(1, 2), atol=1e-2)
    flat = levelled(torch.full((1, 1, 16, 16), 90.0), torch.ones(1, 1, 16, 16))
    nothing = levelled(values, torch.zeros_like(valid))
    assert flat.abs().max() == nothing.abs().max() == 0


class Knowing(torch.nn.Module):
    """Says the true velocity, and something wrong where it is told to."""

    def __init__(self, target: torch.Tensor, noise: torch.Tensor, wrong: torch.Tensor | float = 0.0) -> None:
        super().__init__()
        self.target, self.noise, self.wrong = target, noise, wrong

    def forward(self, latent, sar, time, prompt) -> Decoded:  # type: ignore[no-untyped-def]
        assert torch.allclose(latent, schedule.noisy(self.target, self.noise, time))
        return Decoded(schedule.velocity(self.target, self.noise, time) + self.wrong, {})


def _loss(time: tuple[float, ...], wrong: torch.Tensor | float, hidden: slice | None = None):
    """Loss of a branch that knows the image, and is wrong by so much. hidden: columns without SAR image."""
    count = len(time)
    pair = pairs(count, 32, 32)
    if hidden is not None:
        pair.sar.valid[..., hidden] = 0
    noise = torch.randn(count, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    branch = Knowing(to_latent(levelled(*pair.optical).clamp(-3, 3)), noise, wrong)
    return diffusion_loss(branch, pair, words(count, 0), torch.tensor(time), noise)


def test_the_truth_costs_nothing_and_an_error_its_square() -> None:
    loss, late = _loss((0.1, 1.0, 0.8), 0.0)
    assert float(loss) == pytest.approx(0, abs=1e-12)
    assert float(late) == pytest.approx(0, abs=1e-12)
    wrong = torch.tensor([0.5, 2.0, 0.0])[:, None, None, None]
    loss, late = _loss((0.1, 1.0, 0.8), wrong)
    assert float(loss) == pytest.approx((0.25 + 4) / 3, rel=1e-5)
    assert float(late) == pytest.approx(4, rel=1e-5)
    assert _loss((0.1, 0.99, 0.8), wrong)[1] is None


def test_only_what_both_images_show_is_judged() -> None:
    wrong = torch.zeros(1, 4, 16, 16)
    wrong[..., :8] = 3.0
    assert float(_loss((0.5,), wrong)[0]) == pytest.approx(4.5, rel=1e-5)
    assert float(_loss((0.5,), wrong, slice(0, 16))[0]) == pytest.approx(0, abs=1e-12)
    assert float(_loss((0.5,), wrong, slice(0, 32))[0]) == 0


def test_every_weight_of_the_branch_learns(network: CompactNetwork) -> None:
    branch = network.diffusion.requires_grad_(True)
    noise = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    time = torch.tensor([0.4, 1.0])
    loss, _ = diffusion_loss(branch, pairs(2, 32, 32), words(2, 0, 2), time, noise)
    loss.backward()
    still = [name for name, p in branch.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert still == []
