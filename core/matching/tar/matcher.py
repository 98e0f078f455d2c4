"""The method `tar`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from ...contract import SILENT, MatchResult, Reporter
from ..device import with_fallback
from ..keypoints import kind_for
from ..passes import match
from ..passes.keypoint_look import keypoint_look
from ..passes.match import Examined, with_weights
from ..passes.second_pass import FINAL
from ..passes.weight_files import named_weights
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

    def __init__(self, weights: Path | None = None, parts: Parts | None = None) -> None:
        self._weights, self._parts = weights, parts or Parts()

    def match(self, task: MatchTask, reporter: Reporter = SILENT) -> MatchResult:
        """See `Matcher.match`. Raises EngineError where the weights are missing or damaged."""
        return self.examine(task, reporter).result

    def examine(self, task: MatchTask, reporter: Reporter = SILENT) -> Examined:
        """As `match`, with the figures that the calibration weighs."""
        scenes = parse_scenes(getattr(task.options, "scene", "auto"), load_library())
        kind = kind_for(task.options.keypoints, "grid")
        weights = named_weights(self._weights, task.options)

        def work(device: torch.device, share: float) -> Examined:
            model = load_model(weights, device, scenes, self._parts.text).holding(share)
            last = None if kind == "grid" else partial(keypoint_look, task, model, kind, FINAL.edges)
            examined = with_weights(match.examine(task, model, self._parts, reporter, last), weights)
            result = replace(examined.result, steps={**examined.result.steps, "keypoints": kind})
            if task.land_cover:
                result = replace(result, cover=cover_map(task, model, result.pose, reporter))
            return replace(examined, result=result)

        return with_fallback(work, task.options.device, reporter)
