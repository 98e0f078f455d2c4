"""The network as a whole: maps that descriptors are read from, and who sees what."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from sarto.core.matching.land_use import CLASSES
from sarto.core.matching.passes.fine import EDGE_MAPS
from sarto.core.matching.passes.network import Images, Kept, TilePairs
from sarto.core.matching.promptmid.compact import CompactNetwork
from sarto.core.matching.promptmid.diffusion import Prompt

from ..tensors import images, pairs, some
from .conftest import SMALL


def marks(*named: str, count: int = 1) -> torch.Tensor:
    return torch.tensor([[float(name in named) for name in CLASSES]]).expand(count, -1)


def general(network: CompactNetwork, count: int = 1) -> Prompt:
    return network.prompt(marks(count=count))


class Seen(NamedTuple):
    """All that a network makes of pairs."""

    optical: torch.Tensor
    sar: torch.Tensor
    land_use: torch.Tensor
    low: tuple[torch.Tensor, torch.Tensor]


def see(network: CompactNetwork, pair: TilePairs, words: Prompt) -> Seen:
    return Seen(*network.describe(pair, words), network.low_level(pair, words))


def describe(network: CompactNetwork, optical: Images, sar: Images, *named: str) -> Seen:
    pair = TilePairs(optical, sar)
    return see(network, pair, network.prompt(marks(*named, count=len(pair))))


@pytest.mark.parametrize("size", [(32, 32), (48, 96)])
def test_maps_lie_at_a_quarter_with_equal_energy(network: CompactNetwork, size: tuple[int, int]) -> None:
    rows, columns = size
    found = describe(network, images(3, rows, columns), images(3, rows, columns, 1))
    for part in (found.optical, found.sar):
        assert part.shape == (3, SMALL.descriptor, rows // 4, columns // 4)
        assert torch.allclose(part.mean((2, 3)), torch.zeros(3, SMALL.descriptor), atol=1e-4)
        assert torch.allclose(part.square().sum(1).mean((1, 2)), torch.ones(3), atol=1e-3)
        descriptors = network.window(part, torch.tensor([[[3.0, 2.0], [0.0, 5.5]]]).expand(3, -1, -1))
        assert torch.allclose(descriptors.norm(dim=2), torch.ones(3, 2), atol=1e-4)
    assert [tuple(part.shape) for part in found.low] == [(3, SMALL.low, rows // 2, columns // 2)] * 2
    assert found.land_use.shape == (3, len(CLASSES))


def test_coarse_and_fine_features_have_the_cells_of_the_passes(network: CompactNetwork) -> None:
    pair = pairs(3, 48, 96)
    encoded = network.encode(pair, general(network, 3))
    assert encoded.coarse.shape == (6, SMALL.descriptor, 6, 12)
    assert encoded.mask.shape == (6, 1, 6, 12)
    found = network.describe(pair, general(network, 3))
    mean = found.sar[1, :, 4:6, 8:10].mean((1, 2))
    assert torch.allclose(encoded.coarse[4, :, 2, 4], mean, atol=1e-5)
    maps, mask = network.fine(pair, 0.5, general(network, 3))
    assert maps.shape == (6, SMALL.low + EDGE_MAPS, 24, 48)
    assert mask.shape == (6, 24, 48)


def test_one_optical_image_stands_for_many(network: CompactNetwork) -> None:
    optical, sar = images(1, 64, 64), images(3, 64, 64, 1)
    once, many = (TilePairs(some(optical, [0] * count), sar) for count in (1, 3))
    words = network.prompt(torch.eye(len(CLASSES))[:3])
    short, long = (see(network, pair, words) for pair in (once, many))
    assert len(short.optical) == len(short.low[0]) == 1
    assert torch.allclose(short.optical.expand(3, -1, -1, -1), long.optical, atol=1e-4)
    assert torch.allclose(short.sar, long.sar, atol=1e-4)
    encoded, each = (network.encode(pair, words) for pair in (once, many))
    for one, other in zip(encoded[:3], each[:3]):
        assert torch.allclose(one, other, atol=1e-4)
    for one, other in zip(*(network.fine(pair, 0.5, words) for pair in (once, many))):
        assert torch.allclose(one, other, atol=1e-3)


def test_an_optical_image_need_not_be_seen_again(network: CompactNetwork) -> None:
    """What is kept of it gives the same features under another pose and prompt, and saves looking."""
    optical, looked = images(1, 64, 64), []
    tries = [
        (images(1, 64, 64, seed), network.prompt(marks(name))) for seed, name in ((1, "water"), (2, "forest"))
    ]
    plain = [
        (network.encode(TilePairs(optical, sar), words), network.fine(TilePairs(optical, sar), 0.8, words))
        for sar, words in tries
    ]
    network.optical.register_forward_hook(lambda *_: looked.append(1))
    kept: Kept = {}
    for (sar, words), (encoded, (maps, mask)) in zip(tries, plain):
        again = network.encode(TilePairs(optical, sar, kept), words)
        more, covered = network.fine(TilePairs(optical, sar, kept), 0.8, words)
        assert torch.allclose(again.coarse, encoded.coarse, atol=1e-4)
        assert torch.allclose(more, maps, atol=1e-4)
        assert torch.equal(covered, mask)
    assert len(looked) == 1


def test_one_prompt_stands_for_all_pairs(network: CompactNetwork) -> None:
    pair = pairs(3, 48, 48)
    one = network.describe(pair, network.prompt(marks("water")))
    each = network.describe(pair, network.prompt(marks("water", count=3)))
    assert torch.allclose(one.sar, each.sar, atol=1e-5)


def test_pairs_of_a_batch_do_not_see_each_other(network: CompactNetwork) -> None:
    pair, one = pairs(3, 64, 64), slice(1, 2)
    words = network.prompt(torch.eye(len(CLASSES))[:3])
    together = see(network, pair, words)
    second = TilePairs(some(pair.optical, one), some(pair.sar, one))
    alone = see(network, second, Prompt(*(part[1:2] for part in words)))
    for whole, single in zip(
        (together.optical, together.sar, *together.low, together.land_use),
        (alone.optical, alone.sar, *alone.low, alone.land_use),
    ):
        assert torch.allclose(whole[1:2], single, atol=1e-3)


def test_images_of_a_pair_do_not_see_each_other(network: CompactNetwork) -> None:
    optical, sar = images(1, 48, 48), images(1, 48, 48, 1)
    first = describe(network, optical, sar)
    other_sar, other_optical = (
        describe(network, optical, images(1, 48, 48, 7)),
        describe(network, images(1, 48, 48, 7), sar),
    )
    assert torch.equal(first.optical, other_sar.optical)
    assert torch.equal(first.sar, other_optical.sar)
    assert (first.sar - other_sar.sar).abs().max() > 0.05
    assert (first.optical - other_optical.optical).abs().max() > 0.05


def test_words_reach_the_sar_image_alone(network: CompactNetwork) -> None:
    pair = images(1, 64, 64), images(1, 64, 64, 1)
    plain, water, forest = (describe(network, *pair, *named) for named in ((), ("water",), ("forest",)))
    for one, other in ((plain, water), (water, forest)):
        assert torch.equal(one.optical, other.optical)
        assert torch.equal(one.low[0], other.low[0])
        assert (one.sar - other.sar).abs().max() > 1e-3
        assert (one.low[1] - other.low[1]).abs().max() > 1e-4


def test_the_prompt_has_a_token_per_class_and_the_general_one(network: CompactNetwork) -> None:
    prompt = network.prompt(torch.cat([marks(), marks("city", "road")]))
    assert prompt.tokens.shape == (2, 1 + len(CLASSES), SMALL.text_dim)
    assert prompt.shown.tolist() == [[1, 0, 0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0, 1, 0]]
    assert torch.equal(prompt.tokens[1], network.tokens)


def test_what_lies_under_nodata_does_not_matter(network: CompactNetwork) -> None:
    for number in (0, 1):
        pair = [images(1, 64, 64), images(1, 64, 64, 1)]
        values, valid = pair[number]
        valid[..., :30] = 0
        first = describe(network, *pair)
        pair[number] = Images(torch.where(valid > 0, values, torch.full_like(values, 255.0)), valid)
        second = describe(network, *pair)
        assert torch.equal(first.optical, second.optical)
        assert torch.equal(first.sar, second.sar)
        assert torch.equal(first.low[number], second.low[number])


def test_brightness_and_contrast_of_a_whole_image_do_not_matter(network: CompactNetwork) -> None:
    (optical, valid), sar = images(1, 64, 64), images(1, 64, 64, 1)
    first, second = (describe(network, Images(v, valid), sar) for v in (optical, 0.3 * optical + 40))
    assert torch.allclose(first.optical, second.optical, atol=0.02)
    assert torch.allclose(first.low[0], second.low[0], atol=0.05)


def test_bands_are_told_apart_and_one_is_three_equal_ones(network: CompactNetwork) -> None:
    valid = images(1, 64, 64)[1]
    bands = torch.cat([images(1, 64, 64, seed)[0] for seed in range(3)], dim=1)
    sar = images(1, 64, 64, 9)

    def seen(*order: int) -> torch.Tensor:
        found = describe(network, Images(bands[:, list(order)], valid), sar)
        return torch.cat([found.optical.flatten(), found.low[0].flatten()])

    assert torch.equal(seen(1), seen(1, 1, 1))
    assert (seen(0, 1, 2) - seen(0)).abs().max() > 0.01
    assert (seen(0, 1, 2) - seen(2, 1, 0)).abs().max() > 0.01


def test_a_shift_of_the_optical_image_shifts_its_descriptors(network: CompactNetwork) -> None:
    """Roughly: by 16 pixels, the largest step of the backbone, far from the borders, which it sees from afar."""
    values, valid = images(1, 512, 528)
    sar, words = images(1, 32, 32), general(network)
    first, moved = (
        network.describe(TilePairs(Images(values[..., x : x + 512], valid[..., :512]), sar), words).optical
        for x in (16, 0)
    )
    middle, shifted = slice(52, 76), slice(56, 80)
    followed, stayed = (
        torch.cosine_similarity(first[..., middle, middle], moved[..., middle, to], dim=1).mean()
        for to in (shifted, middle)
    )
    assert followed > 0.97
    assert stayed < followed - 0.2


def test_classes_have_probabilities(network: CompactNetwork) -> None:
    pair = pairs(3, 64, 64)
    with torch.no_grad():
        network.land_use.weight.normal_(0, 3)
    found = network.classify(pair.optical)
    assert found.shape == (3, len(CLASSES))
    assert ((found >= 0) & (found <= 1)).all()
    assert found.std() > 0.05
    logits = network.describe(pair, general(network, 3)).land_use
    assert torch.allclose(found, torch.sigmoid(logits), atol=1e-4)


def test_the_backbone_is_frozen_and_all_else_can_learn(network: CompactNetwork) -> None:
    torch.manual_seed(0)
    network = CompactNetwork(SMALL)
    assert {n for n, p in network.named_parameters() if not p.requires_grad} == {
        n for n, _ in network.named_parameters() if n.startswith("backbone.")
    }
    assert "tokens" not in dict(network.named_parameters())
    found = see(network, pairs(2, 64, 64), general(network, 2))
    (found.optical.sum() + found.sar.sum() + found.low[0].sum() + found.low[1].sum()).backward()
    assert all(p.grad is None for p in network.backbone.parameters())
    assert network.optical_fine.first.weight.grad is not None


def test_descriptors_are_full_precision_after_half_precision(network: CompactNetwork) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = describe(network, images(1, 64, 64), images(1, 64, 64, 1))
        maps, _ = network.fine(pairs(1, 64, 64), 0.5, general(network))
        chances = network.classify(images(1, 64, 64))
    assert found.optical.dtype is found.sar.dtype is maps.dtype is torch.float32
    plain = describe(network, images(1, 64, 64), images(1, 64, 64, 1))
    assert torch.cosine_similarity(plain.sar, found.sar, dim=1).mean() > 0.98
    assert torch.isfinite(chances).all()
