"""Finished benches as they lie in folders: which method saw which pairs under which protocol, and its rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..contract import InputError
from .methods import PEER_PREFIX
from .records import Row, read_rows

NOTE, ROWS = "bench.json", "pairs.csv"
"""What a folder of results holds: what its rows are, and the rows."""
_MUST_AGREE = ("seed", "search")
"""Options that decide what the methods see and know; with others their results cannot be compared."""


@dataclass(frozen=True)
class Finished:
    """One method under one protocol on the pairs of one manifest.

    method: as it was called, with the name of its weights in brackets if not those that ship, and "control" where
    it was shown speckle. pairs: name of the manifest. manifest: its digest.
    """

    folder: Path
    method: str
    protocol: str
    pairs: str
    manifest: str
    options: Mapping[str, Any]
    rows: tuple[Row, ...]

    @property
    def is_plain(self) -> bool:
        """Whether it is as users have it: no part changed (`tar:no-text`), no other weights, no speckle."""
        changed = ":" in str(self.options["method"]).removeprefix(PEER_PREFIX)
        return not (changed or _weights(self.options) or self.options.get("control"))


def read_finished(folders: Sequence[Path], names: Mapping[str, str] | None = None) -> list[Finished]:
    """All benches in these folders and in folders below them, in that order.

    names: digest of a manifest → how it is called, in place of what the bench has noted or the digest itself.
    Raises InputError for a folder without a bench, a damaged one, two benches of the same method and protocol on
    the same pairs, and benches that cannot be compared because they saw other windows or searched another range.
    """
    found = [_read(folder) for folder in _folders_of_benches(folders)]
    for earlier, later in _of_the_same_pairs(found):
        if earlier.method == later.method:
            raise InputError(
                f"{earlier.folder} and {later.folder} both hold '{later.method}' under '{later.protocol}' "
                "on the same pairs.",
                "Leave one of them away.",
            )
        for name in _MUST_AGREE:
            if earlier.options.get(name) != later.options.get(name):
                raise InputError(
                    f"{earlier.folder} and {later.folder} cannot be compared: their '{name}' differs "
                    f"({earlier.options.get(name)}, {later.options.get(name)}).",
                    "Leave one of them away.",
                )
    known = {run.manifest: run.pairs for run in reversed(found) if run.pairs} | dict(names or {})
    return [replace(run, pairs=known.get(run.manifest, f"manifest {run.manifest}")) for run in found]


def _folders_of_benches(folders: Iterable[Path]) -> list[Path]:
    found: dict[Path, Path] = {}
    for folder in folders:
        held = sorted(path.parent for path in folder.rglob(NOTE))
        if not held:
            raise InputError(f"{folder} does not hold a finished bench.", f"Give a folder with a {NOTE}.")
        for path in held:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _read(folder: Path) -> Finished:
    try:
        options = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        method, protocol, manifest = (str(options[name]) for name in ("method", "protocol", "manifest"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / NOTE} is damaged: {error}.", "Run the bench again.") from error
    if weights := _weights(options):
        method = f"{method} ({Path(weights).stem})"
    if options.get("control"):
        method = f"{method}, control"
    rows = tuple(read_rows(folder / ROWS))
    return Finished(folder, method, protocol, str(options.get("manifest_file", "")), manifest, options, rows)


def _weights(options: Mapping[str, Any]) -> str:
    """Their file, "" = those that ship."""
    return str((options.get("engine") or {}).get("weights") or "")


def _of_the_same_pairs(runs: Sequence[Finished]) -> Iterable[tuple[Finished, Finished]]:
    """All two runs of one protocol on one manifest."""
    for i, later in enumerate(runs):
        for earlier in runs[:i]:
            if (earlier.protocol, earlier.manifest) == (later.protocol, later.manifest):
                yield earlier, later
