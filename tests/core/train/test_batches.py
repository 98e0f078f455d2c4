"""Batches: every step has its own seed, whoever makes its batch."""

from __future__ import annotations

import multiprocessing
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from sarto.core.matching.passes.refine import correlation_volume
from sarto.core.matching.passes.tiles import STRIDE
from sarto.core.train.batches import Batch, LocalBatch, Recipe, Size, coarse_batch, local_batch
from sarto.core.train.chips import Chip
from sarto.core.train.stream import Batches
from sarto.core.train.windows import BANDS

from .conftest import make_chip


def _tensors(batch: Batch) -> dict[str, torch.Tensor]:
    parts = {"coarse": batch.coarse, "local": batch.local}
    return {f"{k} {name}": v for k, part in parts.items() if part for name, v in vars(part).items()}


def _same(first: Batch, second: Batch) -> bool:
    one, other = _tensors(first), _tensors(second)
    return one.keys() == other.keys() and all(
        torch.equal(one[k].nan_to_num(9e9), other[k].nan_to_num(9e9)) for k in one
    )


@pytest.fixture
def recipe(chips, bank) -> Recipe:
    return Recipe(chips, bank, Size(3, 64), Size(2, 72), seed=11)


def test_shapes_and_ranges(recipe: Recipe) -> None:
    batch = recipe.batch(0)
    coarse, local = batch.coarse, batch.local
    assert coarse.sar.shape == coarse.optical_valid.shape == (3, 1, 64, 64)
    assert coarse.optical.shape == (3, BANDS, 64, 64)
    assert coarse.forward.shape == coarse.backward.shape == (3, 64, 2)
    assert coarse.scenes.shape == (3, 3)
    assert coarse.covers.shape == (3, 2)
    assert local.sar.shape == local.sar_valid.shape == (2, 1, 72, 72)
    assert local.optical.shape == (2, BANDS, 72, 72)
    assert local.shift.shape == (2, 81, 2)
    assert coarse.weight.tolist() == [1] * 3
    assert local.weight.tolist() == [1] * 2
    assert all(v.dtype == torch.float32 for v in _tensors(batch).values())


