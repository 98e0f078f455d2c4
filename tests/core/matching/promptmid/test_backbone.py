"""The frozen backbone: EfficientNet-Lite0's names, its padding, and nothing that moves."""

from __future__ import annotations

import pytest
import torch
from sarto.core.matching.promptmid.backbone import BRIGHTNESS, CHANNELS, TAKEN, Backbone, _Same
from sarto.core.matching.promptmid.compact import CompactNetwork

from ..tensors import images

SHAPES = {
    "_conv_stem.weight": (32, 3, 3, 3),
    "_bn0.running_var": (32,),
    "_blocks.0._depthwise_conv.weight": (32, 1, 3, 3),
    "_blocks.0._project_conv.weight": (16, 32, 1, 1),
    "_blocks.0._bn2.bias": (16,),
    "_blocks.1._expand_conv.weight": (96, 16, 1, 1),
    "_blocks.1._bn0.weight": (96,),
    "_blocks.2._project_conv.weight": (24, 144, 1, 1),
    "_blocks.3._depthwise_conv.weight": (144, 1, 5, 5),
    "_blocks.4._expand_conv.weight": (240, 40, 1, 1),
    "_blocks.5._project_conv.weight": (80, 240, 1, 1),
    "_blocks.8._depthwise_conv.weight": (480, 1, 5, 5),
    "_blocks.10._project_conv.weight": (112, 672, 1, 1),
}
"""Of some tensors of the published network."""


@pytest.fixture
def backbone(network: CompactNetwork) -> Backbone:
    return network.backbone


def test_tensors_are_named_and_shaped_as_published() -> None:
    state = Backbone().state_dict()
    assert {name: tuple(state[name].shape) for name in SHAPES} == SHAPES
    assert "_blocks.0._expand_conv.weight" not in state
    assert "_blocks.0._bn0.weight" not in state
    assert {name.split(".")[1] for name in state if name.startswith("_blocks")} == {str(k) for k in range(11)}
    # stem: convolution and normalisation of 5 tensors; block 0 has two of each, the others three
    assert len(state) == 6 + 2 * 6 + 10 * 3 * 6
    assert sum(p.numel() for p in Backbone().parameters()) == PARAMETERS


def _parameters() -> int:
    """Of the first eleven blocks, after the table of Tan and Le (2019): outside, expansion, kernel, repeats."""
    total, inside = 3 * 32 * 9 + 2 * 32, 32
    for outside, expansion, kernel, repeats in (
        (16, 1, 3, 1),
        (24, 6, 3, 2),
        (40, 6, 5, 2),
        (80, 6, 3, 3),
        (112, 6, 5, 3),
    ):
        for _ in range(repeats):
            width = inside * expansion
            total += (inside * width + 2 * width) * (expansion > 1)
            total += width * kernel**2 + 2 * width + width * outside + 2 * outside
            inside = outside
    return total


PARAMETERS = _parameters()


def test_it_stays_as_it_came(backbone: Backbone, network: CompactNetwork) -> None:
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    network.train()
    assert network.training
    assert not any(module.training for module in backbone.modules())
    found = backbone(torch.randn(2, 3, 64, 64).requires_grad_())
    assert not any(part.requires_grad for part in found.values())
    assert not any(p.requires_grad for p in Backbone().parameters())
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())
    assert backbone.train() is backbone


@pytest.mark.parametrize(("side", "kernel", "before"), [(8, 3, 0), (7, 3, 1), (8, 5, 1), (9, 5, 2), (6, 3, 0)])
def test_what_does_not_come_out_even_is_padded_right_and_below(side: int, kernel: int, before: int) -> None:
    """Against sums written out; before: zeros left and above."""
    layer = _Same(1, 1, kernel, stride=2, bias=False)
    image = torch.rand(side, side)
    weight = layer.weight[0, 0].detach()
    result = layer(image[None, None])[0, 0].detach()
    count = (side + 1) // 2
    assert result.shape == (count, count)
    for row in range(count):
        for column in range(count):
            total = 0.0
            for v in range(kernel):
                for u in range(kernel):
                    y, x = 2 * row + v - before, 2 * column + u - before
                    if 0 <= y < side and 0 <= x < side:
                        total += float(weight[v, u] * image[y, x])
            assert float(result[row, column]) == pytest.approx(total, abs=1e-5)


def test_without_a_stride_padding_is_even() -> None:
    layer = _Same(2, 3, 5, bias=False)
    image = torch.rand(1, 2, 9, 12)
    assert torch.allclose(layer(image), torch.nn.functional.conv2d(image, layer.weight, padding=2), atol=1e-6)


@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
def test_features_come_at_their_scales(backbone: Backbone, size: tuple[int, int]) -> None:
    rows, columns = size
    found = backbone(torch.randn(2, 3, rows, columns))
    assert set(found) == {4, 8, 16} == set(TAKEN)
    for scale, part in found.items():
        assert part.shape == (2, {4: 24, 8: 40, 16: 112}[scale], rows // scale, columns // scale)
        assert part.shape[1] == CHANNELS[scale]
        assert part.std() > 0


def test_grey_is_three_equal_bands_and_a_fourth_is_not_looked_at(backbone: Backbone) -> None:
    grey = torch.randn(1, 1, 64, 64)
    more = torch.randn(1, 5, 64, 64)
    alike = ((grey, grey.expand(-1, 3, -1, -1)), (more, more[:, :3]), (more[:, :2], more[:, [0, 1, 1]]))
    for one, other in alike:
        first, second = backbone(one), backbone(other)
        assert all(torch.equal(first[scale], second[scale]) for scale in TAKEN)
    turned = backbone(more[:, [2, 1, 0]])
    assert (turned[16] - backbone(more)[16]).abs().max() > 1e-4


def test_the_first_layer_sees_the_image_at_its_brightness(backbone: Backbone) -> None:
    seen: list[torch.Tensor] = []
    backbone._conv_stem.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    image = torch.randn(1, 3, 32, 32)
    backbone(image)
    assert torch.allclose(seen[0], image * BRIGHTNESS)


def test_images_of_a_batch_do_not_see_each_other(backbone: Backbone) -> None:
    image, _ = images(3, 64, 64)
    image = (image - 128) / 60
    together, alone = backbone(image), backbone(image[1:2])
    assert all(torch.allclose(together[scale][1:2], alone[scale], atol=1e-3) for scale in TAKEN)
