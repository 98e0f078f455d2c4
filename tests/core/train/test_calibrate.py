"""The fit of the calibration; what it is fitted to is the matcher's affair."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sarto.core.contract import Cancelled, EngineError, InputError, Reporter
from sarto.core.matching.passes.calibration import Limits
from sarto.core.train import calibrate as calibrating
from sarto.core.train.calibrate import GAIN_MARGIN, SCORE_MARGIN, Shown, calibrate, fit, logistic_fit, robust_fit
from sarto.core.train.export import export, put_calibration


def test_slopes_are_found_again() -> None:
    random = np.random.default_rng(0)
    table = random.normal(size=(20_000, 2)) * (1.0, 10.0) + (3.0, -5.0)
    odds = 1.5 * table[:, 0] - 0.2 * table[:, 1] - 5
    label = random.random(len(odds)) < 1 / (1 + np.exp(-odds))
    slopes, offset = logistic_fit(table, label, np.ones(len(odds)))
    assert slopes == pytest.approx((1.5, -0.2), rel=0.1)
    assert offset == pytest.approx(-5, rel=0.1)


def test_a_few_wrong_labels_do_not_flatten_the_fit() -> None:
    random = np.random.default_rng(0)
    label = np.arange(400) % 2 == 0
    table = (np.where(label, 2.0, -2.0) + random.normal(size=400))[:, None]
    weight = np.where(label, 1.0, 3.0)
    doubtful = np.zeros(400, dtype=np.bool_)
    clean, clean_offset = robust_fit(table, label, weight, doubtful)
    wrong = np.argsort(table[:, 0])[-4:]
    label[wrong] = False
    weight = np.where(label, 1.0, 3.0)
    flattened, flattened_offset = logistic_fit(table, label, weight)
    found, offset = robust_fit(table, label, weight, doubtful)
    assert (found[0], offset) == pytest.approx((clean[0], clean_offset), rel=0.05)
    assert flattened[0] < 0.7 * clean[0]
    certain = doubtful.copy()
    certain[wrong] = True  # images of different places: what looks sure there is what must not be believed
    warned, warned_offset = robust_fit(table, label, weight, certain)
    looks = table[wrong, 0]
    assert (looks * warned[0] + warned_offset < looks * found[0] + offset - 1).all()
    assert (looks * warned[0] + warned_offset).max() < (looks * flattened[0] + flattened_offset).max() + 0.5


def _shown(count: int = 200) -> list[Shown]:
    random = np.random.default_rng(1)
    found = []
    for k in range(count):
        real = k % 2 == 0
        evidence = {"score": float(random.normal(2.0 if real else -2.0))}
        value = random.normal(size=20)
        most = Limits(0.001 * k, 1.0 + 0.001 * k)
        found.append(Shown(evidence, real, {"value": value}, (value > 0) & real, most))
    return found


def test_both_models_are_fitted() -> None:
    calibration, record = fit(_shown())
    assert record["registrations"] == 200
    assert record["real and believed"] > 85
    assert record["not real and believed"] < 5
    assert calibration.log_odds({"score": 3.0}) > 2 > -2 > calibration.log_odds({"score": -3.0})
    sure = calibration.tie_confidence({"value": np.array([-2.0, 2.0])}, 5.0)
    assert sure[0] < 0.3 < 0.7 < sure[1]


@pytest.fixture
def weights(make_run, tmp_path: Path) -> Path:
    run = make_run()
    run.save()
    export(run.checkpoint, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


class _Pool:
    """In place of processes."""

    def __init__(self, *_: object) -> None:
        self.answers: list[Shown] = []

    def map(self, _work: object, jobs: list[object], chunksize: int) -> list[Shown]:
        return _shown(len(jobs))

    def shutdown(self, cancel_futures: bool) -> None:
        assert cancel_futures


def test_progress_and_cancel(weights: Path, manifest: Path, monkeypatch) -> None:
    monkeypatch.setattr(calibrating, "ProcessPoolExecutor", _Pool)
    seen: list[float] = []
    calibration, record = calibrate(weights, manifest, 4, 0, 1, Reporter(lambda stage, share: seen.append(share)))
    assert (record["registrations"], len(seen), seen[-1]) == (8, 4 + 8, 1.0)
    assert calibration.limits.score == pytest.approx(SCORE_MARGIN * 0.003, rel=1e-2)
    assert calibration.limits.gain == pytest.approx(GAIN_MARGIN * 1.003, rel=1e-3)
    assert put_calibration(weights, calibration, record)["calibration"] == record
    with pytest.raises(Cancelled):
        calibrate(weights, manifest, 4, 0, 1, Reporter(is_cancelled=lambda: True))


def test_answers_that_teach_nothing(weights: Path, manifest: Path, monkeypatch) -> None:
    only = Shown({"score": 1.0}, True, {"value": np.zeros(2)}, np.ones(2, np.bool_))
    monkeypatch.setattr(calibrating, "ProcessPoolExecutor", _Pool)
    monkeypatch.setattr(_Pool, "map", lambda *_, **__: [only] * 8)
    with pytest.raises(InputError, match="no right or no wrong"):
        calibrate(weights, manifest, 4, 0, 1)


def test_weights_are_read_first(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError):
        calibrate(tmp_path / "none.safetensors", manifest, 4, 0, 1)
