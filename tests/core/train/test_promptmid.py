"""Runs of PromptMID: each stage changes its own part, goes on where it stopped, and refuses what does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sarto.core.contract import Cancelled, EngineError, InputError, OptionError, Reporter
from sarto.core.matching.land_use import CLASSES, load_land_use
from sarto.core.matching.passes.calibration import Calibration, Limits
from sarto.core.matching.passes.weight_files import grouped, read_card
from sarto.core.matching.promptmid import weights as promptmid_weights
from sarto.core.matching.promptmid.config import PARTS
from sarto.core.matching.promptmid.matcher import PromptMidMatcher
from sarto.core.matching.tar.matcher import TarMatcher
from sarto.core.train import promptmid as module
from sarto.core.train import weights
from sarto.core.train.batches import Batch, Recipe, Size, painted_batch
from sarto.core.train.checkpoint import read
from sarto.core.train.chips import Chip
from sarto.core.train.export import export, put_calibration
from sarto.core.train.log import HELD_OUT, TRAINED, read_log
from sarto.core.train.promptmid import PromptMidRun, network_of
from sarto.core.train.promptmid_config import PromptMidTraining

from .conftest import make_chip, texture
from .promptmid_parts import NETWORK, TINY, tiny_network

CPU = torch.device("cpu")
Make = Callable[..., PromptMidRun]


def _quiet(_line: str) -> None:
    return None


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Runs in folders of their own; changes go to the settings."""

    def made(name: str = "run", stage: int = 1, **changes: object) -> PromptMidRun:
        settings = replace(TINY, stage=stage, **changes)  # type: ignore[arg-type]
        return PromptMidRun(settings, tmp_path / name, CPU, tiny_network(settings.network))

    return made


def _kept(run: PromptMidRun) -> dict[str, torch.Tensor]:
    """Copies of all weights, statistics and averages."""
    own = {f"network {k}": v.clone() for k, v in run.network.state_dict().items()}
    return own | {f"average {k}": v.clone() for k, v in run.state.average.items()}


def _part(name: str) -> str:
    return name.split(" ")[1].split(".")[0]


# Batches


def test_painted_pairs_lie_in_place_and_in_grey() -> None:
    """Both images of a chip alike: so are both windows, whatever turn, flip and zoom they have."""
    image = texture(3)
    coloured = replace(make_chip(3), optical=np.stack([image, image, image], axis=-1))
    batch = painted_batch([coloured], Size(6, 64), np.random.default_rng(0), vary=False)
    assert batch.optical.shape == (6, 3, 64, 64)
    assert torch.equal(batch.optical[:, 0], batch.optical[:, 2])
    assert (batch.optical[:, :1] - batch.sar).abs().mean() < 0.1
    assert (batch.sar[0] - batch.sar[1]).abs().mean() > 5
    assert batch.optical_valid.min() == batch.sar_valid.min() == 1


def test_grey_is_the_same_mixture_in_every_window() -> None:
    colours = np.stack([texture(k) for k in (1, 2, 3)], axis=-1)
    chip = replace(make_chip(0), optical=colours)
    for seed in range(4):
        bands = painted_batch([chip], Size(1, 64), np.random.default_rng(seed), vary=False).optical[0]
        assert torch.equal(bands[0], bands[1])
        assert torch.equal(bands[0], bands[2])


def test_painted_pairs_vary_in_the_sar_image_alone(chips: list[Chip]) -> None:
    plain, varied = (painted_batch(chips, Size(4, 64), np.random.default_rng(5), vary=v) for v in (False, True))
    assert torch.equal(plain.optical[0], varied.optical[0])
    assert not torch.equal(plain.sar[0], varied.sar[0])


def test_marks_of_land_use_come_from_the_labels() -> None:
    chips = [make_chip(seed, region=region) for seed, region in enumerate(("river", "forest", ""))]
    for chip in chips:
        marks = painted_batch([chip], Size(2, 64), np.random.default_rng(0)).land_use
        assert marks.shape == (2, len(CLASSES))
        assert [n for n, m in zip(CLASSES, marks[0]) if m] == [n for n in CLASSES if n in chip.label.land_use]
    shown = [chip.label.land_use for chip in chips]
    assert "water" in shown[0]
    assert "forest" in shown[1]
    assert not shown[2]


def test_each_stage_makes_only_the_batches_that_it_learns_from(make: Make, chips: list[Chip]) -> None:
    first, second = (make(str(stage), stage)._recipe(chips).batch(0) for stage in (1, 2))
    assert (first.coarse, first.local) == (None, None)
    assert first.painted is not None
    assert first.painted.sar.shape == (2, 1, 64, 64)
    assert second.painted is None
    assert second.coarse is not None
    assert second.local is not None
    again = make("again")._recipe(chips).batch(0).painted
    assert again is not None
    assert torch.equal(again.sar, first.painted.sar)


