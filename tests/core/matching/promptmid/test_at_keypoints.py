"""Tie points at keypoints lie where the images agree."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from sarto.core.contract import RANGES, SILENT, Floats, MatchOptions
from sarto.core.geometry import affine
from sarto.core.matching import MatchTask
from sarto.core.matching.land_use import CLASSES
from sarto.core.matching.passes.fine import with_edges
from sarto.core.matching.passes.keypoint_look import keypoint_look
from sarto.core.matching.passes.network import TilePairs
from sarto.core.matching.passes.pose import Hypothesis
from sarto.core.matching.passes.second_pass import FINAL, Outcome
from sarto.core.matching.passes.tiles import Ties
from sarto.core.matching.promptmid.diffusion import Prompt
from sarto.core.matching.promptmid.matcher import EDGES
from sarto.core.matching.promptmid.model import PromptModel
from sarto.core.matching.promptmid.prompting import Prompting
from sarto.core.matching.structural.maps import structure_maps

from ..conftest import Pair, make_pair

CPU = torch.device("cpu")


def model_of(fine: Callable[..., tuple[torch.Tensor, torch.Tensor]]) -> PromptModel:
    """A model with a network whose fine features are what it is told."""
    network: Any = SimpleNamespace(
        fine=fine,
        sharpness=torch.tensor(3.0),
        prompt=lambda marks: Prompt(torch.zeros(len(marks), 1, 1), torch.ones(len(marks), 1)),
    )
    prompting = Prompting(None, (), lambda view, size: np.zeros(len(CLASSES)))
    return PromptModel(network, CPU, prompting=prompting)


def by_structure(pairs: TilePairs, edges: float, _words: Prompt) -> tuple[torch.Tensor, torch.Tensor]:
    """What both images show in the same manner: the directions of their edges."""
    maps = [structure_maps(v.float(), k.float())[0] for v, k in (pairs.optical, pairs.sar)]
    low = torch.cat([torch.nn.functional.avg_pool2d(m, 2) for m in maps])
    return with_edges(low, pairs, edges)


def looked(pair: Pair, pose: Floats) -> Outcome:
    """The pass from an approximate pose, with features that work."""
    task = MatchTask(pair.optical, pair.sar, RANGES["georef"], MatchOptions(method="promptmid"))
    empty = Ties(*[np.zeros((0, 2))] * 2, *[np.zeros(0)] * 4, *[np.zeros(0, bool)] * 2, torch.zeros(0, 17, 17))
    plan = FINAL.plan(1.0, True)
    start = Outcome(Hypothesis(pose, "given", 0.5), pose, 0, empty, np.zeros(0, bool), 0.7, 0.7, 0.0, plan)
    return keypoint_look(task, model_of(by_structure), "pc-fast", EDGES, start, SILENT)


def test_tie_points_lie_within_a_pixel_of_the_truth() -> None:
    pair = make_pair(176, degrees=2.0, scale=1.02, shift=(6.35, -4.8), seed=6)
    pose = affine.compose(np.array([[1, 0, 1.7], [0, 1, -1.3]]), pair.truth)
    found = looked(pair, pose)
    errors = np.linalg.norm(found.ties.moving - affine.apply(pair.truth, found.ties.reference), axis=1)
    assert len(errors) > 60
    assert np.median(errors) < 0.5
    assert (errors < 1).mean() > 0.9
    assert found.agreed.mean() > 0.9
    away = affine.apply(pose, found.ties.reference) - affine.apply(pair.truth, found.ties.reference)
    assert np.linalg.norm(away, axis=1).min() > 1.5  # the pose that it began with would not do
    assert np.array_equal(found.pose, pose)
    assert found.gain == 0.7
    assert found.tried >= len(found.ties)


def test_tie_points_keep_out_of_nodata_and_of_the_padding() -> None:
    pair = make_pair(152, seed=6)
    optical, sar = pair.optical.copy(), pair.sar.copy()
    optical[:, :40], sar[120:] = 0, 0
    found = looked(Pair(optical, sar, pair.truth), pair.truth)
    assert len(found.ties) > 20
    assert found.ties.reference[:, 0].min() > 40
    assert found.ties.moving[:, 1].max() < 120
    assert found.ties.reference.max() < 152


def test_large_images_are_looked_at_tile_by_tile() -> None:
    pair = make_pair(320, degrees=0.5, shift=(1.4, 2.3), seed=3)
    pair = Pair(pair.optical[:112], pair.sar[:112], pair.truth)
    found = looked(pair, pair.truth)
    errors = np.linalg.norm(found.ties.moving - affine.apply(pair.truth, found.ties.reference), axis=1)
    assert (errors < 1).mean() > 0.85
    thirds = np.bincount((found.ties.reference[:, 0] // 107).astype(int), minlength=3)
    assert thirds.min() > 15


def test_images_without_common_ground_give_no_tie_points() -> None:
    pair = make_pair(128, seed=6)
    empty = looked(Pair(pair.optical, np.zeros_like(pair.sar), pair.truth), pair.truth)
    assert len(empty.ties) == empty.tried == 0
    assert empty.agreement == 0
