"""Checkpoints: small, whole or not there, and refused where they are something else."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from sarto.core.contract import InputError, OutputError
from sarto.core.matching.tar.config import TarConfig
from sarto.core.matching.tar.weights import save_weights
from sarto.core.matching.text.bank import TextBank
from sarto.core.train.checkpoint import read
from sarto.core.train.tar import Run
from sarto.core.train.tar_config import TarTraining
from sarto.core.train.tar_step import TarLearner

from ..matching.tensors import pairs
from .conftest import NETWORK, TINY


def test_the_default_network_takes_less_than_16_mib(tmp_path: Path) -> None:
    """With the optimiser's moments and a text bank of the shipped size."""
    random = torch.Generator().manual_seed(0)

    def features(count: int):
        values = torch.nn.functional.normalize(torch.randn(count, 2, 384, generator=random), dim=-1)
        return values.half().float().numpy()

    names = tuple(f"scene {k}" for k in range(64))
    bank = TextBank("made", names, names[:16], features(64), features(16))
    run = Run(TarTraining(), tmp_path, torch.device("cpu"), bank)
    for parameter in run.network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    run.state.optimiser.step()
    run.save()
    assert 12 < run.checkpoint.stat().st_size / 2**20 < 16
    assert read(run.checkpoint).bank.digest == bank.digest


def test_there_and_back(make_run, chips) -> None:
    run = make_run(steps=12)
    run.train(chips, chips[:1], 60, lambda line: None)
    again = make_run()
    again.resume()
    assert again.state.step == run.state.step == 12
    assert vars(again.state.facts) == vars(run.state.facts)
    assert again.state.facts.sets == {"made": 4}
    assert again.state.facts.held_out == {"made": 1}
    assert again.state.facts.seconds > 0
    assert again.state.facts.figures["step"] == 12
    for key, value in run.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[key])
    for key, value in run.state.average.items():
        assert torch.allclose(value.float(), again.state.average[key].float(), rtol=1e-3, atol=1e-6)
    first, second = (r.state.optimiser.state_dict()["state"] for r in (run, again))
    for index, values in first.items():
        assert torch.allclose(values["exp_avg"], second[index]["exp_avg"], rtol=1e-2, atol=1e-9)
        assert values["step"] == second[index]["step"]


def test_checkpoints_of_before_are_read(make_run) -> None:
    """Without notes and text bank, as the first ones were written."""
    run = make_run()
    run.save()
    content = torch.load(run.checkpoint, weights_only=True)
    old = {key: value for key, value in content.items() if key not in ("facts", "text")}
    torch.save(old, run.checkpoint)
    again = make_run()
    again.resume()
    assert read(run.checkpoint).bank is None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_refused(make_run, share: float) -> None:
    run = make_run()
    run.save()
    content = run.checkpoint.read_bytes()
    run.checkpoint.write_bytes(content[: int(share * len(content))])
    before = {k: v.clone() for k, v in run.network.state_dict().items()}
    with pytest.raises(InputError, match=r"checkpoint\.pt"):
        run.resume()
    assert all(torch.equal(v, before[k]) for k, v in run.network.state_dict().items())


