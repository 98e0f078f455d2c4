"""Painting the SAR image in tiles: levels that agree, no seams, NoData, bounds, and only where it is wanted."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from sarto.core.contract import SILENT, Cancelled, Pixels, Reporter, SearchRange
from sarto.core.geometry import affine
from sarto.core.matching import MatchTask
from sarto.core.matching.land_use import CLASSES
from sarto.core.matching.promptmid import matcher, painting
from sarto.core.matching.promptmid.compact import CompactNetwork
from sarto.core.matching.promptmid.config import CompactConfig
from sarto.core.matching.promptmid.model import PromptModel
from sarto.core.matching.promptmid.prompting import Prompting

TINY = CompactConfig(
    widths=(8, 8, 16, 16), heads=2, time=16, text_dim=12, fine=(8, 8), aggregate=8, descriptor=8, low=4
)
STAYS = np.eye(2, 3)


@pytest.fixture(scope="module")
def network() -> CompactNetwork:
    torch.manual_seed(7)
    return CompactNetwork(TINY).eval().requires_grad_(False)


@pytest.fixture
def model(network: CompactNetwork) -> PromptModel:
    prompting = Prompting(None, (), lambda _view, _size: np.zeros(len(CLASSES)))
    return PromptModel(network, torch.device("cpu"), prompting=prompting)


def texture(rows: int, columns: int, seed: int = 0) -> Pixels:
    """Alike everywhere."""
    rough = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)
    smooth = cv2.GaussianBlur(rough, (0, 0), 2.0)
    return np.clip(128 + 40 * smooth / smooth.std(), 1, 255).astype(np.uint8)


def task_of(moving: Pixels, reference: Pixels | None = None) -> MatchTask:
    return MatchTask(moving if reference is None else reference, moving, SearchRange())


def test_in_tiles_as_in_one(model) -> None:
    image = texture(360, 440)
    whole = painting.plan_tiles(image.shape, side=480)
    parts = painting.plan_tiles(image.shape)
    assert (len(whole.corners), len(parts.corners)) == (1, 6)
    one, many = (
        painting.paint(task_of(image), model, STAYS, SILENT, p).values.astype(float) for p in (whole, parts)
    )
    inner = np.s_[8:-8, 8:-8]  # there the one tile has a rim
    assert np.corrcoef(one[inner].ravel(), many[inner].ravel())[0, 1] > 0.97
    assert np.abs(one - many)[inner].mean() < 0.2 * painting.CONTRAST


def test_a_fine_picture_all_of_it_and_twice_the_same(model) -> None:
    image = texture(300, 270)
    first, again = (painting.paint(task_of(image), model, STAYS, SILENT) for _ in range(2))
    assert (first.values.dtype, first.values.shape) == (np.uint8, (300, 270))
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_array_equal(first.lattice, STAYS)
    assert first.values.min() >= 1
    assert abs(first.values.mean() - painting.GREY) < 3
    assert abs(first.values.std() - painting.CONTRAST) < 8


def test_nodata_stays(model) -> None:
    image = texture(300, 330)
    image[:70, :90] = 0
    image[:, 320:] = 0
    found = painting.paint(task_of(image), model, STAYS, SILENT).values
    np.testing.assert_array_equal(found > 0, image > 0)
    assert not painting.paint(task_of(np.zeros((40, 50), np.uint8)), model, STAYS, SILENT).values.any()


def test_a_very_large_image_is_painted_coarser(model) -> None:
    plan = painting.plan_tiles((3000, 5000), most=6)
    assert len(plan.corners) <= 6
    assert plan.factor > 5
    assert plan.shape == tuple(int(np.ceil(n / plan.factor)) for n in (3000, 5000))
    last = affine.apply(plan.lattice, [[plan.shape[1] - 0.5, plan.shape[0] - 0.5]])[0]
    assert (last >= [4999.5, 2999.5]).all()
    assert (last < [4999.5 + plan.factor, 2999.5 + plan.factor]).all()
    image = np.kron(texture(150, 250), np.ones((4, 4), np.uint8))
    found = painting.paint(task_of(image), model, STAYS, SILENT, painting.plan_tiles(image.shape, most=2))
    assert found.values.shape == painting.plan_tiles(image.shape, most=2).shape
    assert found.lattice[0, 0] == found.lattice[1, 1] > 2


def test_tiles_cover_all_and_overlap() -> None:
    for shape in ((16, 16), (232, 233), (257, 1000), (1, 9)):
        plan = painting.plan_tiles(shape)
        seen = np.zeros(shape, int)
        for x, y in plan.corners:
            assert x % painting.GRID == y % painting.GRID == 0
            top, left = max(y + painting.RIM, 0), max(x + painting.RIM, 0)
            seen[top : y + plan.size[0] - painting.RIM, left : x + plan.size[1] - painting.RIM] += 1
        assert (seen > 0)[: shape[0], : shape[1]].all()
    assert painting.plan_tiles((200, 200), scale=2.0).factor == 2.0
    assert painting.plan_tiles((200, 200), scale=1.1).factor == 1.0


def test_levels_of_neighbours_are_brought_together(monkeypatch) -> None:
    """Tiles of one picture, each with a brightness and a contrast of its own, as a network gives them."""
    random = np.random.default_rng(2)
    picture = texture(600, 700).astype(np.float32) / 40 - 3
    picture += np.linspace(-2, 2, 700, dtype=np.float32)
    plan = painting.plan_tiles(picture.shape)
    padded = np.pad(picture, painting.TILE, mode="reflect")
    tiles = []
    for x, y in plan.corners:
        rows, columns = (slice(start + painting.TILE, start + 2 * painting.TILE) for start in (y, x))
        values = padded[rows, columns] * random.uniform(0.6, 1.5) + random.uniform(-1, 1)
        tiles.append(painting.Tile((x, y), values.astype(np.float16), np.ones(plan.size, bool)))
    found = painting._blend(tiles, plan, SILENT).astype(float)
    wanted = np.clip(painting.GREY + painting.CONTRAST * (picture - picture.mean()) / picture.std(), 1, 255)
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.99
    monkeypatch.setattr(painting, "agreeing_levels", lambda tiles: (np.ones(len(tiles)), np.zeros(len(tiles))))
    alone = painting._blend([levelled_alone(tile) for tile in tiles], plan, SILENT)
    assert np.corrcoef(alone.ravel(), wanted.ravel())[0, 1] < 0.9


def levelled_alone(tile: painting.Tile) -> painting.Tile:
    """The tile with mean 0 and deviation 1."""
    values = tile.values.astype(np.float32)
    return tile._replace(values=((values - values.mean()) / values.std()).astype(np.float16))


def test_cancel_is_heard_between_tiles(model) -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(Cancelled):
        painting.paint(task_of(texture(600, 600)), model, STAYS, Reporter(is_cancelled=cancelled))
    assert len(asked) == 3


def test_prompts_are_those_of_the_place(network) -> None:
    """A turned SAR image: each tile is told what lies under it in the reference."""
    land_use = np.full((600, 400), 1 + CLASSES.index("farmland"), np.uint8)
    land_use[:300] = 1 + CLASSES.index("water")
    prompting = Prompting(land_use, (), lambda _view, _size: np.zeros(len(CLASSES)))
    model = PromptModel(network, torch.device("cpu"), prompting=prompting)
    pose = affine.similarity(180.0, 1.0, [199.5, 299.5])
    plan = painting.plan_tiles((600, 400))
    views = [painting.reference_view(plan, corner, pose) for corner in plan.corners]
    for corner, view in zip(plan.corners, views):
        assert (np.diag(view.lattice[:, :2]) > 0).all()
        middle = affine.apply(plan.tile(corner), [[127.5, 127.5]])
        np.testing.assert_allclose(affine.apply(view.lattice, [127.5, 127.5]), [399, 599] - middle[0], atol=1e-6)
    marks = model.prompting.marks(views, plan.size)
    first, last = (next(iter(np.flatnonzero(row))) for row in (marks[0], marks[-1]))
    assert (CLASSES[first], CLASSES[last]) == ("farmland", "water")


def test_nothing_is_painted_that_was_not_asked_for(monkeypatch, model) -> None:
    found = SimpleNamespace(pose=STAYS, steps={"places": 3})
    painted = []
    monkeypatch.setattr(matcher, "open_model", lambda *_: model)
    monkeypatch.setattr(matcher, "signature", lambda _path: "some weights")
    monkeypatch.setattr(matcher, "paint", lambda *_: painted.append(1) or "picture")
    monkeypatch.setattr(matcher, "replace", lambda thing, **more: SimpleNamespace(**{**vars(thing), **more}))
    monkeypatch.setattr(matcher.match, "examine", lambda *_: SimpleNamespace(result=found))
    task = task_of(texture(40, 40))
    assert matcher.PromptMidMatcher().match(task) is found
    assert not painted
    asked = matcher.PromptMidMatcher().match(replace(task, painting=True))
    assert (asked.painted, asked.steps) == ("picture", {"places": 3, "painted by": "some weights"})
