from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from sarto.core.bench.control import chance, speckle_like
from sarto.core.bench.manifest import read_manifest
from sarto.core.bench.methods import Answer, Method, MethodOptions, open_method
from sarto.core.bench.protocols import Sample
from sarto.core.bench.results import binomial_tail, is_at_chance
from sarto.core.bench.runner import BenchOptions, run_bench
from sarto.core.contract import Reporter, SearchRange, TiePoints

from .conftest import WriteManifest
from .fakes import making
from .scene import landscape


def test_speckle_has_the_statistics_of_the_image_and_no_structure() -> None:
    sar = landscape(0, 256, 6.0)
    speckle = speckle_like(sar, "p", 0)
    assert speckle.shape == sar.shape
    assert speckle.dtype == np.uint8
    assert speckle.min() >= 1
    assert speckle.mean() == pytest.approx(sar.mean(), rel=0.02)
    assert speckle.std() == pytest.approx(sar.std(), rel=0.05)
    assert abs(np.corrcoef(speckle.ravel(), sar.ravel())[0, 1]) < 0.02
    neighbours = np.corrcoef(speckle[:, 1:].ravel(), speckle[:, :-1].ravel())[0, 1]
    assert abs(neighbours) < 0.02
    assert np.array_equal(speckle, speckle_like(sar, "p", 0))
    assert not np.array_equal(speckle, speckle_like(sar, "q", 0))


def test_speckle_of_a_uniform_chip() -> None:
    flat = np.full((8, 8), 7, dtype=np.uint8)
    assert np.array_equal(speckle_like(flat, "p", 0), flat)


def test_chance_of_a_shift_has_a_closed_form() -> None:
    """Under `georef` the middle of the range is right within 5 px where the shift falls into a disc."""
    level = chance("georef", (192, 192), draws=20_000)
    assert level is not None
    limit = 0.09 * 192
    disc = np.pi * 5**2 / (2 * limit) ** 2  # rotation and scale only take away from it
    assert 0.6 * disc < level.constant["cmr5"] < disc
    assert level.random["cmr5"] < level.constant["cmr5"]
    assert level.random["cmr1"] <= level.random["cmr3"] <= level.random["cmr5"]


def test_chance_has_no_meaning_without_a_range_of_truths() -> None:
    assert chance("none", (64, 64)) is None
    assert chance("shuffled", (64, 64)) is None


def test_binomial_tail() -> None:
    assert binomial_tail(0, 12, 0.015) == pytest.approx(1.0)
    assert binomial_tail(1, 12, 0.015) == pytest.approx(1 - 0.985**12)
    assert binomial_tail(12, 12, 0.5) == pytest.approx(0.5**12)
    assert binomial_tail(30, 1000, 0.015) < 1e-3
    assert binomial_tail(150, 2907, 0.05) == pytest.approx(0.35, abs=0.02)  # normal approximation: z = 0.35 … 0.4


class Frame:
    """Looks at nothing but the mean of the borders: the kind of method that a tell-tale frame would help.

    It also correlates the two images, so that without the control it does find shifts.
    """

    name = "frame"

    def register(self, sample: Sample, search: SearchRange, reporter: Reporter) -> Answer:
        a, b = sample.optical.astype(np.float32), sample.sar.astype(np.float32)
        shift, _ = cv2.phaseCorrelate(
            a - a.mean(), b - b.mean(), cv2.createHanningWindow(a.shape[::-1], cv2.CV_32F)
        )
        return Answer(np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]]), TiePoints())


def _bench(write: WriteManifest, out: Path, method: Method, control: bool, count: int = 40):  # type: ignore[no-untyped-def]
    manifest = read_manifest(write(count))
    options = BenchOptions("any", "georef", out, consistency=False, control=control)
    return run_bench(manifest, options, make_method=making(method))


def test_control_is_at_chance_where_the_images_are_not(write_manifest: WriteManifest, tmp_path: Path) -> None:
    real = _bench(write_manifest, tmp_path / "real", Frame(), control=False)
    control = _bench(write_manifest, tmp_path / "control", Frame(), control=True)
    assert real.chance is not None
    assert not is_at_chance(real.chance, real.groups["all"])
    assert is_at_chance(control.chance, control.groups["all"])
    assert "not above chance" in control.text()
    assert control.images != real.images


def test_the_control_notices_a_leak(write_manifest: WriteManifest, tmp_path: Path) -> None:
    """A method that knows the truth stands for images that give it away."""
    from sarto.core.bench.samples import SampleStore

    manifest = read_manifest(write_manifest(40))
    store = SampleStore(tmp_path / "samples", manifest, "georef", 0, control=True)
    truths = {store.get(p).optical.tobytes(): store.get(p).truth for p in manifest.pairs}

    class Leak(Frame):
        def register(self, sample: Sample, search: SearchRange, reporter: Reporter) -> Answer:
            return Answer(truths[sample.optical.tobytes()])

    result = _bench(write_manifest, tmp_path, Leak(), control=True)
    assert "ABOVE CHANCE" in result.text()


@pytest.mark.slow
def test_structural_is_at_chance_on_the_control(write_manifest: WriteManifest, tmp_path: Path) -> None:
    method = open_method("structural", MethodOptions())
    control = _bench(write_manifest, tmp_path / "control", method, control=True, count=12)
    assert control.groups["all"].failed == 0
    assert is_at_chance(control.chance, control.groups["all"])
    wrongly = control.groups["all"].wrongly_trusted
    assert wrongly is not None
    assert wrongly.value == 0
