"""What prompts are worth: the same windows with right, wrong and no classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sarto.core.contract import SILENT, InputError
from sarto.core.matching.land_use import CLASSES
from sarto.core.matching.promptmid.weights import save_weights
from sarto.core.train.batches import Recipe, Size
from sarto.core.train.chips import Chip
from sarto.core.train.prompt_worth import prompt_worth, told
from sarto.core.train.worth import WORDS

from .conftest import make_chip
from .promptmid_parts import NETWORK, tiny_network

CPU = torch.device("cpu")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Of a network that hears its prompts: newly made ones are deaf."""
    network = tiny_network()
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith(("text_out.weight", "second.weight")) or name.startswith("diffusion.last.2"):
                weight.normal_(0, 0.5)
    save_weights(tmp_path / "w.safetensors", network.state_dict(), NETWORK)
    return tmp_path / "w.safetensors"


def test_prompts_differ_in_nothing_else(chips: list[Chip]) -> None:
    known = [chip for chip in chips if chip.label.land_use]
    batch = Recipe(known, None, Size(2, 64), Size(2, 64), 0, False, Size(2, 64)).batch(0)
    for name, part in vars(batch).items():
        right, wrong, none = (vars(told(batch, prompt))[name] for prompt in WORDS)
        assert torch.equal(right.land_use, part.land_use)
        assert right.land_use.sum(1).min() >= 1
        assert torch.equal(wrong.land_use + right.land_use, torch.ones(2, len(CLASSES)))
        assert none.land_use.sum() == 0
        for other in (wrong, none):
            assert all(
                torch.equal(v, vars(part)[k]) or k == "land_use" for k, v in vars(other).items() if v.numel()
            )


def test_figures_by_prompt_and_the_gain_of_right_ones(weights: Path, chips: list[Chip]) -> None:
    found = prompt_worth(weights, chips, 3, 0, CPU, SILENT)
    assert found.batches == 3
    assert set(found.mean) == set(WORDS)
    assert found.mean["right"].keys() == {"descriptors", "descriptors right", "local", "local right", "painting"}
    for prompt in ("wrong", "none"):
        for name, (value, low, high) in found.gain[prompt].items():
            assert value == pytest.approx(found.mean["right"][name] - found.mean[prompt][name], abs=1e-9)
            assert low <= value + 1e-12
            assert value <= high + 1e-12
        assert abs(found.gain[prompt]["painting"][0]) > 1e-7
    again = prompt_worth(weights, chips, 3, 0, CPU, SILENT)
    assert again == found


def test_pairs_of_which_nothing_is_known_are_refused(weights: Path) -> None:
    with pytest.raises(InputError, match="what the land is used for"):
        prompt_worth(weights, [make_chip(0)], 2, 0, CPU, SILENT)
