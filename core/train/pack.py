"""Packs: the training data in one file, for a machine without the data folder.

A zip with `index.json` and the chips as WebP or JPEG; nothing in it is ever executed. Chips are encoded anew at
the highest quality that fits, or kept as they are where that takes no more; large ones are cut into parts.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..contract import SILENT, InputError, OptionError, Pixels, Reporter
from .alignment import LARGEST, read_alignment
from .chips import LEAST_WEIGHT, Chip, Listed, as_bytes, colours, grey, read_chip
from .scenes import label_of

FORMAT, VERSION = "sarto-pack", 1
INDEX = "index.json"
MOST_SIDE = 512
"""Pixels: longer chips are cut into parts, from which training cuts its windows just as well."""
MOST_CHIPS, MOST_BYTES = 100_000, 16_000_000
"""Chips of a pack, bytes of a file in it: more was not written by Sarto."""
LOWEST, HIGHEST = 5, 95
"""Qualities of WebP: below nothing is left to learn from, above only noise gets better."""
KEPT_KINDS = (".webp", ".jpg", ".jpeg")
SAMPLE = 120
"""Pairs by which the quality is estimated."""
PART_MARK = "#"
_WAY_OUT = "Make it anew with `sarto train pack`."
_READ_ERRORS = (OSError, EOFError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What a file of unknown origin makes `zipfile` and `json` raise: no file, a member cut short, no such member,
values that make no sense, an encryption, an unknown compression or an index nested too deep, no archive, a damaged
member."""


@dataclass(frozen=True)
class Packed:
    """A pack. content: the file; chips: in it; kept: images as they were, of 2 · chips; quality: of the others."""

    content: bytes
    chips: int
    kept: int
    quality: int


@dataclass(frozen=True)
class _Part:
    """A chip of the pack, at most `MOST_SIDE` large. sources: optical and SAR file, where they could be kept."""

    chip: Chip
    region: str
    sources: tuple[bytes | None, bytes | None]

    def encoded(self, quality: int) -> list[tuple[bytes, bool]]:
        """The optical and the SAR image, and whether each was kept."""
        images = []
        for image, source in zip((self.chip.optical, self.chip.sar), self.sources):
            content = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()
            kept = source is not None and len(source) <= len(content)
            images.append((source, True) if kept and source is not None else (content, False))
        return images


