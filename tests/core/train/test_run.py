"""Training runs: they learn, stop well, go on as if they had not stopped, and survive what is no number."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sarto.core.contract import Cancelled, EngineError, InputError, OptionError, Reporter
from sarto.core.train import learner as learning
from sarto.core.train import run as running
from sarto.core.train.batches import Pairs
from sarto.core.train.checkpoint import read
from sarto.core.train.device import arithmetic, pick
from sarto.core.train.log import HELD_OUT, TRAINED, read_log
from sarto.core.train.optimiser import OPTIMISERS
from sarto.core.train.tar import Run
from sarto.core.train.tar_config import check

from .conftest import NETWORK, ONLY_COARSE, ONLY_LOCAL, TINY


def _quiet(_line: str) -> None:
    return None


def test_losses_fall_on_a_few_pairs(make_run, chips) -> None:
    run = make_run(steps=60, pairs=4, local_pairs=4, rate=5e-3, cooldown=0.1)
    recipe = run._recipe(chips[:2])
    figures = [run._learner.step(recipe.batch(step)).tolist() for step in range(60)]
    first, last = (np.nanmean(part, axis=0) for part in (figures[:12], figures[-12:]))
    assert last[0] < first[0] - 0.15  # coarse
    assert last[3] < first[3] - 0.1  # local
    assert last[2] > first[2] + 0.05  # windows found
    assert last[5] < first[5]  # text


def _kept(run: Run) -> dict[str, torch.Tensor]:
    """Copies of all weights, statistics and averages."""
    own = {f"network {k}": v.clone() for k, v in run.network.state_dict().items()}
    return own | {f"average {k}": v.clone() for k, v in run.state.average.items()}


def _is_local(name: str) -> bool:
    """Of the name of a weight, after its kind."""
    name = name.split(" ")[1]
    return name.startswith("local.") or name == "sharpness"


@pytest.mark.parametrize("part", ["local", "coarse"])
def test_a_part_that_is_left_out_stays_bit_for_bit_as_it_is(make_run, chips, part: str) -> None:
    """Also where its averages are not quite its weights, as those of a checkpoint are."""
    first = make_run(steps=4)
    first.train(chips, [], 600, _quiet)
    run = make_run(steps=8, **(ONLY_LOCAL if part == "local" else ONLY_COARSE))
    run.resume()
    before = _kept(run)
    run.train(chips, [], 600, _quiet)
    assert run.state.step == 8
    after = _kept(run)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {_is_local(name) for name in changed} == {part == "local"}
    named = dict(run.network.named_parameters())
    taught = {name for name in before if _is_local(name) == (part == "local") and name.split(" ")[1] in named}
    assert len(taught & changed) > 0.9 * len(taught)  # text may be of no use yet
    figures = read_log(run.folder)[TRAINED].figures
    missing = {"local": ("coarse", "coarse right", "window right", "text"), "coarse": ("local", "local right")}
    assert {name for name, values in figures.items() if np.isnan(values[-1])} == set(missing[part])


def test_figures_of_a_part_that_is_left_out_are_not_noted(make_run, chips) -> None:
    run = make_run(steps=1, **ONLY_LOCAL)
    run.train(chips, chips, 600, _quiet)
    assert set(run.state.facts.figures) == {"step", "local", "local right"}
    json.dumps(run.state.facts.figures, allow_nan=False)


def test_nothing_to_learn_is_an_error() -> None:
    with pytest.raises(OptionError, match="'local_weight'"):
        check(replace(TINY, **ONLY_LOCAL, **ONLY_COARSE))


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_going_on_is_as_not_stopping(make_run, chips, optimiser: str) -> None:
    """Nearly: moments are kept in 8 bits of precision."""
    whole = make_run("whole", steps=16, optimiser=optimiser)
    whole.train(chips, [], 600, _quiet)
    first = make_run("parts", steps=16, optimiser=optimiser)
    with pytest.raises(Cancelled, match=r"step 7; --resume"):
        first.train(chips, [], 600, _quiet, reporter=_stop_at(7, first))
    second = make_run("parts", steps=16, optimiser=optimiser)
    second.resume()
    assert second.state.step == 7
    second.train(chips, [], 600, _quiet)
    start = make_run("start").network.state_dict()
    ends = [run.network.state_dict() for run in (whole, second)]
    way = torch.cat([(ends[0][k] - start[k]).flatten() for k, v in start.items() if v.is_floating_point()])
    off = torch.cat([(ends[0][k] - ends[1][k]).flatten() for k, v in start.items() if v.is_floating_point()])
    assert off.norm() < 0.02 * way.norm()


def _stop_at(step: int, run: Run) -> Reporter:
    return Reporter(is_cancelled=lambda: run.state.step >= step)


def test_workers_change_nothing(make_run, chips) -> None:
    ends = []
    for workers in (0, 2):
        run = make_run(f"run{workers}", steps=4)
        run.train(chips, [], 600, _quiet, workers=workers)
        ends.append(run.network.state_dict())
    assert all(torch.equal(v, ends[1][k]) for k, v in ends[0].items())


def test_the_same_settings_begin_the_same(make_run) -> None:
    first, again, other = (make_run(n, seed=s).network.state_dict() for n, s in (("a", 1), ("b", 1), ("c", 2)))
    assert all(torch.equal(v, again[k]) for k, v in first.items())
    assert not torch.equal(first[_weights(first)], other[_weights(first)])


def _weights(tensors: dict[str, torch.Tensor]) -> str:
    return next(k for k, v in tensors.items() if v.ndim == 4)


def _poisoned(part: Pairs) -> Pairs:
    return replace(part, sar=part.sar * float("nan"))


@pytest.mark.parametrize("part", ["coarse", "local"])
def test_a_step_that_is_no_number_is_left_out(make_run, chips, part: str) -> None:
    run = make_run()
    batch = run._recipe(chips).batch(0)
    assert run._learner.step(batch) is not None
    network = {k: v.clone() for k, v in run.network.state_dict().items()}
    average = {k: v.clone() for k, v in run.state.average.items()}
    poisoned = replace(batch, **{part: _poisoned(getattr(batch, part))})
    assert run._learner.step(poisoned) is None
    assert run.state.step == 2
    assert all(torch.equal(v, network[k]) for k, v in run.network.state_dict().items())
    assert all(torch.equal(v, average[k]) for k, v in run.state.average.items())
    figures = run._learner.step(batch)
    assert torch.isfinite(figures[:5]).all()


def test_a_run_that_only_finds_no_numbers_fails(make_run, chips, monkeypatch) -> None:
    monkeypatch.setattr(learning, "MOST_LOST", 3)
    run = make_run()
    run.save()
    poisoned = [replace(chip, weight=float("nan")) for chip in chips]
    with pytest.raises(EngineError, match="no number for 3 steps"):
        run.train(poisoned, [], 600, _quiet)
    run.resume()  # the checkpoint is of before


def test_the_averages_follow_the_weights(make_run, chips) -> None:
    run = make_run(average=0.5)
    run.train(chips, [], 600, _quiet)
    key = _weights(run.network.state_dict())
    now, averaged = run.network.state_dict()[key], run.state.average[key]
    start = make_run("other").network.state_dict()[key]
    assert 0 < (now - averaged).norm() < 0.2 * (now - start).norm()


def test_checks_use_the_averages_and_change_nothing(make_run, chips) -> None:
    run = make_run()
    run._learner.step(run._recipe(chips).batch(0))
    before = {k: v.clone() for k, v in run.network.state_dict().items()}
    checks = run._checks(chips)
    first, again = run.check(checks), run.check(checks)
    assert first == again
    assert all(torch.equal(v, before[k]) for k, v in run.network.state_dict().items())
    run.state.average = {k: torch.zeros_like(v) for k, v in run.state.average.items()}
    assert run.check(checks) != first


def test_what_a_run_leaves_behind(make_run, chips, monkeypatch) -> None:
    monkeypatch.setattr(running, "LOG_EVERY", 10)
    monkeypatch.setattr(running, "CHECK_EVERY", 20)
    lines: list[str] = []
    run = make_run(steps=45)
    run.train(chips, chips, 600, lines.append)
    curves = read_log(run.folder)
    assert curves[TRAINED].steps.tolist() == [10, 20, 30, 40, 45]
    assert curves[HELD_OUT].steps.tolist() == [20, 40, 45]
    assert sum("held out" in line for line in lines) == 3
    assert (run.folder / "curves.png").stat().st_size > 5000
    assert sorted(p.name for p in run.folder.iterdir()) == ["checkpoint.pt", "curves.png", "log.csv"]
    run.train(chips, chips, 600, lines.append)  # nothing is left to do
    assert run.state.step == 45


def test_a_run_saves_now_and_then(make_run, chips, monkeypatch) -> None:
    saved: list[int] = []
    monkeypatch.setattr(Run, "save", lambda self: saved.append(self.state.step))
    make_run(save_every=15).train(chips, [], 600, _quiet)
    assert saved == [15, 30, 40]
    monkeypatch.setattr(running, "SAVE_SECONDS", 0.0)
    saved.clear()
    make_run("slow", steps=3).train(chips, [], 600, _quiet)
    assert saved[:3] == [1, 2, 3]


def test_time_that_is_up_ends_a_run_saved(make_run, chips) -> None:
    run = make_run()
    run.train(chips, [], 0, _quiet)
    assert read(run.checkpoint).step == 0


def test_starting_from_other_weights(make_run, chips) -> None:
    first = make_run(steps=5)
    first.train(chips, [], 600, _quiet)
    second = make_run("second")
    second.start_from(first.checkpoint)
    assert second.state.step == 0
    for key, value in first.state.average.items():
        assert torch.allclose(second.network.state_dict()[key].float(), value.float(), rtol=1e-3, atol=1e-6)


def test_without_text(make_run, chips) -> None:
    run = make_run(text=False, network=replace(NETWORK, text=False), steps=2)
    run.train(chips, [], 600, _quiet)
    assert read_log(run.folder)[TRAINED].figures["text"].tolist() == [pytest.approx(np.nan, nan_ok=True)]
    assert read(run.checkpoint).bank is None


def test_text_takes_part_from_its_step_on(make_run, chips) -> None:
    learner = make_run(text_from=1, text_left_out=0.0)._learner
    assert learner._text_now() is None
    learner.step(make_run()._recipe(chips).batch(0))
    assert learner._text_now() is learner.text is not None


def test_steps_without_text_do_not_count_in_its_mean(make_run, chips) -> None:
    run = make_run(text_left_out=0.5, **ONLY_COARSE)
    recipe = run._recipe(chips)
    rows, taken = [], []
    for step in range(10):
        taken.append(run._learner._text_now() is not None)
        rows.append(run._learner.step(recipe.batch(step)))
    assert 0 < sum(taken) < 10
    losses = [float(row[5]) for row in rows]
    assert [np.isfinite(loss) for loss in losses] == taken
    mean = run.mean(rows)
    assert mean["text"] == pytest.approx(np.mean([loss for loss, told in zip(losses, taken) if told]))
    assert mean["text"] > 0.5
    assert np.isnan(mean["local"])


def test_text_is_left_out_of_its_share_of_the_steps(make_run) -> None:
    learner = make_run(text_left_out=0.25)._learner
    taken = []
    for step in range(1000):
        learner.state.step = step
        taken.append(learner._text_now() is not None)
    assert np.mean(taken) == pytest.approx(0.75, abs=0.05)
    learner.state.step = 17
    assert (learner._text_now() is not None) == taken[17]  # whoever resumes there sees the same


def test_a_bank_of_another_length_is_refused(make_run) -> None:
    with pytest.raises(OptionError, match="length 12"):
        make_run(network=replace(NETWORK, text_dim=16))


def test_no_chips_are_an_error(make_run) -> None:
    with pytest.raises(InputError):
        make_run().train([], [], 600, _quiet)


def test_bfloat16_trains_on_the_processor(make_run, chips) -> None:
    run = make_run(precision="auto")
    assert run._learner.precision is torch.bfloat16
    figures = run._learner.step(run._recipe(chips).batch(0))
    assert torch.isfinite(figures[:5]).all()
    assert all(p.dtype is torch.float32 for p in run.network.parameters())


def test_devices() -> None:
    cpu = torch.device("cpu")
    assert pick("cpu") == cpu
    assert arithmetic(cpu, "float32") is torch.float32
    assert arithmetic(torch.device("mps"), "auto") is torch.float32
    with pytest.raises(EngineError, match="CUDA only"):
        arithmetic(cpu, "float16")
    if not torch.cuda.is_available():
        with pytest.raises(EngineError, match="'cuda'"):
            pick("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["auto", "float16", "float32"])
def test_cuda(chips, bank, tmp_path: Path, precision: str) -> None:
    settings = replace(TINY, precision=precision, steps=30)
    run = Run(settings, tmp_path, torch.device("cuda"), bank)
    run.train(chips, chips, 600, _quiet, workers=2)
    again = Run(settings, tmp_path, torch.device("cuda"), bank)
    again.resume()
    assert again.state.step == 30
