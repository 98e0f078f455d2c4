"""Windows around cells as what they stand for: long vectors whose cosines are taken."""

from __future__ import annotations

import pytest
import torch
from sarto.core.matching.passes.dual_softmax import MOST_SHARP, DualSoftmax


def matcher_of(window: tuple[int, int]) -> DualSoftmax:
    matcher = DualSoftmax(window)
    with torch.no_grad():
        matcher.weight.normal_(0, 0.5, generator=torch.Generator().manual_seed(5))
    return matcher


def features(count: int, rows: int, columns: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 6, rows, columns, generator=torch.Generator().manual_seed(seed))


def descriptors(matcher: DualSoftmax, layer: torch.Tensor) -> torch.Tensor:
    """Unit vectors (B, N, taps² · channels): the cells of the window one after the other, each with its weight."""
    reach = matcher.taps // 2 * matcher.gap
    patches = torch.nn.functional.unfold(layer, matcher.taps, matcher.gap, reach)
    weighted = patches * matcher.weight.exp().repeat(layer.shape[1])[None, :, None]
    return torch.nn.functional.normalize(weighted, dim=1).transpose(1, 2)


@pytest.mark.parametrize("window", [(1, 1), (3, 1), (3, 2), (5, 2)])
@pytest.mark.parametrize("size", [(4, 4), (5, 9), (12, 7)])
def test_they_are_cosines_of_long_vectors(window: tuple[int, int], size: tuple[int, int]) -> None:
    matcher, first, second = matcher_of(window), features(2, *size, 1), features(2, *size, 2)
    first[:, :, :2] = 0  # as where an image is not valid
    expected = descriptors(matcher, first) @ descriptors(matcher, second).transpose(1, 2)
    for k in range(2):
        assert torch.allclose(matcher.similarities(first[k], second[k]), expected[k], atol=1e-5)


def test_they_teach_features_and_weights_alike() -> None:
    """The same gradients as by the long vectors."""
    matcher, first, second = matcher_of((3, 2)), features(1, 6, 8, 1), features(1, 6, 8, 2)
    judged = torch.randn(48, 48, generator=torch.Generator().manual_seed(3))
    found = []
    for way in (
        lambda x: matcher.similarities(x[0], second[0]),
        lambda x: (descriptors(matcher, x) @ descriptors(matcher, second).transpose(1, 2))[0],
    ):
        shown = first.clone().requires_grad_()
        found.append(torch.autograd.grad((way(shown) * judged).sum(), (shown, matcher.weight)))
    for ours, theirs in zip(*found):
        assert theirs.abs().max() > 0.1
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_rows_and_columns_are_distributions_over_valid_cells() -> None:
    matcher, first, second = matcher_of((3, 2)), features(2, 5, 6, 1), features(2, 5, 6, 2)
    masks = torch.ones(2, 2, 1, 5, 6)
    masks[0, :, :, 0] = 0  # the optical images' first row
    masks[1, 1, :, :, 4:] = 0  # the second SAR image's last columns
    rows, columns = (part.detach().exp() for part in matcher(first, second, *masks))
    known, seen = masks[0, :, 0].flatten(1) > 0, masks[1, :, 0].flatten(1) > 0
    assert torch.allclose(rows[known].sum(1), torch.ones(int(known.sum())), atol=1e-5)
    assert torch.allclose(columns.transpose(1, 2)[seen].sum(1), torch.ones(int(seen.sum())), atol=1e-5)
    assert rows[1][known[1]][:, ~seen[1]].max() == 0
    assert columns[1][~known[1]][:, seen[1]].max() == 0


def test_what_is_not_allowed_is_as_good_as_impossible() -> None:
    matcher, first, second = matcher_of((3, 1)), features(1, 4, 4, 1), features(1, 4, 4, 2)
    masks, allowed = torch.ones(2, 1, 1, 4, 4), torch.eye(16, dtype=torch.bool)
    rows, columns = matcher(first, second, *masks, allowed)
    for part in (rows, columns):
        assert torch.allclose(part[0].exp(), torch.eye(16), atol=1e-6)


def test_sharpness_has_a_limit() -> None:
    matcher, first, second = matcher_of((1, 1)), features(1, 4, 4, 1), features(1, 4, 4, 2)
    masks, found = torch.ones(2, 1, 1, 4, 4), []
    for sharpness in (MOST_SHARP, 10 * MOST_SHARP):
        with torch.no_grad():
            matcher.sharpness.fill_(float(torch.tensor(sharpness).log()))
            found.append(matcher(first, second, *masks)[0])
    assert torch.allclose(*found, atol=1e-3)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_half_precision_around_it_changes_nothing(precision: torch.dtype) -> None:
    """Features are as large as they like: their products would leave the range of half precision."""
    matcher, first, second = matcher_of((3, 2)), 200 * features(1, 6, 6, 1), 200 * features(1, 6, 6, 2)
    plain = matcher.similarities(first[0], second[0])
    with torch.autocast("cpu", precision):
        assert torch.equal(matcher.similarities(first[0], second[0]), plain)