def test_the_painted_part_does_not_depend_on_the_others(chips: list[Chip]) -> None:
    alone = Recipe(chips, None, None, None, 3, painted=Size(2, 64)).batch(5).painted
    both = Recipe(chips, None, Size(2, 64), Size(2, 64), 3, painted=Size(2, 64)).batch(5)
    assert alone is not None
    assert both.painted is not None
    assert torch.equal(alone.sar, both.painted.sar)
    moved = both.to(CPU)
    assert isinstance(moved, Batch)
    assert moved.painted is not None


def _bent(recipe: Recipe) -> float:
    """How much shifts differ within pairs that are not near identity, in cells: rotation and scale make them."""
    spreads = []
    for step in range(4):
        batch = recipe.batch(step).coarse
        assert batch is not None
        rows = batch.forward.shape[1]
        side = round(rows**0.5)
        cells = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="xy"), -1).reshape(
            rows, 2
        )
        shift = batch.forward[1] - cells
        known = shift[~shift.isnan().any(-1)]
        spreads.append(float(known.std(0).mean()) if len(known) > 4 else 0.0)
    return sum(spreads) / len(spreads)


def test_pairs_of_stage_2_are_turned_and_scaled_as_the_settings_say(make: Make, chips: list[Chip]) -> None:
    still, turned = (
        make(str(rotation), stage=2, pairs=2, rotation=rotation, scale=scale)
        for rotation, scale in ((0.0, 1.0), (45.0, 1.6))
    )
    assert _bent(turned._recipe(chips)) > 3 * _bent(still._recipe(chips))
    assert _bent(turned._check_recipe(chips)) == _bent(still._check_recipe(chips))  # figures can be compared


# Steps


def test_stage_1_changes_the_diffusion_model_alone(make: Make, chips: list[Chip]) -> None:
    run = make(steps=3, average=0.5)
    before = _kept(run)
    run.train(chips, [], 600, _quiet)
    after = _kept(run)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {_part(name) for name in changed} == {"diffusion"}
    named = {name for name in before if _part(name) == "diffusion"}
    assert len(changed) > 0.9 * len(named)


def test_stage_2_changes_all_but_diffusion_backbone_and_prompts(make: Make, chips: list[Chip]) -> None:
    """Also where the averages are not quite the weights, as those of a checkpoint are."""
    first = make(steps=2)
    first.train(chips, [], 600, _quiet)
    run = make("two", 2, steps=3, average=0.5)
    run.start_from(first.checkpoint)
    before = _kept(run)
    run.train(chips, [], 600, _quiet)
    after = _kept(run)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    parts = {_part(name) for name in changed}
    assert not parts & {"diffusion", "backbone", "tokens"}
    assert parts >= {
        "optical_fine", "optical", "sar", "optical_low", "sar_low", "land_use",
        "window", "sharpness", "coarse_matcher",
    }  # fmt: skip
    assert not any(m.training for m in run.network.backbone.modules())


def test_stage_2_goes_on_painting_where_asked(make: Make, chips: list[Chip]) -> None:
    run = make("two", 2, steps=3, painting_weight=0.5)
    before = _kept(run)
    run.train(chips, chips[:1], 600, _quiet)
    after = _kept(run)
    parts = {_part(name) for name in before if not torch.equal(before[name], after[name])}
    assert "diffusion" in parts
    assert not parts & {"backbone", "tokens"}
    assert 0 < read_log(run.folder)[HELD_OUT].figures["painting"][-1] < 3


@pytest.mark.parametrize("without", [("diffusion",), ("foundation",), ("aggregation",), PARTS])
def test_parts_can_be_left_out(make: Make, chips: list[Chip], without: tuple[str, ...], tmp_path: Path) -> None:
    """And begin with what stage 1 of the whole network has made."""
    first = make(steps=2)
    first.train(chips, [], 600, _quiet)
    run = make("two", 2, steps=2, network=replace(NETWORK, without=without))
    run.start_from(first.checkpoint)
    kept = {_part(f"own {name}") for name in run.network.state_dict()}
    assert ("diffusion" in kept) == ("diffusion" not in without)
    assert ("backbone" in kept) == ("foundation" not in without)
    if "diffusion" in kept:
        taken = run.network.state_dict()["diffusion.inside.weight"]
        assert torch.allclose(taken, first.state.average["diffusion.inside.weight"], atol=1e-3)
    run.train(chips, [], 600, _quiet)
    export(run.checkpoint, tmp_path / "w.safetensors")
    loaded, _ = promptmid_weights.load(tmp_path / "w.safetensors", CPU)
    assert loaded.config.without == without


