"""Batches: every step has its own seed, whoever makes its batch."""

from __future__ import annotations

import multiprocessing
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from sarto.core.train.batches import Batch, Recipe
from sarto.core.train.chips import Chip
from sarto.core.train.stream import Batches


def _same(first: Batch, second: Batch) -> bool:
    pairs = zip(vars(first).values(), vars(second).values())
    return all(
        torch.equal(a.nan_to_num(9e9), b.nan_to_num(9e9)) if torch.is_tensor(a) else a == b for a, b in pairs
    )


@pytest.fixture
def recipe(chips, bank) -> Recipe:
    return Recipe(chips, bank, pairs=3, side=64, windows=5, seed=11)


def test_shapes_and_ranges(recipe: Recipe) -> None:
    batch = recipe.batch(0)
    assert batch.optical.shape == batch.sar.shape == batch.optical_valid.shape == (3, 1, 64, 64)
    assert batch.forward.shape == batch.backward.shape == (3, 64, 2)
    assert batch.fine.shape == batch.start.shape == batch.shift.shape == (3, 5, 2)
    assert batch.scenes.shape == (3, 3)
    assert batch.covers.shape == (3, 2)
    assert batch.near == 2
    assert all(v.dtype == torch.float32 for v in vars(batch).values() if torch.is_tensor(v))
    assert 0 <= batch.start.min() <= batch.start.max() <= 31


def test_the_shift_leads_to_the_true_place(recipe: Recipe) -> None:
    """Near identity, and by an independent way: the coarse truth says the same as the fine one."""
    batch = recipe.batch(3)
    for k in range(3):
        true = ((batch.start + batch.shift)[k] + 0.5) * 2 - 0.5
        pixel = (batch.fine[k] + 0.5) * 2 - 0.5
        cells = torch.clamp(((pixel + 0.5) / 8).floor(), 0, 7)
        coarse = (batch.forward[k].view(8, 8, 2)[cells[:, 1].long(), cells[:, 0].long()] + 0.5) * 8 - 0.5
        off = (true - coarse).norm(dim=-1)
        assert off[torch.isfinite(off)].max() < 12  # a cell's half diagonal, scaled and turned


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
    batch = Recipe([coloured], bank, 4, 64, 4, 0).batch(0)
    assert batch.scenes.tolist() == [[1, 0, 0]] * 4  # "river"
    assert batch.covers.tolist() == [[1, 0]] * 4  # "water"
    unknown = Recipe([chips[2]], bank, 1, 64, 4, 0).batch(0)
    assert unknown.scenes.tolist() == [[1, 1, 1]]
