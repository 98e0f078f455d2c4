"""The network's modules: shapes, what may and what must not matter."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from sarto.core.matching.passes.fine import EDGE_MAPS
from sarto.core.matching.passes.network import Images, Kept, TilePairs
from sarto.core.matching.tar.msfl import normalise
from sarto.core.matching.tar.network import TarNetwork
from sarto.core.matching.tar.tafe import TextFeatures

from ..tensors import images, pairs, some
from .conftest import SMALL


@pytest.mark.parametrize("size", [(32, 32), (48, 96), (160, 112)])
def test_features_have_the_resolutions_of_the_paper(
    network: TarNetwork, text: TextFeatures, size: tuple[int, int]
) -> None:
    rows, columns = size
    pair = pairs(3, rows, columns)
    encoded = network.encode(pair, text)
    pyramid = network.encoder(pair)
    maps, mask = network.local(pair)
    assert [tuple(level.shape[-2:]) for level in pyramid] == [(rows // s, columns // s) for s in (2, 4, 8, 16)]
    assert encoded.coarse.shape == (6, SMALL.coarse, rows // 8, columns // 8)
    assert maps.shape == (6, SMALL.local[2] + EDGE_MAPS, rows // 2, columns // 2)
    assert mask.shape == (6, rows // 2, columns // 2)


def test_an_optical_image_need_not_be_seen_again(network: TarNetwork, text: TextFeatures, monkeypatch) -> None:
    """What is kept of it gives the same features under another pose, and saves looking."""
    optical, poses = images(1, 64, 64), [images(count, 64, 64, seed) for count, seed in ((1, 1), (3, 2), (1, 3))]
    plain = [
        (network.encode(pair, text), network.fine(pair, 0.8))
        for pair in (TilePairs(optical, sar) for sar in poses)
    ]
    looked = []
    for part in (network.encoder.optical_stem, network.local.optical_stem):
        part.register_forward_hook(lambda *_: looked.append(1))
    kept: Kept = {}
    for sar, (encoded, (maps, mask)) in zip(poses, plain):
        again = network.encode(TilePairs(optical, sar, kept), text)
        more, covered = network.fine(TilePairs(optical, sar, kept), 0.8)
        assert torch.allclose(again.coarse, encoded.coarse, atol=1e-4)
        assert torch.allclose(more, maps, atol=1e-4)
        assert torch.equal(covered, mask)
    assert len(looked) == 2


def test_brightness_and_contrast_of_a_whole_image_do_not_matter() -> None:
    values, valid = images(2, 64, 64)
    assert torch.allclose(normalise(values, valid), normalise(0.3 * values + 40, valid), atol=2e-3)


def test_what_lies_under_nodata_does_not_matter(network: TarNetwork, text: TextFeatures) -> None:
    values, valid = images(1, 64, 64)
    other = images(1, 64, 64, 1)
    valid[..., :30] = 0
    spoiled = torch.where(
        valid > 0, values, 255 * torch.rand(values.shape, generator=torch.Generator().manual_seed(1))
    )
    plain, under = (TilePairs(Images(v, valid), other) for v in (values, spoiled))
    first, second = (network.encode(pair, text) for pair in (plain, under))
    assert torch.equal(first.coarse, second.coarse)
    (maps, mask), (again, _) = (network.local(pair) for pair in (plain, under))
    assert torch.allclose(maps[..., 18:], again[..., 18:], atol=0.02)
    assert maps[0, :, :, :15].abs().max() == 0
    assert mask[0, :, :15].max() == 0
    assert maps[0, :, :, 16:].abs().max() > 0


def test_pairs_of_a_batch_do_not_see_each_other(network: TarNetwork, text: TextFeatures) -> None:
    all_of_them = pairs(3, 64, 64)
    second = TilePairs(some(all_of_them.optical, slice(1, 2)), some(all_of_them.sar, slice(1, 2)))
    together, alone = (network.encode(pair, text) for pair in (all_of_them, second))
    assert torch.allclose(together.coarse[[1, 4]], alone.coarse, atol=1e-4)
    (maps, _), (single, _) = (network.local(pair) for pair in (all_of_them, second))
    assert torch.allclose(maps[[1, 4]], single, atol=1e-4)


def with_attention_over_bands(network: TarNetwork) -> TarNetwork:
    with torch.no_grad():
        for stem in (network.encoder.optical_stem, network.local.optical_stem):
            stem.choice.weight.normal_(generator=torch.Generator().manual_seed(0))
    return network


def test_any_number_of_bands_in_any_order(network: TarNetwork, text: TextFeatures) -> None:
    network = with_attention_over_bands(network)
    _, valid = images(1, 64, 64)
    bands = torch.cat([images(1, 64, 64, seed)[0] for seed in range(4)], dim=1)
    sar = images(1, 64, 64, 9)

    def seen(*order: int) -> torch.Tensor:
        pair = TilePairs(Images(bands[:, list(order)], valid), sar)
        return torch.cat([network.encode(pair, text).coarse.ravel(), network.local(pair)[0].ravel()])

    assert torch.allclose(seen(0, 1, 2, 3), seen(3, 1, 0, 2), atol=1e-4)
    assert torch.allclose(seen(0), seen(0, 0, 0), atol=1e-4)
    assert (seen(0, 1) - seen(0)).abs().max() > 0.01  # the other band is not ignored


def test_attention_takes_each_place_from_the_band_that_it_prefers(network: TarNetwork) -> None:
    """A preference for strong answers of one channel: the strongest of all bands at every place."""
    stem = network.encoder.optical_stem
    stem.rest = torch.nn.Identity()
    valid = images(1, 64, 64)[1]
    bands = [images(1, 64, 64, seed)[0] for seed in range(3)]
    with torch.no_grad():
        stem.choice.weight[0, 2] = 1e6
        merged = stem(torch.cat(bands, dim=1), valid)[0, 2]
        alone = torch.cat([stem(band, valid)[:, 2] for band in bands])
    assert torch.allclose(merged, alone.amax(0), atol=1e-4)
    assert (alone.argmax(0).ravel().bincount() > 50).all()  # each of them somewhere


def test_one_optical_image_stands_for_many(network: TarNetwork, text: TextFeatures) -> None:
    optical, sar = images(1, 64, 64), images(3, 64, 64, 1)
    single, many = (TilePairs(some(optical, [0] * count), sar) for count in (1, 3))
    once, each = (network.encode(pair, text) for pair in (single, many))
    for short, long in ((once.coarse, each.coarse), (once.mask, each.mask), (once.valid, each.valid)):
        assert torch.allclose(short, long, atol=1e-4)
    for short, long in zip(network.local(single), network.local(many)):
        assert torch.allclose(short, long, atol=1e-4)


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_learned_features_and_edges_share_the_energy(network: TarNetwork, share: float) -> None:
    maps, mask = network.local(pairs(2, 64, 64), share)
    energy = maps.square().sum((-2, -1)) / mask.sum((-2, -1))[:, None]
    assert torch.allclose(energy[:, -EDGE_MAPS:].sum(1), torch.full((4,), share), atol=1e-3)
    assert torch.allclose(energy[:, :-EDGE_MAPS].sum(1), torch.full((4,), 1 - share), atol=1e-3)


def test_edges_count_as_much_as_the_network_says_in_training_only() -> None:
    """Of the optical image by its own account, of the SAR image by its own; together they keep their share."""
    network = TarNetwork(replace(SMALL, weighing=True)).train().requires_grad_(False)
    weigher, half = network.local.weigher, EDGE_MAPS
    assert weigher is not None
    pair = pairs(1, 64, 64)
    plain, mask = network.local(pair, 0.9)
    weigher.weight.normal_(0, 20, generator=torch.Generator().manual_seed(0))
    weighed, _ = network.local(pair, 0.9)
    assert torch.equal(plain[:, :-half], weighed[:, :-half])
    energy = weighed[:, -half:].square().sum((1, 2, 3)) / mask.sum((1, 2))
    assert torch.allclose(energy, torch.full((2,), 0.9), atol=1e-3)
    seen = plain[:, -half:].abs().amax(1) > 1e-3
    factor = (weighed[:, -half:].norm(dim=1) / plain[:, -half:].norm(dim=1).clamp_min(1e-6))[seen]
    assert factor.max() > 2 * factor.min()
    alike = TarNetwork(SMALL).eval().requires_grad_(False)
    state = network.state_dict()
    alike.load_state_dict({name: state[name] for name in alike.state_dict()})
    assert torch.equal(network.eval().local(pair, 0.9)[0], alike.local(pair, 0.9)[0])


def test_a_bright_building_does_not_outweigh_the_rest(network: TarNetwork) -> None:
    values, valid = images(1, 128, 128)
    values = values / 4
    values[..., 40:44, 40:44] = 255
    maps, _ = network.local(TilePairs(Images(values, valid), images(1, 128, 128, 1)), 0.0)
    energy = maps[0].square().sum(0)
    around = energy[10:34, 10:34].sum()
    assert around < 0.2 * energy.sum()
    assert energy.max() < 20 * energy.mean()


def test_what_text_answers_reaches_the_matched_features_past_the_gates(
    network: TarNetwork, text: TextFeatures
) -> None:
    pair = pairs(1, 64, 64)
    assert network.text is not None
    assert network.coarse_head.said is not None
    assert network.coarse_head.said.weight.abs().max() == 0  # training begins without
    with torch.no_grad():
        for part in (network.text.cover, network.text.scene):
            part.gate.bias.fill_(-50.0)
            part.gate.weight.zero_()
        plain = network.encode(pair, None)
        assert torch.allclose(network.encode(pair, text).coarse, plain.coarse, atol=1e-5)
        network.coarse_head.said.weight.normal_(0, 0.1)
        other = TextFeatures(text.scenes, text.covers + 0.5)
        assert (network.encode(pair, text).coarse - plain.coarse).abs().max() > 1e-3
        assert (network.encode(pair, text).coarse - network.encode(pair, other).coarse).abs().max() > 1e-4
        assert torch.equal(network.encode(pair, None).coarse, plain.coarse)


def test_local_features_are_full_precision_after_half_precision(network: TarNetwork) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        maps, mask = network.local(pairs(1, 64, 64))
    assert maps.dtype is torch.float32
    assert mask.dtype is torch.float32


def test_the_localising_features_see_only_their_own_surroundings(network: TarNetwork) -> None:
    """What they see farther off (brightness, mean) acts on the whole image; a change of place must stay local."""
    values, valid = images(1, 160, 160)
    changed = values.clone()
    changed[..., 60:100, 140:156] = changed[..., 60:100, 140:156].flip(-1)
    sar = images(1, 160, 160, 1)
    first, second = (network.local(TilePairs(Images(v, valid), sar), 0.0)[0][0] for v in (values, changed))
    difference = (first - second).abs().amax(0)
    assert difference[30:50, 70:78].max() > 10 * difference[:, :40].max()


def test_the_images_of_a_pair_see_each_other(network: TarNetwork, text: TextFeatures) -> None:
    optical = images(1, 64, 64)
    first, second = (network.encode(TilePairs(optical, images(1, 64, 64, seed)), text) for seed in (1, 2))
    assert (first.coarse[0] - second.coarse[0]).abs().max() > 1e-5


def test_text_changes_the_high_level_features_of_both_images(network: TarNetwork, text: TextFeatures) -> None:
    pair = pairs(1, 64, 64)
    plain, helped = network.encode(pair, None), network.encode(pair, text)
    assert plain.text is None
    for image in (0, 1):
        assert (plain.coarse[image] - helped.coarse[image]).abs().max() > 1e-4


def test_attention_to_text_is_a_distribution_per_place_and_per_image(
    network: TarNetwork, text: TextFeatures
) -> None:
    seen = network.encode(pairs(2, 64, 96), text).text
    assert seen is not None
    assert seen.covers.shape == (4, 2, 4, 6)
    assert seen.scenes.shape == (4, 3)
    assert torch.allclose(seen.covers.sum(1), torch.ones(4, 4, 6), atol=1e-5)
    assert torch.allclose(seen.scenes.sum(1), torch.ones(4), atol=1e-5)


def test_each_modality_reads_its_own_wordings(network: TarNetwork, text: TextFeatures) -> None:
    """With other SAR wordings, the attention of the SAR image changes, that of the optical image does not."""
    pair = pairs(1, 64, 64)
    other = TextFeatures(text.scenes.clone(), text.covers.clone())
    other.covers[:, 1] = -other.covers[:, 1]
    first, second = (network.encode(pair, t).text for t in (text, other))
    assert first is not None
    assert second is not None
    assert torch.equal(first.covers[0], second.covers[0])
    assert (first.covers[1] - second.covers[1]).abs().max() > 1e-5


def test_the_order_of_descriptors_does_not_matter(network: TarNetwork, text: TextFeatures) -> None:
    pair = pairs(1, 64, 64)
    turned = TextFeatures(text.scenes.flip(0), text.covers.flip(0))
    assert torch.allclose(network.encode(pair, text).coarse, network.encode(pair, turned).coarse, atol=1e-5)
