"""The method `tar`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...contract import SILENT, MatchResult, Reporter
from ..device import with_fallback
from ..passes import match
from ..passes.match import Examined
from ..prompts import load_library, parse_scenes
from ..protocol import MatchTask
from .cover import cover_map
from .weights import load_model


@dataclass(frozen=True)
class Parts(match.Parts):
    """text: "full", "none", or "shuffled" = the features of other words."""

    text: str = "full"


class TarMatcher:
    """Matches by learned features, helped by text about scenes and land cover."""

    name = "tar"
    title = "Learned features with text (TAR)"
    description = "Sarto's own network: for images far apart in rotation or scale."

    def __init__(self, weights: Path | None = None, parts: Parts | None = None) -> None:
        self._weights, self._parts = weights, parts or Parts()

    def match(self, task: MatchTask, reporter: Reporter = SILENT) -> MatchResult:
        """See `Matcher.match`. Raises EngineError where the weights are missing or damaged."""
        return self.examine(task, reporter).result

    def examine(self, task: MatchTask, reporter: Reporter = SILENT) -> Examined:
        """As `match`, with the figures that the calibration weighs."""
        scenes = parse_scenes(getattr(task.options, "scene", "auto"), load_library())

        def work(device: torch.device) -> Examined:
            model = load_model(self._weights, device, scenes, self._parts.text)
            examined = match.examine(task, model, self._parts, reporter)
            if not task.land_cover:
                return examined
            cover = cover_map(task, model, examined.result.pose, reporter)
            return replace(examined, result=replace(examined.result, cover=cover))

        return with_fallback(work, task.options.device, reporter)