def make_pack(listed: list[Listed], most_bytes: int, reporter: Reporter = SILENT) -> Packed:
    """Pack pairs at the highest quality with which the pack has at most `most_bytes`.

    Raises OptionError where not even the lowest quality does, InputError for unreadable chips, Cancelled.
    """
    chosen = listed[:: max(1, len(listed) // SAMPLE)]
    sample = [part for one in chosen for part in _parts(one)]
    estimate = _Estimate(sample, len(listed) / len(chosen))
    best: Packed | None = None
    low, high = LOWEST, HIGHEST
    while low <= high:
        quality = min(max(estimate.best(most_bytes), low), high)
        made = _made(listed, quality, reporter)
        estimate.correct(quality, len(made.content))
        if len(made.content) > most_bytes:
            high = quality - 1
        else:
            best, low = made, quality + 1
            if estimate.best(most_bytes) <= quality:
                break
    if best is None:
        size = f"{len(made.content) / 2**20:.1f} MiB even at quality {quality}"
        raise OptionError(f"The pairs take {size}.", "Allow more with --max-mb, or pack fewer sets.")
    return best


class _Estimate:
    """What a pack would take at a quality, from a sample of its parts. scale: pairs per pair of the sample."""

    def __init__(self, sample: list[_Part], scale: float) -> None:
        self._sample, self._scale = sample, scale
        self._known: dict[int, float] = {}

    def bytes_at(self, quality: int) -> float:
        if quality not in self._known:
            sizes = [len(image) for part in self._sample for image, _ in part.encoded(quality)]
            self._known[quality] = float(sum(sizes))
        return self._known[quality] * self._scale

    def correct(self, quality: int, size: int) -> None:
        """What the whole really took."""
        self._scale *= size / self.bytes_at(quality)

    def best(self, most_bytes: int) -> int:
        """The highest quality that should fit."""
        low, high = LOWEST, HIGHEST
        while low < high:
            middle = (low + high + 1) // 2
            if self.bytes_at(middle) <= most_bytes:
                low = middle
            else:
                high = middle - 1
        return low


def _parts(one: Listed) -> Iterator[_Part]:
    chip = read_chip(one)
    rows, columns = chip.sar.shape
    if max(rows, columns) <= MOST_SIDE:
        yield _Part(chip, one.region, (_source(one.pair.optical), _source(one.pair.sar)))
        return
    for y, height in _cuts(rows):
        for x, width in _cuts(columns):
            where = slice(y, y + height), slice(x, x + width)
            name = f"{chip.pair_id}{PART_MARK}{x},{y}"
            part = replace(chip, pair_id=name, optical=chip.optical[where], sar=chip.sar[where])
            yield _Part(part, one.region, (None, None))


def _cuts(length: int) -> Iterator[tuple[int, int]]:
    """Starts and lengths of the fewest parts that are not too long, about equally long."""
    count = math.ceil(length / MOST_SIDE)
    ends = [round(k * length / count) for k in range(count + 1)]
    return ((start, end - start) for start, end in zip(ends, ends[1:]))


def _source(path: Path) -> bytes | None:
    """A file as it is, where it holds 8 bits by its kind."""
    return path.read_bytes() if path.suffix.lower() in KEPT_KINDS else None


def _made(listed: list[Listed], quality: int, reporter: Reporter) -> Packed:
    content = io.BytesIO()
    index: list[dict[str, Any]] = []
    total = 0
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for number, one in enumerate(listed, start=1):
            for part in _parts(one):
                names = [f"{len(index):05d}{kind}" for kind in "os"]
                for name, (image, kept) in zip(names, part.encoded(quality)):
                    archive.writestr(name, image)
                    total += kept
                index.append(_entry(part, names))
            reporter.progress(f"Packing at quality {quality}", number / len(listed))
        head = {"format": FORMAT, "version": VERSION, "quality": quality, "chips": index}
        archive.writestr(INDEX, json.dumps(head), zipfile.ZIP_DEFLATED)
    return Packed(content.getvalue(), len(index), total, quality)


def _entry(part: _Part, names: list[str]) -> dict[str, Any]:
    chip = part.chip
    rows, columns = chip.sar.shape
    place = {"optical": names[0], "sar": names[1], "size": [columns, rows]}
    belief = {"offset": list(chip.offset), "weight": chip.weight}
    return {"id": chip.pair_id, **place, **belief, "region": part.region, "set": chip.set}


def read_pack(
    path: Path,
    sets: Iterable[str] = (),
    least_weight: float = LEAST_WEIGHT,
    alignment: Path | None = None,
    reporter: Reporter = SILENT,
) -> list[Chip]:
    """The chips of a pack, as `read_chips` gives those of a manifest; parts are aligned as the pair they are of.

    Raises InputError where the pack is damaged or something else, or no chip is left; Cancelled.
    """
    wanted = set(sets)
    better = read_alignment(alignment) if alignment else {}
    chips = []
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _index(archive, path)
            for number, entry in enumerate(entries, start=1):
                pair = better.get(entry["id"].split(PART_MARK)[0])
                offset, weight = (pair.offset, pair.weight) if pair else (entry["offset"], entry["weight"])
                if weight >= least_weight and (not wanted or entry["set"] in wanted):
                    images = [_image(archive, entry[kind], entry["size"], path) for kind in ("optical", "sar")]
                    label = label_of(entry["region"])
                    optical, sar = colours(images[0]), grey(images[1])
                    chips.append(Chip(entry["id"], optical, sar, offset, weight, label, entry["set"]))
                reporter.progress("Reading the chips", number / len(entries))
    except _READ_ERRORS as error:
        raise InputError(f"The pack {path} cannot be read: {error}.", _WAY_OUT) from error
    if not chips:
        raise InputError(f"No pair of the pack {path} fits the choice of sets and alignment.")
    return chips


def _index(archive: zipfile.ZipFile, path: Path) -> list[dict[str, Any]]:
    """The checked entries of a pack: nothing in it is taken on trust. Raises ValueError, KeyError, InputError."""
    if archive.getinfo(INDEX).file_size > MOST_CHIPS * 400:
        raise ValueError("its index is too large")
    head = json.loads(archive.read(INDEX))
    if not isinstance(head, dict) or head.get("format") != FORMAT or head.get("version") != VERSION:
        raise InputError(f"{path} is no pack of training data that this version reads.", _WAY_OUT)
    entries = head["chips"]
    if not isinstance(entries, list) or len(entries) > MOST_CHIPS:
        raise ValueError("its index lists no chips")
    return [_checked(entry, number) for number, entry in enumerate(entries)]


def _checked(entry: Any, number: int) -> dict[str, Any]:
    try:
        texts = {name: entry[name] for name in ("id", "optical", "sar", "region", "set")}
        columns, rows = (int(v) for v in entry["size"])
        x, y = (float(v) for v in entry["offset"])
        weight = float(entry["weight"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"chip {number} of its index does not fit: {error}") from error
    sizes = min(columns, rows) > 0 and max(columns, rows) <= MOST_SIDE and max(abs(x), abs(y)) <= LARGEST
    if not (all(isinstance(text, str) for text in texts.values()) and sizes and 0 <= weight <= 1):
        raise ValueError(f"chip {number} of its index has values that make no sense")
    return {**texts, "size": [columns, rows], "offset": (x, y), "weight": weight}


def _image(archive: zipfile.ZipFile, name: str, size: list[int], path: Path) -> Pixels:
    """(rows, columns, 1 or 3)."""
    if archive.getinfo(name).file_size > MOST_BYTES:
        raise ValueError(f"'{name}' in it is too large")
    image = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or [image.shape[1], image.shape[0]] != size:
        raise ValueError(f"'{name}' in it is no image of {size[0]} × {size[1]} pixels")
    return as_bytes(image)
