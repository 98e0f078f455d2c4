from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sarto.core.bench.calibrate import read_reliability, reliability
from sarto.core.bench.manifest import read_manifest
from sarto.core.bench.runner import BenchOptions, run_bench
from sarto.core.contract import InputError

from .conftest import WriteManifest
from .fakes import Fixed, making


def test_honest_probabilities_have_no_error() -> None:
    rng = np.random.default_rng(0)
    stated = rng.uniform(0, 1, 50_000)
    table = reliability("t", stated, rng.uniform(0, 1, 50_000) < stated)
    assert len(table.bins) == 10
    assert table.ece < 0.01
    assert sum(b.count for b in table.bins) == table.count == 50_000


def test_expected_calibration_error_by_hand() -> None:
    stated = np.array([0.85, 0.85, 0.85, 0.85, 0.15, 1.0, np.nan])
    right = np.array([True, True, False, False, False, True, True])
    table = reliability("t", stated, right)
    assert [(b.low, b.count, b.right) for b in table.bins] == [(0.1, 1, 0.0), (0.8, 4, 0.5), (0.9, 1, 1.0)]
    assert table.ece == pytest.approx((1 * 0.15 + 4 * 0.35 + 1 * 0.0) / 6)


def test_finished_benches_are_read_together(write_manifest: WriteManifest, tmp_path: Path) -> None:
    manifest = read_manifest(write_manifest(4, truth=["", "", "", "1 0 9 0 1 0"]))
    for protocol in ("none", "shuffled"):
        options = BenchOptions("fixed", protocol, tmp_path / protocol, ties=True)
        run_bench(manifest, options, make_method=making(Fixed()))
    report = read_reliability([tmp_path / "none", tmp_path / "shuffled"])
    all_ties, kept, evidence = report.tables
    assert (all_ties.count, kept.count, evidence.count) == (8 * 12, 8 * 9, 8)
    (only,) = evidence.bins
    assert (only.stated, only.right) == (pytest.approx(0.75), 3 / 8)  # three of four, and none of the shuffled
    assert kept.bins[-1].right == pytest.approx(3 / 8)
    assert "expected calibration error" in report.text()
    assert report.to_json()["tables"][2]["count"] == 8


def test_a_folder_without_a_bench(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not hold a finished bench"):
        read_reliability([tmp_path])