def test_no_painting_without_a_diffusion_branch() -> None:
    network = {"without": ["diffusion"]}
    for values in ({"stage": 1}, {"stage": 2, "painting_weight": 1.0}):
        with pytest.raises(OptionError, match="without diffusion"):
            PromptMidTraining.from_json({"network": network, **values})
    with pytest.raises(OptionError, match="aggregation"):
        PromptMidTraining.from_json({"network": {"without": ["msaa"]}, "stage": 2})


@pytest.mark.parametrize(("stage", "figure"), [(1, 0), (2, 2)])
def test_losses_fall_on_a_few_pairs(make: Make, chips: list[Chip], stage: int, figure: int) -> None:
    run = make(stage=stage, steps=36, pairs=2, rate=1e-2 if stage == 1 else 5e-3)
    recipe = run._recipe(chips[:1])
    figures = np.array([run._learner.step(recipe.batch(step)).tolist() for step in range(36)])
    first, last = (np.nanmean(part, axis=0) for part in (figures[:6], figures[-10:]))
    assert last[figure] < first[figure] - 0.03
    if stage == 2:
        assert last[0] < first[0]
        assert last[4] < first[4]  # the classifier


def test_figures_have_names_and_checks_are_made_on_noise_alone(make: Make, chips: list[Chip]) -> None:
    run = make(pure_noise=0.0)
    assert len(run.names) == 2
    learned = run._learner.step(run._recipe(chips).batch(0))
    assert torch.isnan(learned[1])
    checks = [run._check_recipe(chips).batch(0)]
    first, again = run.check(checks), run.check(checks)
    assert first == again
    assert first["painting"] == first["from noise"]


def test_words_are_left_out_of_their_share_of_the_pairs(make: Make) -> None:
    learner = make(words_left_out=0.25)._learner
    pairs = type("Shown", (), {"land_use": torch.ones(400, len(CLASSES))})
    shown = learner.prompt(pairs, learner.random(3, True)).shown
    assert (shown[:, 0] == 1).all()
    each = shown[:, 1:].mean(1)
    assert set(each.tolist()) == {0, 1}
    assert float(each.mean()) == pytest.approx(0.75, abs=0.08)
    assert torch.equal(learner.prompt(pairs, learner.random(3, True)).shown, shown)
    assert not torch.equal(learner.prompt(pairs, learner.random(4, True)).shown, shown)
    assert learner.prompt(pairs, None).shown.min() == 1


# Going on


@pytest.mark.parametrize(("stage", "stop"), [(1, 1), (1, 5), (2, 3)])
def test_going_on_is_as_not_stopping(make: Make, chips: list[Chip], stage: int, stop: int) -> None:
    """Nearly: moments are kept in 8 bits of precision."""
    whole = make("whole", stage, steps=7)
    whole.train(chips, [], 600, _quiet)
    first = make("parts", stage, steps=7)
    with pytest.raises(Cancelled, match=rf"step {stop}; --resume"):
        first.train(chips, [], 600, _quiet, reporter=Reporter(is_cancelled=lambda: first.state.step >= stop))
    second = make("parts", stage, steps=7)
    second.resume()
    assert second.state.step == stop
    second.train(chips, [], 600, _quiet)
    start = make("start", stage).network.state_dict()
    ends = [run.network.state_dict() for run in (whole, second)]
    names = [k for k, v in start.items() if v.is_floating_point()]
    way = torch.cat([(ends[0][k] - start[k]).flatten() for k in names])
    off = torch.cat([(ends[0][k] - ends[1][k]).flatten() for k in names])
    assert way.norm() > 0
    assert off.norm() < 0.03 * way.norm()


def test_a_checkpoint_of_the_other_stage_is_not_gone_on_with(make: Make) -> None:
    make(stage=1).save()
    with pytest.raises(InputError, match="of stage 1, not 2") as caught:
        make(stage=2).resume()
    assert "--from" in str(caught.value.hint)


@pytest.mark.parametrize(
    "change", [{"descriptor": 12}, {"prompts": "0" * 16}, {"encoder": "other"}, {"noise": 0.5}]
)
def test_another_network_or_other_prompts_are_refused(
    make: Make, tmp_path: Path, change: dict[str, object]
) -> None:
    """Also where all tensors have the same shapes."""
    other = make("other", network=replace(NETWORK, **change))  # type: ignore[arg-type]
    other.save()
    run = make()
    for use in (run.start_from, run.resume):
        with pytest.raises(InputError, match="another network, or to other prompts"):
            use(other.checkpoint)
    path = tmp_path / "w.safetensors"
    promptmid_weights.save_weights(path, other.network.state_dict(), other.settings.network)
    with pytest.raises(InputError, match="another network"):
        run.start_from(path)


