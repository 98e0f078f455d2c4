from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sarto.core.bench.manifest import Manifest, Pair, read_manifest
from sarto.core.bench.samples import SampleStore
from sarto.core.bench.shuffle import partners
from sarto.core.contract import InputError

from .conftest import WriteManifest


def manifest_of(rows: list[tuple[str, str, str]]) -> Manifest:
    """Rows of (pair_id, set, region)."""
    pairs = [Pair(i, Path("o"), Path("s"), np.eye(2, 3), s, None, {"region": r} if r else {}) for i, s, r in rows]
    return Manifest(Path("m.csv"), tuple(pairs), "digest")


def test_everyone_gets_another_place_and_each_image_is_used_once() -> None:
    rows = [(f"t{i}", "s", f"region{i % 3}") for i in range(30)] + [
        (f"u{i}", "v", f"land{i % 4}") for i in range(9)
    ]
    manifest = manifest_of(rows)
    for seed in range(5):
        found = partners(manifest, seed)
        region = {p.pair_id: p.attributes["region"] for p in manifest.pairs}
        assert set(found) == set(region)
        assert len({p.pair_id for p in found.values()}) == 39
        assert all(region[a] != b.attributes["region"] for a, b in found.items())
        assert all(a[0] == b.pair_id[0] for a, b in found.items())  # partners of the same sensors


def test_dates_of_a_scene_share_a_place() -> None:
    rows = [(f"flood{i}_{when}", "", "") for i in range(4) for when in ("before", "after")]
    for seed in range(10):
        for name, partner in partners(manifest_of(rows), seed).items():
            assert name.split("_")[0] != partner.pair_id.split("_")[0]


def test_tiles_of_an_image_share_a_place() -> None:
    rows = [(f"{place}_p{i}", "", "") for place in ("oslo", "rome", "kiel") for i in range(4)]
    for name, partner in partners(manifest_of(rows), 3).items():
        assert name.split("_")[0] != partner.pair_id.split("_")[0]


def test_a_set_at_one_place_is_pooled_with_another() -> None:
    rows = [(f"g{i}", "guyana", "Guyana") for i in range(5)] + [(f"t{i}", "other", f"r{i % 3}") for i in range(9)]
    found = partners(manifest_of(rows), 0)
    assert all(found[f"g{i}"].pair_id.startswith("t") for i in range(5))


def test_the_seed_decides_not_the_order() -> None:
    rows = [(f"t{i}", "s", f"region{i % 3}") for i in range(12)]
    one, two = partners(manifest_of(rows), 1), partners(manifest_of(rows[::-1]), 1)
    assert {a: b.pair_id for a, b in one.items()} == {a: b.pair_id for a, b in two.items()}
    other = partners(manifest_of(rows), 2)
    assert {a: b.pair_id for a, b in one.items()} != {a: b.pair_id for a, b in other.items()}


def test_one_place_cannot_be_shuffled() -> None:
    with pytest.raises(InputError, match="at one place"):
        partners(manifest_of([(f"t{i}", "s", "here") for i in range(4)]), 0)


def test_images_of_different_size_are_cropped_to_the_common_one(
    write_manifest: WriteManifest, tmp_path: Path
) -> None:
    import cv2

    from .scene import landscape

    path = write_manifest(2)
    cv2.imwrite(str(path.parent / "1.png"), landscape(1, 64))  # the others have 96
    manifest = read_manifest(path)
    store = SampleStore(tmp_path / "s", manifest, "shuffled", 0)
    for pair in manifest.pairs:
        sample = store.get(pair)
        assert sample.optical.shape == sample.sar.shape == (48, 48)
        assert sample.truth is None
