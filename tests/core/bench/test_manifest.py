from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from sarto.core.bench.manifest import check_files, read_chip, read_manifest
from sarto.core.contract import InputError

from .conftest import WriteManifest


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "m.csv"
    path.write_text(text)
    return path


def test_columns(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "pair_id,optical,sar,truth,set,tight,region,sar_sensor\n"
        'a,o/a.png,s/a.png,1 0.5 3 -0.5 1 4,rome,1,Lazio,"TerraSAR-X, X band"\n'
        "b,o/b.png,s/b.png,,rome,0,,\n"
        "c,o/c.png,s/c.png,,,,,\n",
    )
    a, b, c = read_manifest(path).pairs
    assert (a.optical, a.sar) == (tmp_path / "o/a.png", tmp_path / "s/a.png")
    np.testing.assert_array_equal(a.published, [[1, 0.5, 3], [-0.5, 1, 4]])
    np.testing.assert_array_equal(b.published, np.eye(2, 3))
    assert (a.set, a.tight, b.tight, c.tight) == ("rome", True, False, None)
    assert a.attributes == {"region": "Lazio", "sar_sensor": "TerraSAR-X, X band"}


def test_only_the_three_columns_are_needed(tmp_path: Path) -> None:
    (pair,) = read_manifest(written(tmp_path, "pair_id,optical,sar\na,o.png,s.png\n")).pairs
    assert (pair.set, pair.tight) == ("", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pair_id,optical\na,o.png\n", "no column 'sar'"),
        ("", "no column 'pair_id'"),
        ("pair_id,optical,sar\n", "lists no pair"),
        ("pair_id,optical,sar\na,o.png,\n", "line 2: the column 'sar' is empty"),
        ("pair_id,optical,sar\na,o.png,s.png\na,p.png,t.png\n", "lists pair 'a' twice"),
        ("pair_id,optical,sar,truth\na,o.png,s.png,1 0 0 0 1\n", "line 2: the truth '1 0 0 0 1' is not an affine"),
        ("pair_id,optical,sar,truth\na,o.png,s.png,1 0 0 0 1 x\n", "not an affine"),
        ("pair_id,optical,sar,truth\na,o.png,s.png,1 0 0 2 0 0\n", "not an affine"),
        ("pair_id,optical,sar,truth\na,o.png,s.png,1 0 nan 0 1 0\n", "not an affine"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_manifest(written(tmp_path, text))


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_manifest(tmp_path / "none.csv")
    manifest = read_manifest(written(tmp_path, "pair_id,optical,sar\na,o.png,s.png\n"))
    with pytest.raises(InputError, match=r"Pair 'a': the image .*o\.png does not exist"):
        check_files(manifest.pairs)


def test_selection(write_manifest: WriteManifest) -> None:
    manifest = read_manifest(write_manifest(6, set=list("aabbbc"), tight=list("101100")))
    assert [p.pair_id for p in manifest.select(sets=("b",), only_tight=True)] == ["place2/a", "place3/a"]
    few, more = manifest.select(limit=2), manifest.select(limit=4)
    assert {p.pair_id for p in few} < {p.pair_id for p in more}
    with pytest.raises(InputError, match="no set 'd'"):
        manifest.select(sets=("d",))
    with pytest.raises(InputError, match="No pair"):
        manifest.select(sets=("c",), only_tight=True)


def test_limit_picks_the_same_pairs_in_any_order(write_manifest: WriteManifest) -> None:
    one = read_manifest(write_manifest(6, name="1.csv"))
    two = read_manifest(write_manifest(6, order=[5, 3, 4, 0, 2, 1], name="2.csv"))
    assert {p.pair_id for p in one.select(limit=3)} == {p.pair_id for p in two.select(limit=3)}
    assert [p.pair_id for p in one.select()] == [f"place{i}/a" for i in range(6)]


def test_chips_become_grey_without_nodata(tmp_path: Path) -> None:
    colour = np.zeros((4, 5, 3), dtype=np.uint8)
    colour[0, 0] = (30, 60, 90)
    cv2.imwrite(str(tmp_path / "c.png"), colour)
    chip = read_chip(tmp_path / "c.png")
    assert chip.dtype == np.uint8
    assert chip.shape == (4, 5)
    assert chip[0, 0] == 60
    assert chip[1, 1] == 1
    deep = np.linspace(0, 4000, 20).reshape(4, 5).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "d.png"), deep)
    assert read_chip(tmp_path / "d.png").min() == 1
    assert read_chip(tmp_path / "d.png").max() == 255


def test_a_file_that_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("no image")
    with pytest.raises(InputError, match=r"x\.png cannot be read"):
        read_chip(tmp_path / "x.png")
