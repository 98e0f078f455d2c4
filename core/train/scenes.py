"""What the publishers of training pairs say they show, in names of the prompt library.

The text attention is trained by what helps matching; these few weak labels of whole chips tie it to what the words
mean, so that the map of what the network saw can be read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..matching.text.bank import TextBank


class Label(NamedTuple):
    """Names of scenes, and of land covers, of which a chip shows at least one; () = nothing is known.

    land_use: PromptMID's classes that most of these chips show.
    """

    scenes: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    land_use: tuple[str, ...] = ()


UNKNOWN = Label()

LABELS: dict[str, Label] = {
    "agriculture": Label(
        ("farmland", "circular-farmland", "rice-paddy", "terraced-fields", "orchard", "vineyard", "greenhouses"),
        ("cropland",),
        ("farmland",),
    ),
    "resident": Label(
        ("dense-residential", "sparse-residential", "village", "high-rise", "industrial"),
        ("built-up", "road"),
        ("city", "village", "road"),
    ),
    "gorge": Label(("gorge", "mountain"), (), ("others",)),
    "river": Label(("river", "river-meander", "lake", "bridge"), ("water",), ("water",)),
    "forest": Label(("broadleaf-forest", "coniferous-forest"), ("tree-cover",), ("forest",)),
    "flood": Label(
        ("flooded-land", "river", "lake", "wetland", "farmland"),
        ("water", "flooded-cover", "cropland"),
        ("farmland", "water"),
    ),
    **{city: Label((), (), ("city", "road")) for city in ("los angeles", "orange county", "san antonio")},
}
"""By a word of the manifest's column `region`."""


def label_of(region: str) -> Label:
    words = region.lower()
    return next((label for word, label in LABELS.items() if word in words), UNKNOWN)


def masks(label: Label, bank: TextBank | None) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Which of the bank's scenes (S,) and land covers (C,) a chip may show: 1 or 0; all ones if unknown."""
    if bank is None:
        return np.ones(1, np.float32), np.ones(1, np.float32)
    both = []
    for names, all_names in ((label.scenes, bank.scene_names), (label.covers, bank.cover_names)):
        chosen = np.array([name in names for name in all_names], np.float32)
        both.append(chosen if chosen.any() else np.ones(len(all_names), np.float32))
    return both[0], both[1]
