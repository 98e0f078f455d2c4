"""What text is worth to TAR: the same windows with its own words, with other words and with none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sarto.core.contract import SILENT, InputError
from sarto.core.matching.tar.network import TarNetwork
from sarto.core.matching.tar.weights import save_weights
from sarto.core.matching.text.bank import TextBank
from sarto.core.train.chips import Chip
from sarto.core.train.text_worth import SHOWN, text_worth
from sarto.core.train.worth import WORDS

from .conftest import NETWORK

CPU = torch.device("cpu")


def _saved(path: Path, bank: TextBank | None) -> Path:
    torch.manual_seed(0)
    network = TarNetwork(NETWORK)
    save_weights(path, network.state_dict(), NETWORK, bank)
    return path


def test_figures_by_words_and_the_gain_of_right_ones(tmp_path: Path, bank: TextBank, chips: list[Chip]) -> None:
    weights = _saved(tmp_path / "w.safetensors", bank)
    found = text_worth(weights, chips, 3, 0, CPU, SILENT)
    assert found.batches == 3
    assert set(found.mean) == set(WORDS)
    for words in ("wrong", "none"):
        assert set(found.gain[words]) == set(SHOWN)
        for name, (value, low, high) in found.gain[words].items():
            assert value == pytest.approx(found.mean["right"][name] - found.mean[words][name], abs=1e-9)
            assert low <= value + 1e-12
            assert value <= high + 1e-12
        assert abs(found.gain[words]["coarse"][0]) > 1e-6
    assert text_worth(weights, chips, 3, 0, CPU, SILENT) == found


def test_other_words_are_no_gain_where_all_say_the_same(tmp_path: Path, bank: TextBank, chips: list[Chip]) -> None:
    same = TextBank(
        bank.encoder,
        bank.scene_names,
        bank.cover_names,
        bank.scenes[:1].repeat(3, 0),
        bank.scenes[:1].repeat(2, 0),
    )
    found = text_worth(_saved(tmp_path / "w.safetensors", same), chips, 2, 0, CPU, SILENT)
    assert found.gain["wrong"]["coarse"] == pytest.approx((0, 0, 0), abs=1e-5)
    assert abs(found.gain["none"]["coarse"][0]) > 1e-6


def test_a_network_without_text_is_refused(tmp_path: Path, chips: list[Chip]) -> None:
    with pytest.raises(InputError, match="reads no text"):
        text_worth(_saved(tmp_path / "w.safetensors", None), chips, 1, 0, CPU, SILENT)
