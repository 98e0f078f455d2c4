"""Packs: they fit, they hold what the manifest says, and nothing in them is trusted."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from sarto.core.contract import InputError, OptionError, OutputError
from sarto.core.matching.files import write_whole
from sarto.core.train.alignment import Alignment, write_alignment
from sarto.core.train.chips import list_pairs, read_chips
from sarto.core.train.data import read_data
from sarto.core.train.pack import INDEX, make_pack, read_pack

from .conftest import texture, write_manifest


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A coloured pair, and one that is cut into parts."""
    coloured = np.stack([texture(k) for k in range(3)], axis=2)
    rows = [
        {"optical": coloured, "sar": texture(3), "offset_x": 1, "offset_y": -2, "set": "a", "region": "river"},
        {"optical": texture(4, (600, 1100)), "sar": texture(5, (600, 1100)), "set": "b", "region": "", "tight": 1},
    ]
    return write_manifest(tmp_path_factory.mktemp("large"), rows)


@pytest.fixture(scope="module")
def packed(large: Path) -> Path:
    path = large.with_name("train.pack")
    write_whole(path, make_pack(list_pairs(large), 10**7).content)
    return path


def test_there_and_back(large: Path, packed: Path) -> None:
    before, after = read_chips(large)[0], read_data(packed)[0]
    assert after.pair_id == "p0"
    assert (after.offset, after.weight, after.set) == ((1.0, -2.0), 0.6, "a")
    assert after.label == before.label
    assert after.optical.shape == (128, 128, 3)
    assert np.abs(after.optical.astype(int) - before.optical).mean() < 8
    assert np.abs(after.sar.astype(int) - before.sar).mean() < 4


def test_large_chips_are_cut_into_parts(large: Path, packed: Path) -> None:
    parts = {c.pair_id: c for c in read_data(packed)[1:]}
    whole = read_chips(large)[1]
    assert len(parts) == 2 * 3
    assert sum(c.sar.size for c in parts.values()) == whole.sar.size
    assert max(max(c.sar.shape) for c in parts.values()) <= 512
    part = parts["p1#367,300"]
    assert np.abs(part.optical.astype(int) - whole.optical[300:600, 367:733]).mean() < 4
    assert part.weight == 1.0


def test_the_quality_is_the_highest_that_fits(large: Path) -> None:
    listed = list_pairs(large, ("a",))
    best = make_pack(listed, 10**7)
    assert best.quality == 95
    half = make_pack(listed, len(best.content) // 2)
    assert len(half.content) <= len(best.content) // 2
    assert 5 <= half.quality < 95
    assert len(make_pack(listed, len(half.content) + 3000).content) >= len(half.content)
    with pytest.raises(OptionError, match="--max-mb"):
        make_pack(listed, 1000)


def test_images_that_are_small_already_are_kept(tmp_path: Path) -> None:
    path = write_manifest(tmp_path, [{"optical": texture(0), "sar": texture(1)}])
    lossy = {}
    for kind in ("optical", "sar"):
        image = cv2.imread(str(tmp_path / f"{kind}0.png"))
        lossy[kind] = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 20])[1].tobytes()
        (tmp_path / f"{kind}0.webp").write_bytes(lossy[kind])
    path.write_text(path.read_text().replace(".png", ".webp"))
    packed = make_pack(list_pairs(path), 10**6)
    assert packed.kept == 2
    write_whole(tmp_path / "train.pack", packed.content)
    with zipfile.ZipFile(tmp_path / "train.pack") as archive:
        assert archive.read("00000o") == lossy["optical"]
    (chip,), (original,) = read_data(tmp_path / "train.pack"), read_chips(path)
    assert np.array_equal(chip.optical, original.optical)
    assert np.array_equal(chip.sar, original.sar)