def test_half_the_coarse_pairs_are_near_identity(chips) -> None:
    batch = coarse_batch(chips, None, Size(40, 64), np.random.default_rng(0))
    cells = torch.stack([torch.arange(64) % 8, torch.arange(64) // 8], dim=-1)
    away = batch.forward - cells
    spread = [away[k][torch.isfinite(away[k]).all(-1)].std(0).mean() for k in range(40)]
    near, pose = np.nanmean(spread[:20]), np.nanmean(spread[20:])
    assert near < 0.5 * pose


def _grey(images: torch.Tensor) -> torch.Tensor:
    """The images themselves as features at 1/2, without their mean."""
    small = torch.nn.functional.avg_pool2d(images, 2)
    return small - small.mean((2, 3), keepdim=True)


def _found(batch: LocalBatch) -> tuple[np.ndarray, np.ndarray]:
    """Shifts (N, 2) at which windows of the images match best, fine cells, and the labels, where both are known.

    An account of its own: the images are correlated as they are.
    """
    maps, valid = (
        [_grey(batch.optical.mean(1, keepdim=True)), _grey(batch.sar)],
        torch.ones(len(batch.optical), 48, 48),
    )
    volume, share = correlation_volume(maps[0], valid, maps[1], valid, 5, 8, STRIDE)
    best = volume.masked_fill(share < 0.5, -1).flatten(2).argmax(1)
    assert batch.shift.shape[1] == best.shape[1]
    found = torch.stack([best % 17 - 8, best // 17 - 8], dim=-1).numpy()
    labels = batch.shift.numpy()
    known = np.isfinite(labels).all(-1) & (np.abs(np.nan_to_num(labels)).max(-1) < 7)
    return found[known], labels[known]


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_identical_images_match_best_where_the_labels_say(chips, weight: float) -> None:
    alike = [replace(chip, weight=weight) for chip in chips]
    batch = local_batch(alike, Size(8, 96), np.random.default_rng(5), vary=False)
    found, labels = _found(batch)
    assert len(labels) > 500
    assert np.abs(labels).max(axis=0).min() > 2  # there is something to find
    errors = np.abs(found - labels).max(axis=1)
    assert np.median(errors) < 0.5
    assert (errors < 1.2).mean() > 0.9
    for wrong in (labels[:, ::-1], -labels, 2 * labels, np.roll(labels, 1, axis=0) * 0):
        assert np.median(np.abs(found - wrong).max(axis=1)) > 0.8
    assert batch.weight.tolist() == [weight] * 8


def test_what_the_chips_do_not_show_has_no_label() -> None:
    """A window larger than the chip is mirrored beyond it."""
    batch = local_batch([make_chip(0, (64, 64))], Size(4, 160), np.random.default_rng(0))
    known = torch.isfinite(batch.shift)
    assert torch.equal(known[..., 0], known[..., 1])
    assert 0.05 < known.float().mean() < 0.6


@pytest.mark.parametrize("part", ["coarse", "local"])
def test_neither_part_depends_on_the_other(recipe: Recipe, part: str) -> None:
    both, alone = recipe.batch(4), replace(recipe, **{part: None}).batch(4)
    other = "local" if part == "coarse" else "coarse"
    assert getattr(alone, part) is None
    assert _same(Batch(**{part: None, other: getattr(both, other)}), alone)


def test_the_parts_show_different_windows(chips, bank) -> None:
    batch = Recipe(chips, bank, Size(1, 64), Size(1, 64), seed=0).batch(0)
    assert not torch.equal(batch.coarse.optical, batch.local.optical)


def test_a_batch_goes_to_a_device_whole(recipe: Recipe) -> None:
    for made in (recipe.batch(0), replace(recipe, coarse=None).batch(0), replace(recipe, local=None).batch(0)):
        moved = made.to(torch.device("meta"))
        assert all(v.is_meta for v in _tensors(moved).values())
        assert _tensors(moved).keys() == _tensors(made).keys()


def test_a_step_has_its_own_batch(recipe: Recipe) -> None:
    assert _same(recipe.batch(5), recipe.batch(5))
    assert not _same(recipe.batch(5), recipe.batch(6))
    assert not _same(recipe.batch(5), replace(recipe, seed=12).batch(5))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_whoever_makes_them_the_batches_are_the_same(recipe: Recipe, workers: int) -> None:
    with Batches(recipe, 4, 11, workers) as batches:
        found = list(batches)
    assert len(found) == 7
    assert all(_same(batch, recipe.batch(step)) for step, batch in enumerate(found, start=4))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_early_end_leaves_nothing_behind(recipe: Recipe, workers: int) -> None:
    with Batches(recipe, 0, 10_000, workers) as batches:
        next(batches)
    assert not [t for t in threading.enumerate() if t.name == "batches"]
    assert not multiprocessing.active_children()
    with Batches(recipe, 0, 10, workers):
        pass  # not even begun


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_reaches_the_one_who_asks(recipe: Recipe, workers: int) -> None:
    broken = Chip("broken", np.zeros((0, 0, 1), np.uint8), np.zeros((0, 0), np.uint8), (0, 0), 1.0)
    with pytest.raises(Exception, match=r"\S"), Batches(replace(recipe, chips=[broken]), 0, 5, workers) as batches:
        next(batches)


def test_colours_are_mixed_and_a_text_label_is_a_mask(chips, bank) -> None:
    coloured = replace(chips[0], optical=np.repeat(chips[0].optical, 3, axis=2))
    batch = coarse_batch([coloured], bank, Size(4, 64), np.random.default_rng(0))
    assert batch.scenes.tolist() == [[1, 0, 0]] * 4  # "river"
    assert batch.covers.tolist() == [[1, 0]] * 4  # "water"
    unknown = coarse_batch([chips[2]], bank, Size(1, 64), np.random.default_rng(0))
    assert unknown.scenes.tolist() == [[1, 1, 1]]
