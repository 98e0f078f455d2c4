"""The images that a bench shows: cut once, kept as lossless PNG, the same for every method."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..contract import OutputError, Pixels
from .control import speckle_like
from .manifest import Manifest, Pair, read_chip, read_colours
from .protocols import WARPS, WINDOW_SHARE, Sample, cut
from .shuffle import partners

_FORMAT = 2  # raise when the cutting changes, so that old images are not taken for new ones


class SampleStore:
    """The samples of one manifest, protocol and seed, in `root/PROTOCOL-SEED/MANIFEST-DIGEST/PAIR/`.

    A sample that is there and was cut from the same files in the same way is read, any other is cut and written.
    control: with speckle in place of the SAR images (`root/PROTOCOL-SEED-control/…`).
    """

    def __init__(self, root: Path, manifest: Manifest, protocol: str, seed: int, control: bool = False) -> None:
        name = f"{protocol}-{seed}{'-control' if control else ''}"
        self.folder = root / name / manifest.digest
        self._manifest, self._protocol, self._seed, self._control = manifest, protocol, seed, control

    def get(self, pair: Pair) -> Sample:
        """The sample of a pair. Raises InputError for unreadable chips, OutputError if it cannot be kept."""
        folder = self.folder / _file_name(pair.pair_id)
        signature = self._signature(pair)
        kept = _read(folder, signature)
        if kept is not None:
            return kept
        sample = self._cut(pair)
        try:
            _write(folder, sample, signature)
        except OSError as error:
            raise OutputError(f"The bench's image {folder} cannot be written: {error}.") from error
        return sample

    def digest(self, pairs: Iterable[Pair]) -> str:
        """16 hexadecimal digits over all images and truths of the pairs, whatever their order.

        Equal digests of two runs show that two methods saw the same images.
        """
        found = sorted(f"{p.pair_id} {self._image_digest(p)}" for p in pairs)
        return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]

    def _image_digest(self, pair: Pair) -> str:
        notes = _read_notes(self.folder / _file_name(pair.pair_id))
        if notes.get("signature") == self._signature(pair):
            return str(notes["sha256"])
        return _digest(self.get(pair))

    @cached_property
    def _partners(self) -> dict[str, Pair]:
        return partners(self._manifest, self._seed)

    def _sar_of(self, pair: Pair) -> Pair:
        return self._partners[pair.pair_id] if self._protocol == "shuffled" else pair

    def _cut(self, pair: Pair) -> Sample:
        (optical, bands), sar = read_colours(pair.optical), read_chip(self._sar_of(pair).sar)
        if self._protocol == "shuffled":
            size = np.minimum(optical.shape, sar.shape)
            optical, sar = _cropped(optical, size), _cropped(sar, size)
            bands = None if bands is None else _cropped(bands, size)
        if self._control:
            sar = speckle_like(sar, pair.pair_id, self._seed)
        return cut(pair.pair_id, optical, sar, pair.published, self._protocol, self._seed, bands)

    def _signature(self, pair: Pair) -> str:
        """What the sample depends on; a changed file, truth or protocol makes the kept one stale."""
        files = [(p.name, p.stat().st_size) for p in (pair.optical, self._sar_of(pair).sar) if p.exists()]
        warp = WARPS.get(self._protocol)
        parts = (_FORMAT, warp, WINDOW_SHARE, self._seed, self._control, pair.published.tolist(), files)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _cropped(image: Pixels, size: npt.NDArray[np.int_]) -> Pixels:
    """The middle (rows, columns) of an image or of its bands."""
    top, left = (np.array(image.shape[-2:]) - size) // 2
    return np.ascontiguousarray(image[..., top : top + size[0], left : left + size[1]])


def _file_name(pair_id: str) -> str:
    """A folder name that any file system takes; different for different pairs."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "__", pair_id).strip(".")[:100]
    return plain if plain == pair_id else f"{plain}-{hashlib.sha256(pair_id.encode()).hexdigest()[:6]}"


def _digest(sample: Sample) -> str:
    """SHA-256 over images and truth."""
    truth = "" if sample.truth is None else " ".join(f"{v:.6f}" for v in sample.truth.ravel())
    text = f"{sample.pair_id} {sample.optical.shape} {sample.sar.shape} {truth}"
    bands = b"" if sample.bands is None else sample.bands.tobytes()
    return hashlib.sha256(text.encode() + sample.optical.tobytes() + sample.sar.tobytes() + bands).hexdigest()


def _read_notes(folder: Path) -> dict[str, Any]:
    try:
        notes = json.loads((folder / "sample.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _read(folder: Path, signature: str) -> Sample | None:
    """A kept sample, or None where it is missing, stale or damaged."""
    notes = _read_notes(folder)
    if notes.get("signature") != signature:
        return None
    optical, sar = _image(folder / "optical.png"), _image(folder / "sar.png")
    if optical is None or sar is None:
        return None
    truth = None if notes["truth"] is None else np.array(notes["truth"], dtype=np.float64)
    column, row = notes["origin"]
    to_chip = np.array(notes["to_chip"], dtype=np.float64)
    colours = _image(folder / "bands.png")
    bands = None if colours is None else np.ascontiguousarray(colours.transpose(2, 0, 1))
    sample = Sample(notes["pair_id"], optical, sar, truth, (column, row), to_chip, bands)
    return sample if _digest(sample) == notes["sha256"] else None


def _image(path: Path) -> Pixels | None:
    """A PNG as it is; None where there is none."""
    image: Any = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None
    return None if image is None else np.asarray(image, dtype=np.uint8)


def _write(folder: Path, sample: Sample, signature: str) -> None:
    """The notes come last: a sample without them is not complete."""
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "optical.png", _png(sample.optical))
    _replace(folder / "sar.png", _png(sample.sar))
    if sample.bands is not None:
        _replace(folder / "bands.png", _png(np.ascontiguousarray(sample.bands.transpose(1, 2, 0))))
    notes = {
        "pair_id": sample.pair_id,
        "truth": None if sample.truth is None else sample.truth.tolist(),
        "origin": list(sample.origin),
        "to_chip": sample.to_chip.tolist(),
        "sha256": _digest(sample),
        "signature": signature,
    }
    _replace(folder / "sample.json", json.dumps(notes, indent=1).encode())


def _png(image: Pixels) -> bytes:
    done, data = cv2.imencode(".png", image)
    if not done:
        raise OSError("PNG encoding failed")
    return bytes(data.tobytes())


def _replace(path: Path, data: bytes) -> None:
    """Write a file in one step, so that benches running side by side may share a store."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    os.replace(temporary, path)
