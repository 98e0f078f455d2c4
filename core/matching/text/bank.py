"""The text bank: the features of a prompt library, computed once, so that matching needs no text encoder.

TAR (arXiv 2605.12064) computes text features of scenes and of land covers with a frozen encoder. That they are
stored, with one vector for the optical and one for the SAR look of an entry, is our own reading. A network works
only with the bank it was trained with: both carry the bank's digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from ...contract import EngineError, OptionError, OutputError
from ..files import write_whole
from ..prompts import Prompt, PromptLibrary, names_of
from .protocol import Features, TextEncoder

FORMAT = "sarto-text-bank"
VERSION = "1"
SCENES, COVERS, FACTS = "text.scenes", "text.covers", "text.bank"
"""Names of the tensors, and of the metadata entry within a file of weights."""

_ANEW = "Build it anew with `sarto text-bank`."


@dataclass(frozen=True, eq=False)
class TextBank:
    """Features of a prompt library's entries.

    encoder: the text encoder's name.
    scene_names (S), cover_names (C): the entries, in the order of the features.
    scenes: float32 (S, 2, D), covers: float32 (C, 2, D); axis 1 is (optical, sar); vectors have unit length within
        half precision, to which they are rounded: a bank that was saved and loaded is the same, bit for bit.
    """

    encoder: str
    scene_names: tuple[str, ...]
    cover_names: tuple[str, ...]
    scenes: Features
    covers: Features

    @property
    def dimension(self) -> int:
        """Length D of a feature vector."""
        return int(self.scenes.shape[-1])

    @property
    def digest(self) -> str:
        """16 hex digits over encoder, names and half-precision features."""
        facts = json.dumps(
            [self.encoder, self.scene_names, self.cover_names, self.scenes.shape, self.covers.shape]
        )
        content = hashlib.sha256(facts.encode("ascii"))
        for part in (self.scenes, self.covers):
            content.update(np.ascontiguousarray(part, dtype="<f2").tobytes())
        return content.hexdigest()[:16]

    def select(self, scenes: Sequence[str]) -> TextBank:
        """Only the named scenes, in the bank's order; all for (). Land covers stay.

        Raises OptionError where the bank does not have one of them.
        """
        unknown = [name for name in scenes if name not in self.scene_names]
        if unknown:
            raise OptionError(
                f"Scene '{unknown[0]}' is not in the text bank.", f"It has: {', '.join(self.scene_names)}."
            )
        kept = [i for i, name in enumerate(self.scene_names) if name in scenes or not scenes]
        return replace(self, scene_names=tuple(self.scene_names[i] for i in kept), scenes=self.scenes[kept])

    def shuffled(self, seed: int) -> TextBank:
        """The same vectors on wrong places, for the ablation; names stay.

        Optical and SAR vectors are permuted independently, across scenes and land covers: were whole entries
        moved within their level, attention, which knows no order, would not notice.
        """
        random = np.random.default_rng(seed)
        both = np.concatenate([self.scenes, self.covers])
        mixed = np.stack([both[random.permutation(len(both)), look] for look in (0, 1)], axis=1)
        return replace(self, scenes=mixed[: len(self.scenes)], covers=mixed[len(self.scenes) :])

    def to_tensors(self) -> tuple[dict[str, NDArray[np.float16]], dict[str, str]]:
        """Tensors and metadata to put into a file of weights."""
        tensors = {SCENES: self.scenes.astype(np.float16), COVERS: self.covers.astype(np.float16)}
        return tensors, {FACTS: json.dumps(_facts(self))}

    @staticmethod
    def from_tensors(tensors: Mapping[str, Any], metadata: Mapping[str, str], what: str = "The file") -> TextBank:
        """The bank in a file of weights; other tensors and metadata are ignored.

        tensors: NumPy arrays, or torch tensors on the CPU. what: names the file in errors.
        Raises EngineError where the bank is missing, incomplete or damaged.
        """
        if FACTS not in metadata:
            raise EngineError(f"{what} holds no text bank.", "Is it from another version of Sarto?")
        try:
            facts = json.loads(metadata[FACTS])
        except (ValueError, RecursionError) as error:
            raise EngineError(f"{what}: the text bank's description is not JSON: {error}.", _ANEW) from error
        return _checked(tensors, facts, what)


def build_bank(library: PromptLibrary, encoder: TextEncoder) -> TextBank:
    """Encode a library: the mean over the wordings of each entry and sensor, brought to unit length.

    The features depend in the last digits on processor and libraries, and the digest with them: a network needs
    the very bank that it was trained with, not one built anew.
    Raises EngineError where the encoder returns something else than (N, dimension) finite numbers.
    """
    entries = (*library.scenes, *library.land_cover)
    texts = [text for entry in entries for look in (entry.optical, entry.sar) for text in look]
    features = np.asarray(encoder.encode(texts), np.float32)
    if features.shape != (len(texts), encoder.dimension) or not np.isfinite(features).all():
        raise EngineError(
            f"Encoder '{encoder.name}' returned shape {features.shape} or numbers that are not finite for "
            f"{len(texts)} texts; expected ({len(texts)}, {encoder.dimension}).",
            "Is its checkpoint complete?",
        )
    means = _means(entries, features, encoder.name)
    count = len(library.scenes)
    names, covers = names_of(library.scenes), names_of(library.land_cover)
    return TextBank(encoder.name, names, covers, means[:count], means[count:])


def _means(entries: Sequence[Prompt], features: Features, encoder: str) -> Features:
    """(E, 2, D), rounded to half precision."""
    rows = iter(features)
    means = np.empty((len(entries), 2, features.shape[1]), np.float32)
    for entry, mean in zip(entries, means):
        for place, look in enumerate((entry.optical, entry.sar)):
            total = np.sum([next(rows) for _ in look], axis=0)
            length = float(np.linalg.norm(total))
            if length < 1e-6 * len(look):
                raise EngineError(
                    f"Encoder '{encoder}' gives '{entry.name}' no direction: its wordings cancel out."
                )
            mean[place] = total / length
    return _rounded(means)


def _rounded(features: NDArray[Any]) -> Features:
    """To half precision, as they are stored."""
    return features.astype(np.float16).astype(np.float32)


def save_bank(bank: TextBank, path: Union[str, Path], overwrite: bool = False) -> None:
    """Write a bank as safetensors in half precision; the file appears whole or not at all.

    Raises OutputError where the file exists and `overwrite` is false, or where it cannot be written.
    """
    from safetensors.numpy import save

    target = Path(path)
    if target.is_dir():
        raise OutputError(f"'{target}' is a folder.", "Choose a file name.")
    if target.exists() and not overwrite:
        raise OutputError(f"'{target}' exists already.", "Choose another name or allow overwriting.")
    # The library would write a file that only its owner can read.
    write_whole(target, save(bank.to_tensors()[0], _facts(bank)))


def load_bank(path: Union[str, Path]) -> TextBank:
    """Read a bank. Raises EngineError where the file is missing, damaged, of another kind or changed."""
    from safetensors import SafetensorError, safe_open

    what = f"Text bank '{path}'"
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise EngineError(f"'{path}' is no text bank.", _ANEW)
            # NumPy does not know every type that a file may hold.
            fitting = [name for name in file.keys() if file.get_slice(name).get_dtype() == "F16"]  # noqa: SIM118
            tensors = {name: file.get_tensor(name) for name in fitting if name in (SCENES, COVERS)}
    except (OSError, SafetensorError) as error:
        raise EngineError(f"{what} could not be read: {error}.", _ANEW) from error
    return _checked(tensors, metadata, what)


def check_tied(bank: TextBank, expected_digest: str, what: str) -> None:
    """Raise EngineError unless the bank is the one that `what` (the weights, in words) was trained with."""
    if bank.digest != expected_digest:
        raise EngineError(
            f"{what} was trained with text bank {expected_digest}, not with {bank.digest} ({bank.encoder}).",
            "Use the bank that belongs to it, or train again with this one.",
        )


def _facts(bank: TextBank) -> dict[str, str]:
    """Metadata of a bank's file; safetensors takes texts only."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "encoder": bank.encoder,
        "scene_names": json.dumps(bank.scene_names),
        "cover_names": json.dumps(bank.cover_names),
        "digest": bank.digest,
    }