class _Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_malicious_file_is_refused_before_it_runs(make_run, tmp_path: Path) -> None:
    run = make_run()
    run.save()
    content = torch.load(run.checkpoint, weights_only=True)
    content["settings"]["bomb"] = _Bomb(tmp_path / "harm")
    torch.save(content, run.checkpoint)
    with pytest.raises(InputError, match="more than tensors"):
        run.resume()
    run.checkpoint.write_bytes(pickle.dumps(_Bomb(tmp_path / "harm")))
    with pytest.raises(InputError):
        run.resume()
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("network", "field"),
    [
        (replace(NETWORK, stem=8), "stem"),
        (replace(NETWORK, heads=4), "heads"),
        (replace(NETWORK, blocks=(0, 1, 0)), "blocks"),
        (replace(NETWORK, local=(4, 8, 8)), "local"),
        (replace(NETWORK, dilations=(2,)), "dilations"),
        (replace(NETWORK, dilations=(1, 1)), "dilations"),
        (replace(NETWORK, weighing=True), "weighing"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(make_run, network: TarConfig, field: str) -> None:
    run = make_run()
    run.save()
    with pytest.raises(InputError, match=f"'{field}'"):
        make_run(network=network).resume()
    if network.dilations != (*NETWORK.dilations, 1) and not network.weighing:  # see the next tests
        with pytest.raises(InputError, match=f"'{field}'"):
            make_run("other", network=network).start_from(run.checkpoint)


@pytest.fixture(params=["checkpoint", "weights"])
def begun(request, make_run, chips, bank, tmp_path: Path) -> Path:
    """What a short run has left: its checkpoint, or a file of weights."""
    run = make_run(steps=2)
    run.train(chips, [], 60, lambda line: None)
    if request.param == "checkpoint":
        return run.checkpoint
    path = tmp_path / "some.safetensors"
    save_weights(path, run.state.average, NETWORK, bank)
    return path


def test_the_low_level_branch_may_begin_to_weigh_edges(make_run, begun: Path, chips) -> None:
    """At first all count alike; then it learns to tell them apart, and no longer does without."""
    plain, weighing = make_run("plain"), make_run("weighing", network=replace(NETWORK, weighing=True), steps=3)
    for run in (plain, weighing):
        run.start_from(begun)
    with torch.no_grad():
        (seen, _), (again, _) = (run.network.train().local(pairs(2, 32, 32)) for run in (plain, weighing))
    assert torch.allclose(seen, again, atol=1e-6)
    weighing.train(chips, [], 60, lambda line: None)
    assert weighing.network.local.weigher.weight.abs().max() > 0
    with pytest.raises(InputError, match="'weighing'"):
        make_run("back").start_from(weighing.checkpoint)


def test_the_low_level_branch_may_grow_at_its_end(make_run, begun: Path, chips) -> None:
    """The new blocks change nothing at first, and learn; what grew is not cut off again."""
    more = {"network": replace(NETWORK, dilations=(*NETWORK.dilations, 2, 1)), "steps": 3}
    plain, grown = make_run("plain"), make_run("grown", **more)
    for run in (plain, grown):
        run.start_from(begun)
    with torch.no_grad():
        (seen, _), (again, _) = (run.network.eval().local(pairs(1, 32, 32)) for run in (plain, grown))
    assert torch.equal(seen, again)
    grown.train(chips, [], 60, lambda line: None)
    blocks = list(grown.network.local.trunk)[-2:]
    assert all(block.body[-1].weight.abs().max() > 0 for block in blocks)
    with pytest.raises(InputError, match="'dilations'"):
        make_run("back").start_from(grown.checkpoint)


def test_a_checkpoint_of_another_bank_is_refused(make_run, bank, tmp_path: Path) -> None:
    run = make_run()
    run.save()
    other = Run(TINY, tmp_path / "run", torch.device("cpu"), bank.shuffled(1))
    with pytest.raises(InputError, match="text bank"):
        other.resume()
    other.resume(moments=False)
    other.start_from(run.checkpoint)


@pytest.mark.parametrize("part", ["network", "average"])
def test_weights_that_are_no_numbers_are_refused(make_run, part: str) -> None:
    run = make_run()
    run.save()
    content = torch.load(run.checkpoint, weights_only=True)
    content[part]["sharpness"] = torch.tensor(float("nan"))
    torch.save(content, run.checkpoint)
    with pytest.raises(InputError, match="not numbers"):
        run.resume()


def test_damaged_contents_are_refused(make_run) -> None:
    run = make_run()
    for change in ({"step": "many"}, {"moments": [1]}, {"average": 3}, {"facts": {"odd": 1}}, {"text": {}}):
        run.save()
        torch.save({**torch.load(run.checkpoint, weights_only=True), **change}, run.checkpoint)
        with pytest.raises(InputError):
            run.resume()


def test_a_folder_that_cannot_be_written(make_run, tmp_path: Path) -> None:
    run = make_run()
    run.save()
    run.folder = tmp_path / "run" / "checkpoint.pt"  # a file
    with pytest.raises(OutputError, match="could not be written"):
        run.save()
    assert read(tmp_path / "run" / "checkpoint.pt").step == 0


def _save_for_ever(run: Run) -> None:
    while True:
        run.state.step += 1
        for value in run.network.parameters():
            value.data.fill_(run.state.step)
        run.save()


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_a_killed_process_leaves_a_whole_checkpoint(make_run) -> None:
    """It does nothing but write checkpoints, so that it is killed in the middle of one."""
    run = make_run()
    run.save()
    last = 0
    for wait in np.linspace(0.02, 0.1, 8):
        process = get_context("fork").Process(target=_save_for_ever, args=(run,))
        process.start()
        until = time.monotonic() + 60
        while read(run.checkpoint).step <= last and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(wait)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        found = read(run.checkpoint)
        assert found.step > last
        weights = [v for k, v in found.network.items() if k in dict(run.network.named_parameters())]
        assert all(bool((v == found.step).all()) for v in weights)
        last = found.step
        run.state.step = last


def test_the_network_is_as_the_settings_say() -> None:
    learner = TarLearner(TINY, torch.device("cpu"), None)
    assert learner.network.config == NETWORK
