"""Partners for the protocol `shuffled`: the optical image of each pair meets the SAR image of another place."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict

from ..contract import InputError
from .manifest import Manifest, Pair


def partners(manifest: Manifest, seed: int) -> dict[str, Pair]:
    """pair_id → the pair whose SAR image it gets; each SAR image is used once, none at its own place.

    Partners come from the same set where it has enough places, since images of the same sensors are the hardest
    to tell apart; a set whose pairs lie mostly at one place is pooled with the largest other set. The result
    depends on the seed and the manifest's pairs, not on their order or on which of them are run.
    Raises InputError for a manifest of one place only.
    """
    pools = _pools(manifest)
    found: dict[str, Pair] = {}
    for pool in pools:
        if not _is_feasible(pool):
            raise InputError(
                f"The pairs of {manifest.path.name} cannot be shuffled: more than half of them lie at one place.",
                "Add pairs of other places, or name the places in a column 'region'.",
            )
        found.update(_derange(pool, seed))
    return found


Pool = dict[str, list[Pair]]  # place → pairs


def _pools(manifest: Manifest) -> list[Pool]:
    """One pool per set, merged until each can be shuffled or only one is left."""
    by_set: dict[str, list[Pair]] = defaultdict(list)
    for pair in manifest.pairs:
        by_set[pair.set].append(pair)
    pools = [_by_place(by_set[name]) for name in sorted(by_set)]
    while len(pools) > 1:
        stuck = next((p for p in pools if not _is_feasible(p)), None)
        if stuck is None:
            break
        pools.remove(stuck)
        largest = max(pools, key=_size)
        for place, pairs in stuck.items():
            largest.setdefault(place, []).extend(pairs)
    return pools


def _by_place(pairs: list[Pair]) -> Pool:
    """Group by the column `region`; without it by the words of the name, or else each scene is a place."""
    prefixes = {_prefix(p.pair_id) for p in pairs}
    pool: Pool = defaultdict(list)
    for pair in pairs:
        region = pair.attributes.get("region", "")
        fallback = _prefix(pair.pair_id) if len(prefixes) > 1 else _scene(pair.pair_id)
        pool[region or fallback].append(pair)
    return dict(pool)


def _scene(pair_id: str) -> str:
    """The name without 'before' or 'after': two dates of a scene share a place."""
    return re.sub(r"[_-](before|after)$", "", pair_id)


def _prefix(pair_id: str) -> str:
    """The name without its trailing number: tiles of one image share a place."""
    return re.sub(r"[_-]?[a-z]?\d+$", "", _scene(pair_id))


def _size(pool: Pool) -> int:
    return sum(len(pairs) for pairs in pool.values())


def _is_feasible(pool: Pool) -> bool:
    return 2 * max(len(pairs) for pairs in pool.values()) <= _size(pool)


def _derange(pool: Pool, seed: int) -> dict[str, Pair]:
    """List the pairs place by place and rotate by the size of the largest place: nobody keeps their place.

    Places and the pairs within them stand in the order of a seeded hash.
    """

    def key(text: str) -> str:
        return hashlib.sha256(f"{seed}/{text}".encode()).hexdigest()

    ordered = [p for place in sorted(pool, key=key) for p in sorted(pool[place], key=lambda p: key(p.pair_id))]
    step = max(len(pairs) for pairs in pool.values())
    return {pair.pair_id: ordered[(i + step) % len(ordered)] for i, pair in enumerate(ordered)}
