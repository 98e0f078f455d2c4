"""Alignments: shifts are measured with the right sign, and nothing is believed without evidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sarto.core.contract import MatchResult, OptionError, TiePoints
from sarto.core.geometry import affine
from sarto.core.train.align import align, judge
from sarto.core.train.chips import Listed, list_pairs, read_chips

from .conftest import texture, write_manifest


def _result(transform: np.ndarray, evidence: float = 0.9, count: int = 60, tried: int = 100) -> MatchResult:
    places = np.random.default_rng(0).uniform(0, 255, (count, 2))
    ties = TiePoints(places, affine.apply(transform, places), np.ones(count), np.zeros(count))
    return MatchResult(ties, np.ones(count, np.bool_), transform, evidence, tried)


@pytest.fixture
def listed(manifest: Path) -> Listed:
    return replace(list_pairs(manifest)[0], offset=(7.0, 0.0))


def test_the_offset_moves_the_sar_chip_back(listed: Listed) -> None:
    found = judge(listed, _result(affine.similarity(0, 1, (0, 0), (3, -2))), (256, 256))
    assert (found.offset, found.weight) == ((-3.0, 2.0), 1.0)


def test_what_is_no_shift_is_believed_less(listed: Listed) -> None:
    middle = (127.5, 127.5)
    weights = [
        judge(listed, _result(affine.similarity(turn, 1, middle)), (256, 256)).weight for turn in (0.2, 1, 3)
    ]
    assert weights == [1.0, 0.6, 0.25]


@pytest.mark.parametrize(
    "result",
    [
        None,
        _result(np.eye(2, 3), evidence=0.4),
        _result(np.eye(2, 3), count=15),
        _result(np.eye(2, 3), count=30, tried=300),
        _result(affine.similarity(0, 1, (0, 0), (14, 0))),
    ],
)
def test_without_evidence_the_manifests_word_counts_for_little(listed: Listed, result: MatchResult | None) -> None:
    assert (judge(listed, result, (256, 256)).offset, judge(listed, result, (256, 256)).weight) == (
        (7.0, 0.0),
        0.25,
    )
    misaligned = replace(listed, weight=0.0)
    assert judge(misaligned, result, (256, 256)).weight == 0


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_structural_finds_the_shift(tmp_path: Path, jobs: int) -> None:
    wide = texture(0, (200, 200))
    rows = [
        {"optical": wide[20:180, 20:180], "sar": wide[24:184, 17:177]},
        {"optical": texture(1), "sar": texture(2)},
    ]
    path = write_manifest(tmp_path, rows)
    first, second = align(list_pairs(path, least_weight=0.0), "structural", None, jobs)
    # What the optical chip shows at (x, y), the SAR chip shows at (x + 3, y - 4).
    assert first.offset == pytest.approx((-3, 4), abs=0.5)
    assert first.weight >= 0.6
    assert (second.offset, second.weight) == ((0, 0), 0.25)
    assert len(read_chips(path)) == 2


def test_weights_belong_to_a_method(listed: Listed) -> None:
    with pytest.raises(OptionError, match="takes no weights"):
        list(align([listed], "structural", Path("w.safetensors")))
    for jobs in (1, 2):
        with pytest.raises(OptionError, match="not known"):
            list(align([listed], "magic", None, jobs))
