"""Which prompt each tile gets, from the best source there is, and the record of it.

The paper takes the classes from a classification or from geographic data at the image's location. Here, in this
order: the land-cover layer of the project (the classes under the tile are counted), the classes that the user
names, the classifier on the optical image. A source that has nothing to say leaves the word to the next; where
none has, the prompt is the general one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, Callable

import numpy as np
import torch
from torch import Tensor

from ...contract import Floats, Pixels
from ...geometry import affine
from ..land_use import CLASSES, UNKNOWN, count_classes, load_land_use, parse_classes, present
from ..passes.views import TileView
from ..protocol import MatchTask

LAYER, USER, CLASSIFIER, NOTHING = "land-cover layer", "user", "classifier", "nothing known"
LIKELY = 0.5
"""Probability from which the classifier's classes go into the prompt."""
MOST_RECORDED = 500
"""Tiles whose prompts are told one by one in the record."""

Classify = Callable[[TileView, tuple[int, int]], Floats]
"""Probability (7,) of each class on the optical image of a tile of size (rows, columns)."""


@dataclass(frozen=True)
class Choice:
    """The classes of a tile and where they are from."""

    classes: tuple[str, ...]
    source: str


@dataclass
class Prompting:
    """The prompts of one match.

    seen: of the tiles asked for, by the first pixel's place and the size in reference pixels.
    forced: classes for all tiles in place of any source; spoiled: tiles get the classes that they do not
    show (both for ablation).
    """

    land_use: Pixels | None
    named: tuple[str, ...]
    classify: Classify
    forced: tuple[str, ...] | None = None
    spoiled: bool = False
    seen: dict[tuple[int, int, int, int], Choice] = field(default_factory=dict)

    @staticmethod
    def of(
        task: MatchTask, classify: Classify, forced: tuple[str, ...] | None = None, spoiled: bool = False
    ) -> Prompting:
        """For a pair. Raises OptionError for a class that is not known."""
        return Prompting(task.land_use, parse_classes(task.options.land_use), classify, forced, spoiled)

    def marks(self, views: list[TileView], size: tuple[int, int]) -> Tensor:
        """(B, classes) ones for the classes of tiles of size (rows, columns)."""
        chosen = [self.choose(view, size) for view in views]
        return torch.tensor([[float(name in one.classes) for name in CLASSES] for one in chosen])

    def choose(self, view: TileView, size: tuple[int, int]) -> Choice:
        """The classes of one tile; asked again, the same answer."""
        corners = affine.apply(view.lattice, [[0, 0], [size[1] - 1, size[0] - 1]])
        (left, top), (right, bottom) = (int(v) for v in np.rint(corners[0])), (int(v) for v in np.rint(corners[1]))
        key = (left, top, right - left + 1, bottom - top + 1)
        if key not in self.seen:
            choice = self._choose(view, size, key)
            if self.spoiled:
                choice = replace(choice, classes=tuple(name for name in CLASSES if name not in choice.classes))
            self.seen[key] = choice
        return self.seen[key]

    def _choose(self, view: TileView, size: tuple[int, int], box: tuple[int, int, int, int]) -> Choice:
        if self.forced is not None:
            return Choice(self.forced, USER)
        if self.land_use is not None:
            left, top, width, height = box
            below, right = max(top + height, 0), max(left + width, 0)
            under = self.land_use[max(top, 0) : below, max(left, 0) : right]
            classes = present(count_classes(under)) if under.size and (under != UNKNOWN).any() else ()
            if classes:
                return Choice(classes, LAYER)
        if self.named:
            return Choice(self.named, USER)
        probable = self.classify(view, size)
        classes = tuple(name for name, share in zip(CLASSES, probable) if share >= LIKELY)
        return Choice(classes, CLASSIFIER if classes else NOTHING)

    @property
    def record(self) -> dict[str, Any]:
        """Prompts and sources with how many tiles had them, and tile by tile [x, y, width, height, prompt]."""
        texts = load_land_use()
        prompts = [(box, texts.prompt(choice.classes)) for box, choice in self.seen.items()]
        return {
            "prompts": dict(Counter(prompt for _, prompt in prompts).most_common()),
            "prompts from": dict(Counter(choice.source for choice in self.seen.values()).most_common()),
            "prompts of tiles": [[*box, prompt] for box, prompt in prompts[:MOST_RECORDED]],
        }
