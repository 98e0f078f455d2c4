"""Published alignments that methods contradict, from results that the bench itself has written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sarto.cli import main
from sarto.core.bench.doubts import SAME_PX, Voice, misses, voices
from sarto.core.bench.finished import Finished, read_finished
from sarto.core.bench.manifest import read_manifest
from sarto.core.bench.methods import Answer
from sarto.core.bench.protocols import Sample
from sarto.core.bench.runner import BenchOptions, run_bench
from sarto.core.contract import NoMatchError, Reporter, SearchRange
from sarto.core.geometry import affine

from .conftest import WriteManifest
from .fakes import Fixed, making

PROTOCOLS = ("georef", "promptmid", "tar")
Off = Callable[[Sample], "tuple[float, float] | None"]
"""Pixels of the SAR chip by which an answer to a sample differs from what is published; None: no answer."""


class Knowing(Fixed):
    """Answers the published place but for what it is told to be off."""

    def __init__(self, off: Off) -> None:
        super().__init__()
        self.off = off

    def register(self, sample: Sample, search: SearchRange, reporter: Reporter) -> Answer:
        off = self.off(sample)
        if off is None:
            raise NoMatchError("Nothing fits.")
        moved = affine.compose(np.column_stack([np.eye(2), off]), sample.to_chip)
        self.affine = affine.compose(affine.invert(sample.to_chip), affine.compose(moved, sample.truth))
        return super().register(sample, search, reporter)


@pytest.fixture
def benched(write_manifest: WriteManifest, tmp_path: Path) -> Callable[..., tuple[list[Voice], list[Finished]]]:
    """What methods, by their names, say together, on three tight pairs."""
    path = write_manifest(3, tight=["1", "1", "1"])

    def run(**methods: Off) -> tuple[list[Voice], list[Finished]]:
        manifest, out = read_manifest(path), tmp_path / "out"
        for name, off in methods.items():
            for protocol in PROTOCOLS:
                options = BenchOptions(
                    name, protocol, out / name / protocol, samples=out / "samples", consistency=False
                )
                run_bench(manifest, options, make_method=making(Knowing(off)))
        runs = read_finished([out])
        return voices(manifest, runs), runs

    return run


def of_first(x: float, y: float) -> Off:
    """Off on the first pair only."""
    return lambda sample: (x, y) if sample.pair_id == "place0/a" else (0.0, 0.0)


def test_an_answer_that_all_windows_and_methods_give_puts_what_is_published_in_doubt(benched) -> None:
    found, runs = benched(one=of_first(4, -3), two=of_first(4.4, -3))
    assert [voice.doubts for voice in found] == [True, False, False]
    first = found[0]
    assert first.away == pytest.approx((4.2, -3), abs=1e-3)
    assert first.distance == pytest.approx(np.hypot(4.2, 3), abs=1e-3)
    assert first.spread == pytest.approx(0.2, abs=1e-3)
    assert (len(first.same), len(first.answers), first.methods) == (6, 6, ("one", "two"))
    assert [(m.tight, m.missed, m.doubted) for m in misses(found, runs)] == [(3, 1, 1)] * 6


def test_answers_that_differ_from_window_to_window_put_nothing_in_doubt(benched) -> None:
    def other(sample: Sample) -> tuple[float, float]:
        random = np.random.default_rng(int(1e6 * np.abs(sample.to_chip).sum()))
        x, y = random.uniform(-20 * SAME_PX, 20 * SAME_PX, 2)
        return float(x), float(y)

    found, _ = benched(one=other, two=lambda sample: (other(sample)[1], 0.0))
    assert not any(voice.is_one or voice.doubts for voice in found)


def test_one_method_alone_puts_nothing_in_doubt(benched) -> None:
    found, _ = benched(one=of_first(4, -3), two=lambda sample: None)
    assert not any(voice.doubts for voice in found)


@pytest.mark.parametrize("second", [(0.0, 0.0), None])
def test_half_of_the_answers_do_not_put_anything_in_doubt(benched, second: tuple[float, float] | None) -> None:
    """Nor do failures count as agreement."""
    found, _ = benched(
        one=of_first(4, -3), two=of_first(4, -3), three=lambda sample: second, four=lambda sample: second
    )
    assert not any(voice.doubts for voice in found)


def test_misses_of_another_kind_are_told_apart(benched) -> None:
    found, runs = benched(one=of_first(4, -3), two=of_first(4, -3), three=of_first(-4, 3))
    assert found[0].doubts  # six of nine
    counted = {m.run.method: (m.missed, m.doubted) for m in misses(found, runs)}
    assert counted == {"one": (1, 1), "two": (1, 1), "three": (1, 0)}


def test_the_command(benched, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    benched(one=of_first(4, -3), two=of_first(4, -3))
    words = ["bench-doubts", str(tmp_path / "data" / "pairs.csv"), str(tmp_path / "out")]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "3 tight pairs; most answers are the same on 3, and not as published on 1." in said
    assert "| `place0/a` | 6 of 6 | `one`, `two` | 0.0 | 5.0 | +4.0, -3.0 |" in said
    assert "| `one` | `tar` | 3 | 1 | 1 |" in said
    assert main([*words, "--json"]) == 0
    assert [told["doubts"] for told in json.loads(capsys.readouterr().out)] == [True, False, False]


def test_benches_of_other_pairs_are_refused(benched, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    benched(one=of_first(4, -3))
    other = tmp_path / "data" / "other.csv"
    other.write_text((tmp_path / "data" / "pairs.csv").read_text().replace("place0", "place9"))
    assert main(["bench-doubts", str(other), str(tmp_path / "out")]) == 3
    assert "other.csv" in capsys.readouterr().err
