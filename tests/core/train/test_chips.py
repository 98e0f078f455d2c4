"""Chips of a manifest: which take part, and what they look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sarto.core.contract import Cancelled, InputError, Reporter
from sarto.core.train.alignment import Alignment, read_alignment, write_alignment
from sarto.core.train.chips import as_bytes, list_pairs, read_chips
from sarto.core.train.data import check_apart, read_data, read_held_out
from sarto.core.train.scenes import Label, label_of

from .conftest import make_chip, texture, write_manifest


def test_pairs_that_are_called_misaligned_are_left_out(manifest: Path) -> None:
    chips = read_chips(manifest)
    assert [(c.pair_id, c.weight, c.set) for c in chips] == [("p0", 1.0, "a"), ("p1", 1.0, "b"), ("p2", 0.6, "a")]
    assert chips[0].label.covers == ("water",)
    assert np.array_equal(chips[0].optical[:, :, 0], texture(0))
    assert np.array_equal(chips[0].sar, texture(0))


def test_sets(manifest: Path) -> None:
    assert [c.pair_id for c in read_chips(manifest, ("b",))] == ["p1"]
    with pytest.raises(InputError, match="'c'"):
        read_chips(manifest, ("c",))


def test_a_manifest_that_says_nothing_is_half_believed(tmp_path: Path) -> None:
    path = write_manifest(tmp_path, [{"optical": texture(0), "sar": texture(1)}])
    (chip,) = read_chips(path)
    assert (chip.weight, chip.offset, chip.label) == (0.6, (0, 0), Label())


def test_colours_stay_where_there_are_any(tmp_path: Path) -> None:
    coloured = np.stack([texture(0), texture(1), texture(2)], axis=2)
    grey = np.repeat(texture(0)[:, :, None], 3, axis=2)
    path = write_manifest(tmp_path, [{"optical": coloured, "sar": grey}, {"optical": grey, "sar": grey}])
    first, second = read_chips(path)
    assert np.array_equal(first.optical, coloured)
    assert np.array_equal(second.optical, grey[:, :, :1])
    assert first.sar.shape == (128, 128)


def test_more_bits_and_channels() -> None:
    deep = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 7
    seen = as_bytes(deep)
    assert seen.shape == (64, 64, 1)
    assert (seen.min(), seen.max()) == (0, 255)
    assert as_bytes(np.zeros((4, 4, 4), np.uint8)).shape == (4, 4, 3)
    assert as_bytes(np.zeros((4, 4, 2), np.uint8)).shape == (4, 4, 1)


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    pair = {"optical": texture(0), "sar": texture(0, (64, 64))}
    with pytest.raises(InputError, match="128 × 128 pixels, the SAR chip 64 × 64"):
        read_chips(write_manifest(tmp_path / "sizes", [pair]))
    pair["sar"] = texture(0)
    for column, value in (("offset_x", "far"), ("offset_y", "nan"), ("offset_x", 1e9), ("truth", "1 0 5 0 1 0")):
        with pytest.raises(InputError, match="'p0'"):
            read_chips(write_manifest(tmp_path / "columns", [{**pair, column: value}]))
    path = write_manifest(tmp_path / "missing", [pair])
    (path.parent / "sar0.png").unlink()
    with pytest.raises(InputError, match=r"sar0\.png"):
        read_chips(path)
    (path.parent / "sar0.png").write_text("no image")
    with pytest.raises(InputError, match="cannot be read"):
        read_chips(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_chips(tmp_path / "none.csv")
    with pytest.raises(InputError, match="No pair"):
        read_chips(write_manifest(tmp_path / "loose", [{**pair, "offset_ok": 0}]))


def test_reading_can_be_cancelled(manifest: Path) -> None:
    with pytest.raises(Cancelled):
        read_chips(manifest, reporter=Reporter(is_cancelled=lambda: True))


def test_an_alignment_takes_the_place_of_the_manifest(manifest: Path, tmp_path: Path) -> None:
    path = tmp_path / "alignment.csv"
    rows = [Alignment("p0", 1.5, -2, 0.25), Alignment("p1", 0, 0, 0.0), Alignment("p3", 4, 0, 1.0, 0.9, 33, 0.4)]
    write_alignment(path, rows)
    assert list(read_alignment(path).values()) == rows
    chips = {c.pair_id: c for c in read_chips(manifest, alignment=path)}
    assert set(chips) == {"p0", "p2", "p3"}  # p2 is not listed: the manifest's word counts
    assert (chips["p0"].offset, chips["p0"].weight) == ((1.5, -2.0), 0.25)
    assert (chips["p3"].offset, chips["p3"].weight) == ((4.0, 0.0), 1.0)


def test_alignments_that_make_no_sense(manifest: Path, tmp_path: Path) -> None:
    path = tmp_path / "alignment.csv"
    with pytest.raises(InputError, match="cannot be read"):
        list_pairs(manifest, alignment=path)
    for row in ("p0,1", "p0,x,0,1", "p0,0,0,2", "p0,nan,0,1", "p0,5000,0,1"):
        path.write_text(f"pair_id,offset_x,offset_y,weight\n{row}\n")
        with pytest.raises(InputError, match="line 2"):
            list_pairs(manifest, alignment=path)
    path.write_text("pair_id,offset_x,offset_y,weight\nother,0,0,1\n")
    with pytest.raises(InputError, match="lists no pair"):
        list_pairs(manifest, alignment=path)


def test_tight_pairs_are_checked_on_where_there_are_any(manifest: Path, tmp_path: Path) -> None:
    assert [c.pair_id for c in read_held_out(manifest)] == ["p0", "p1"]
    loose = write_manifest(tmp_path / "loose", [{"optical": texture(0), "sar": texture(1)}])
    assert len(read_held_out(loose)) == 1
    assert len(read_data(manifest)) == 3


def test_training_data_are_not_checked_on() -> None:
    with pytest.raises(InputError, match="'pair 1'"):
        check_apart([make_chip(0), make_chip(1)], [make_chip(1)])


def test_labels() -> None:
    assert label_of("Resident (Asia)").covers == ("built-up", "road")
    assert label_of("flood events worldwide (EMS)").scenes[0] == "flooded-land"
    assert label_of("somewhere") == Label()
