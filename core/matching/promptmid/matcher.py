"""The method `promptmid`."""

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
from ..passes.weight_files import named_weights, signature
from ..protocol import MatchTask
from . import weights as own
from .model import open_model
from .painting import paint

EDGES = 0.8
"""Share of the edge maps in the fine features at keypoints; chosen on training pairs."""


@dataclass(frozen=True)
class Parts(match.Parts):
    """prompt: land-use classes for all tiles; None = by the sources. wrong: the classes that tiles do not show."""

    prompt: tuple[str, ...] | None = None
    wrong: bool = False


class PromptMidMatcher:
    """Matches keypoints by descriptors from a diffusion model and a vision backbone, guided by land use."""

    name = "promptmid"

    def __init__(self, weights: Path | None = None, parts: Parts | None = None) -> None:
        self._weights, self._parts = weights, parts or Parts()

    def match(self, task: MatchTask, reporter: Reporter = SILENT) -> MatchResult:
        """See `Matcher.match`. Raises EngineError where the weights are missing or damaged."""
        return self.examine(task, reporter).result

    def examine(self, task: MatchTask, reporter: Reporter = SILENT) -> Examined:
        """As `match`, with the figures that the calibration weighs."""
        kind = kind_for(task.options.keypoints, "pc-fast")
        weights = named_weights(self._weights, task.options)

        def work(device: torch.device, share: float) -> Examined:
            model = open_model(task, weights, device, kind, self._parts.prompt, self._parts.wrong).holding(share)
            last = partial(keypoint_look, task, model, kind, EDGES)
            examined = with_weights(match.examine(task, model, self._parts, reporter, last), weights)
            if not task.painting:
                return examined
            found = examined.result
            steps = {**found.steps, "painted by": signature(weights or own.SHIPPED)}
            painted = paint(task, model, found.pose, reporter)
            return replace(examined, result=replace(found, steps=steps, painted=painted))

        return with_fallback(work, task.options.device, reporter)
