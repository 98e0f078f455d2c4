"""The full network: the same maps as the compact one, features at their scales, foundation models untouched."""

from __future__ import annotations

import copy

import pytest
import torch
from sarto.core.matching.land_use import CLASSES, load_land_use
from sarto.core.matching.passes.network import Images, TilePairs
from sarto.core.matching.promptmid.full.diffusion import ControlledDiffusion
from sarto.core.matching.promptmid.full.network import FullNetwork
from sarto.core.matching.promptmid.full.vision import VggBranch, tokens

from ..tensors import images, pairs
from .tiny import LEVELS, LONGEST, SMALL, VGG, WORDS


def marks(*named: str, count: int = 1) -> torch.Tensor:
    return torch.tensor([[float(name in named) for name in CLASSES]]).expand(count, -1)


@pytest.mark.parametrize("size", [(64, 64), (48, 96)])
def test_maps_are_those_of_the_compact_network(network: FullNetwork, size: tuple[int, int]) -> None:
    """Also where a side is no multiple of what Stable Diffusion halves."""
    rows, columns = size
    pair, words = TilePairs(images(1, rows, columns), images(2, rows, columns, 1)), network.prompt(marks(count=2))
    found = network.describe(pair, words)
    assert found.optical.shape == (1, SMALL.descriptor, rows // 4, columns // 4)
    assert found.sar.shape == (2, SMALL.descriptor, rows // 4, columns // 4)
    assert found.land_use.shape == (1, len(CLASSES))
    low = network.low_level(pair, words)
    assert [tuple(part.shape) for part in low] == [(k, SMALL.low, rows // 2, columns // 2) for k in (1, 2)]
    assert network.encode(pair, words).coarse.shape == (4, SMALL.descriptor, rows // 8, columns // 8)


def test_decoder_features_lie_at_their_scales(network: FullNetwork) -> None:
    found = network.diffusion.describe(images(2, 64, 96), network.prompt(marks(count=2)), (1.0,))
    assert {scale: tuple(f.shape) for scale, f in found.items()} == {
        16: (2, LEVELS[3], 4, 6),
        8: (2, LEVELS[2], 8, 12),
        4: (2, LEVELS[0], 16, 24),
    }


def test_words_and_the_image_reach_the_sar_features(network: FullNetwork) -> None:
    sar, other = images(1, 64, 64), images(1, 64, 64, 4)

    def seen(image: Images, *named: str) -> torch.Tensor:
        return network.diffusion.describe(image, network.prompt(marks(*named)), (1.0,))[8]

    plain = seen(sar)
    assert torch.equal(plain, seen(sar))  # the noise is always the same
    assert (plain - seen(sar, "water")).abs().max() > 1e-5
    assert (plain - seen(other)).abs().max() > 1e-4


def test_denoising_steps_change_what_is_looked_into(network: FullNetwork) -> None:
    sar, words = images(1, 64, 64), network.prompt(marks("city"))
    once, later, twice = (network.diffusion.describe(sar, words, m)[4] for m in ((1.0,), (0.4,), (1.0, 0.4)))
    assert (once - later).abs().max() > 1e-5
    assert (later - twice).abs().max() > 1e-6


def test_ddim_recovers_the_image_from_the_true_noise(
    network: FullNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a model that is always right, two steps lead back to the latent image."""
    diffusion = network.diffusion
    image, noise = (torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    schedule = diffusion.foundation.schedule
    noised = schedule.add_noise(image, noise, torch.tensor([diffusion._step(0.8)]))
    monkeypatch.setattr(ControlledDiffusion, "_predict", lambda *_: noise)
    words = network.prompt(marks())
    half_way = diffusion._denoised(noised, noised, words, 0.8, 0.3)
    assert torch.allclose(
        half_way, schedule.add_noise(image, noise, torch.tensor([diffusion._step(0.3)])), atol=1e-4
    )
    assert torch.allclose(diffusion._denoised(half_way, noised, words, 0.3, 0.0), image, atol=1e-3)


def test_prompts_are_the_text_encoders_reading_of_the_sentence(network: FullNetwork) -> None:
    foundation, texts = network.diffusion.foundation, load_land_use()
    coded = foundation.tokenizer(
        [texts.general, texts.prompt(["city", "road"])],
        padding="max_length", max_length=LONGEST, truncation=True, return_tensors="pt",
    )  # fmt: skip
    wanted = foundation.text(coded.input_ids).last_hidden_state
    found = network.prompt(torch.cat([marks(), marks("road", "city")]))
    assert found.tokens.shape == (2, LONGEST, WORDS)
    assert torch.allclose(found.tokens, wanted, atol=1e-5)
    assert found.shown.all()


def test_dino_sees_one_token_per_eight_pixels(network: FullNetwork) -> None:
    vision = network.diffusion.foundation.vision
    image = torch.randn(1, 3, 64, 96)
    found = tokens(vision, image)
    assert found.shape == (1, 12, 8, 12)
    assert torch.equal(tokens(vision, image[:, :1]), tokens(vision, image[:, [0, 0, 0]]))
    moved = image.clone()
    moved[..., :8, :8] += 3
    change = (tokens(vision, moved) - found).abs().sum(1)[0]
    assert change.argmax() == 0


def test_vgg_levels() -> None:
    branch = VggBranch(VGG)
    found = branch(torch.randn(1, 1, 32, 48))
    assert {scale: tuple(f.shape) for scale, f in found.items()} == {
        scale: (1, width, 32 // scale, 48 // scale) for scale, width in zip((1, 2, 4, 8), VGG)
    }
    # torchvision's numbers of the convolutions
    assert [k for k, layer in enumerate(branch.features) if isinstance(layer, torch.nn.Conv2d)] == [
        0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25,
    ]  # fmt: skip


def test_foundation_models_are_not_among_the_weights(network: FullNetwork) -> None:
    names = {name.split(".")[0] for name in network.state_dict()}
    assert names == {
        "sharpness", "diffusion", "optical_fine", "sar_fine", "optical", "sar", "optical_low", "sar_low",
        "land_use", "window", "coarse_matcher",
    }  # fmt: skip
    assert all(name.startswith("diffusion.control.") for name in network.state_dict() if "diffusion" in name)


def test_foundation_models_move_along_and_keep_their_precision(network: FullNetwork) -> None:
    moved = copy.deepcopy(network)
    unet = moved.diffusion.foundation.unet
    unet.half()
    moved.to(torch.device("meta"))
    assert unet.device.type == "meta"
    moved.double()
    assert next(moved.diffusion.control.parameters()).dtype is torch.float64
    assert unet.dtype is torch.float16
    assert network.diffusion.foundation.unet.device.type == "cpu"


def test_painting_learns_through_the_controlnet_alone(network: FullNetwork) -> None:
    learning = copy.deepcopy(network)
    learning.diffusion.requires_grad_(True)
    pair = pairs(2, 64, 64)
    noise = torch.randn(2, *learning.latent_shape(64, 64), generator=torch.Generator().manual_seed(0))
    words = learning.prompt(marks("water", count=2))
    loss, late = learning.painting_loss(pair, words, torch.tensor([1.0, 0.4]), noise)
    assert late is not None
    assert torch.isfinite(loss)
    loss.backward()
    assert all(p.grad is None for model in learning.diffusion.foundation.models for p in model.parameters())
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in learning.diffusion.control.parameters())
    _, none = learning.painting_loss(pair, words, torch.tensor([0.9, 0.4]), noise)
    assert none is None
    blind = TilePairs(pair.optical, Images(pair.sar.values, torch.zeros_like(pair.sar.valid)))
    nothing, _ = learning.painting_loss(blind, words, torch.tensor([1.0, 0.4]), noise)
    assert nothing == 0


def test_a_picture_is_painted(network: FullNetwork) -> None:
    noise = torch.randn(2, *network.latent_shape(64, 32), generator=torch.Generator().manual_seed(0))
    found = network.painted(images(2, 64, 32), network.prompt(marks(count=2)), noise)
    assert found.shape == (2, 64, 32)
    assert torch.isfinite(found).all()
    assert found.std() > 0.1