def _checked(tensors: Mapping[str, Any], facts: Any, what: str) -> TextBank:
    """Put a bank together from what was read; nothing in it is taken on trust."""
    if not isinstance(facts, dict) or facts.get("format") != FORMAT or facts.get("version") != VERSION:
        version = facts.get("version") if isinstance(facts, dict) else None
        raise EngineError(f"{what} has version {version!r} of the format; {VERSION!r} is known.", _ANEW)
    parts = []
    for key, field in ((SCENES, "scene_names"), (COVERS, "cover_names")):
        names = _names(facts.get(field), field, what)
        if key not in tensors:
            raise EngineError(f"{what} lacks the half-precision tensor '{key}'.", _ANEW)
        features = np.asarray(tensors[key])
        if features.dtype.kind != "f" or features.ndim != 3 or features.shape[:2] != (len(names), 2):
            raise EngineError(
                f"{what}: '{key}' is {features.dtype} {features.shape}; expected float16 ({len(names)}, 2, D).",
                _ANEW,
            )
        features = _rounded(features)
        if not np.isfinite(features).all() or (np.abs(np.linalg.norm(features, axis=-1) - 1) > 0.01).any():
            raise EngineError(f"{what}: '{key}' has vectors that are not finite or not of unit length.", _ANEW)
        parts.append((names, features))
    (scene_names, scenes), (cover_names, covers) = parts
    if scenes.shape[-1] != covers.shape[-1]:
        raise EngineError(f"{what}: scenes have {scenes.shape[-1]} features, covers {covers.shape[-1]}.", _ANEW)
    bank = TextBank(str(facts.get("encoder", "")), scene_names, cover_names, scenes, covers)
    if bank.digest != facts.get("digest"):
        raise EngineError(
            f"{what} was changed or damaged: its digest is {bank.digest}, not {facts.get('digest')}.", _ANEW
        )
    return bank


def _names(text: Any, field: str, what: str) -> tuple[str, ...]:
    try:
        names = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise EngineError(f"{what}: '{field}' is no list of names.", _ANEW)
    if len(set(names)) != len(names):
        raise EngineError(f"{what}: '{field}' has a name twice.", _ANEW)
    return tuple(names)
