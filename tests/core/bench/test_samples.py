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


def test_colours_are_cut_and_kept_with_the_rest(tmp_path: Path) -> None:
    colours = np.stack([landscape(seed, SIDE) for seed in range(3)], axis=2)
    cv2.imwrite(str(tmp_path / "o.png"), colours)
    cv2.imwrite(str(tmp_path / "s.png"), landscape(4, SIDE))
    cv2.imwrite(str(tmp_path / "g.png"), np.repeat(colours[:, :, :1], 3, axis=2))
    (tmp_path / "m.csv").write_text("pair_id,optical,sar\nc,o.png,s.png\ng,g.png,s.png\n")
    manifest = read_manifest(tmp_path / "m.csv")
    for protocol in ("georef", "shuffled", "none"):
        store = SampleStore(tmp_path / "kept", manifest, protocol, 0)
        fresh, kept = (store.get(manifest.pairs[0]) for _ in range(2))
        assert fresh.bands is not None
        np.testing.assert_array_equal(fresh.bands, kept.bands)
        x, y = fresh.origin
        rows, columns = fresh.optical.shape
        window = np.maximum(colours[y : y + rows, x : x + columns], 1).transpose(2, 0, 1)
        np.testing.assert_array_equal(fresh.bands, window)
        assert np.abs(fresh.bands.mean(axis=0) - fresh.optical).max() <= 1
        assert store.get(manifest.pairs[1]).bands is None
    digest = store.digest(manifest.pairs)
    cv2.imwrite(str(next(store.folder.rglob("bands.png"))), colours[:40])
    np.testing.assert_array_equal(store.get(manifest.pairs[0]).bands, fresh.bands)
    assert store.digest(manifest.pairs) == digest