def test_starting_from_averages_or_from_weights(make: Make, chips: list[Chip], tmp_path: Path) -> None:
    first = make(steps=3)
    first.train(chips, [], 600, _quiet)
    path = tmp_path / "w.safetensors"
    promptmid_weights.save_weights(path, first.state.average, NETWORK)
    for source in (first.checkpoint, path):
        second = make("second", 2)
        second.start_from(source)
        assert second.state.step == 0
        for key, value in first.state.average.items():
            if value.is_floating_point():
                assert torch.allclose(second.network.state_dict()[key], value, rtol=2e-3, atol=1e-6), key
        assert network_of(source) == NETWORK
    with pytest.raises(InputError):
        make("third").start_from(tmp_path / "none.pt")
    with pytest.raises(EngineError):
        make("third").start_from(tmp_path / "none.safetensors")


def test_a_checkpoint_of_tar_is_named_as_such(make_run, make: Make) -> None:
    run = make_run("tar", steps=1)
    run.save()
    with pytest.raises((InputError, OptionError), match=r"checkpoint\.pt"):
        network_of(run.checkpoint)
    with pytest.raises(InputError, match=r"checkpoint\.pt"):
        make().start_from(run.checkpoint)
    make("mid").save()
    with pytest.raises(InputError, match=r"checkpoint\.pt"):
        run.start_from(make("mid").checkpoint)


def test_what_a_run_leaves_behind(make: Make, chips: list[Chip], monkeypatch) -> None:
    monkeypatch.setattr("sarto.core.train.run.CHECK_BATCHES", 1)
    monkeypatch.setattr(module, "CHECK_PAIRS", 2)
    run = make(stage=2, steps=2)
    run.train(chips, chips[:1], 600, _quiet)
    curves = read_log(run.folder)
    assert curves[TRAINED].steps.tolist() == curves[HELD_OUT].steps.tolist() == [2]
    assert set(curves[TRAINED].figures) == set(run.names)
    assert sorted(p.name for p in run.folder.iterdir()) == ["checkpoint.pt", "curves.png", "log.csv"]
    settings = read(run.checkpoint).settings
    assert PromptMidTraining.from_json(settings) == run.settings


# Weights


@pytest.fixture
def trained(make: Make) -> PromptMidRun:
    run = make(stage=2)
    run.save()
    return run


def test_the_first_stage_is_not_exported(make: Make, tmp_path: Path) -> None:
    run = make()
    run.save()
    with pytest.raises(InputError, match="first stage"):
        export(run.checkpoint, tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


def test_the_averages_of_the_second_stage_are_what_the_method_loads(trained: PromptMidRun, tmp_path: Path) -> None:
    path = tmp_path / "out" / "w.safetensors"
    card = export(trained.checkpoint, path, card=tmp_path / "card.json")
    network, calibration = promptmid_weights.load(path, CPU)
    assert network.config == NETWORK
    assert calibration == Calibration()
    for key, value in network.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, trained.state.average[key], rtol=2e-3, atol=1e-6)
    assert read_card(path) == card == json.loads((tmp_path / "card.json").read_text())
    assert card["method"] == "promptmid"
    assert card["settings"]["stage"] == 2
    assert card["network"]["prompts"] == grouped(load_land_use().digest)
    assert card["parameters"] == sum(p.numel() for p in network.parameters())
    assert "text" not in card
    assert str(tmp_path) not in json.dumps(card)


def test_a_calibration_is_added(trained: PromptMidRun, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    before = export(trained.checkpoint, path)
    tensors = load_file(path)
    calibration = Calibration({"gain": 2.0}, -1.0, limits=Limits(0.1, 1.0))
    card = put_calibration(path, calibration, {"registrations": 5})
    found = promptmid_weights.read_weights(path)
    assert found.calibration == calibration
    assert found.config == NETWORK
    assert all(torch.equal(v, tensors[k]) for k, v in load_file(path).items())
    assert card["sha256"] != before["sha256"]
    assert card["calibration"] == {"registrations": 5}


def test_a_file_says_which_method_it_is_for(trained: PromptMidRun, make_run, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "p.safetensors", tmp_path / "t.safetensors"
    tar = make_run("tar")
    tar.save()
    export(trained.checkpoint, ours)
    export(tar.checkpoint, theirs)
    for path, method, kind in ((ours, "promptmid", PromptMidMatcher), (theirs, "tar", TarMatcher)):
        assert weights.method_of(path) == method
        found = weights.read_weights(path)
        assert found.method == method
        again = tmp_path / f"again-{method}.safetensors"
        weights.save_weights(again, found)
        copy = weights.read_weights(again)
        assert copy.config == found.config
        assert all(torch.equal(v, copy.tensors[k]) for k, v in found.tensors.items())
        assert isinstance(weights.examiner(path, method, None), kind)
    with pytest.raises(EngineError, match="cannot be read"):
        weights.method_of(tmp_path / "none.safetensors")
    with pytest.raises(EngineError, match="no weights of PromptMID"):
        network_of(theirs)
