from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from sarto.core.bench.manifest import read_manifest
from sarto.core.bench.samples import SampleStore

from .conftest import SIDE, WriteManifest
from .scene import landscape


def test_kept_samples_are_what_was_cut(write_manifest: WriteManifest, tmp_path: Path) -> None:
    manifest = read_manifest(write_manifest(2))
    store = SampleStore(tmp_path, manifest, "tar", 3)
    for pair in manifest.pairs:
        fresh, kept = store.get(pair), store.get(pair)
        np.testing.assert_array_equal(fresh.optical, kept.optical)
        np.testing.assert_array_equal(fresh.sar, kept.sar)
        np.testing.assert_array_equal(fresh.truth, kept.truth)  # type: ignore[arg-type]
        np.testing.assert_array_equal(fresh.to_chip, kept.to_chip)
        assert fresh.origin == kept.origin
    assert len(list(tmp_path.glob("tar-3/*/*/optical.png"))) == 2


def test_kept_samples_are_not_cut_again(write_manifest: WriteManifest, tmp_path: Path) -> None:
    manifest = read_manifest(write_manifest(1))
    store = SampleStore(tmp_path, manifest, "tar", 0)
    store.get(manifest.pairs[0])
    image = next(tmp_path.rglob("sar.png"))
    before = image.stat().st_mtime_ns
    SampleStore(tmp_path, manifest, "tar", 0).get(manifest.pairs[0])
    assert image.stat().st_mtime_ns == before


def test_damaged_and_stale_samples_are_cut_again(write_manifest: WriteManifest, tmp_path: Path) -> None:
    manifest = read_manifest(write_manifest(1))
    (pair,) = manifest.pairs
    store = SampleStore(tmp_path, manifest, "tar", 0)
    first, digest = store.get(pair), store.digest([pair])
    cv2.imwrite(str(next(tmp_path.rglob("sar.png"))), landscape(99, 72))
    np.testing.assert_array_equal(store.get(pair).sar, first.sar)
    assert store.digest([pair]) == digest
    cv2.imwrite(str(pair.sar), landscape(55, SIDE, 2.0))  # the chip itself changed
    assert not np.array_equal(store.get(pair).sar, first.sar)
    assert store.digest([pair]) != digest


def test_names_that_only_differ_in_odd_characters(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "i.png"), landscape(0, 64))
    (tmp_path / "m.csv").write_text("pair_id,optical,sar\n../a,i.png,i.png\n..:a,i.png,i.png\n.. a,i.png,i.png\n")
    manifest = read_manifest(tmp_path / "m.csv")
    store = SampleStore(tmp_path / "s", manifest, "tar", 0)
    truths = [store.get(pair).truth for pair in manifest.pairs]
    again = [store.get(pair).truth for pair in manifest.pairs]
    np.testing.assert_array_equal(truths, again)  # type: ignore[arg-type]
    assert len(list(store.folder.iterdir())) == 3
    assert not list(tmp_path.glob("*.png"))[1:]