def test_sets_and_alignments_of_a_pack(packed: Path, tmp_path: Path) -> None:
    assert {c.set for c in read_pack(packed, ("b",))} == {"b"}
    with pytest.raises(InputError, match="No pair"):
        read_pack(packed, ("c",))
    write_alignment(tmp_path / "alignment.csv", [Alignment("p0", 0, 0, 0.0), Alignment("p1", 3, 4, 0.6)])
    aligned = read_pack(packed, alignment=tmp_path / "alignment.csv")
    assert [(c.offset, c.weight) for c in aligned] == [((3.0, 4.0), 0.6)] * 6


def test_files_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "file.txt", b"one")
    write_whole(tmp_path / "new" / "file.txt", b"two")
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "new").iterdir()] == [("file.txt", b"two")]
    with pytest.raises(OutputError, match="could not be written"):
        write_whole(tmp_path / "new" / "file.txt" / "more.txt", b"three")


def _rewritten(packed: Path, target: Path, change, members: dict[str, bytes] | None = None) -> Path:
    """The pack with another index."""
    with zipfile.ZipFile(packed) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    head = json.loads(content[INDEX])
    change(head)
    content |= {INDEX: json.dumps(head).encode(), **(members or {})}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return target


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.update(format="other"),
        lambda head: head.update(version=2),
        lambda head: head.update(chips={}),
        lambda head: head.update(chips=[3]),
        lambda head: head.pop("chips"),
        lambda head: head["chips"][0].update(optical="../../etc/passwd"),
        lambda head: head["chips"][0].update(size=[100_000, 100_000]),
        lambda head: head["chips"][0].update(size=[64, 64]),
        lambda head: head["chips"][0].update(size=[128]),
        lambda head: head["chips"][0].update(weight=7),
        lambda head: head["chips"][0].update(weight="1e400"),
        lambda head: head["chips"][0].update(offset=[float("nan"), 0]),
        lambda head: head["chips"][0].update(region=5),
        lambda head: head["chips"][0].pop("id"),
    ],
)
def test_an_index_that_makes_no_sense_is_refused(packed: Path, tmp_path: Path, change) -> None:
    with pytest.raises(InputError, match="pack"):
        read_data(_rewritten(packed, tmp_path / "changed.pack", change))


def _index_entry(content: bytearray) -> int:
    """Where the index stands in the archive's directory."""
    return content.rindex(INDEX.encode()) - 46


def _nested(content: bytearray) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(INDEX, b"[" * 200_000)
    content[:] = stream.getvalue()


def _encrypted(content: bytearray) -> None:
    content[_index_entry(content) + 8] |= 1
    start = int.from_bytes(content[_index_entry(content) + 42 : _index_entry(content) + 46], "little")
    content[start + 6] |= 1


def _strangely_compressed(content: bytearray) -> None:
    content[_index_entry(content) + 10] = 99


def _spoiled(content: bytearray) -> None:
    start = int.from_bytes(content[_index_entry(content) + 42 : _index_entry(content) + 46], "little")
    content[start + 30 + len(INDEX) : start + 60 + len(INDEX)] = b"\xff" * 30


@pytest.mark.parametrize("spoil", [_nested, _encrypted, _strangely_compressed, _spoiled])
def test_archives_that_python_cannot_unpack_are_refused(packed: Path, tmp_path: Path, spoil) -> None:
    content = bytearray(packed.read_bytes())
    spoil(content)
    path = tmp_path / "strange.pack"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read_pack(path)


def test_damaged_packs_are_refused(packed: Path, tmp_path: Path) -> None:
    path = tmp_path / "changed.pack"
    for content, said in ((b"no image", "no image"), (bytes(17_000_000), "too large")):
        with pytest.raises(InputError, match=said):
            read_data(_rewritten(packed, path, lambda head: None, {"00000s": content}))
    whole = packed.read_bytes()
    for damaged in (whole[:200] + bytes(3800) + whole[4000:], whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(InputError):
            read_data(path)
    with pytest.raises(InputError):
        read_pack(tmp_path / "none.pack")
