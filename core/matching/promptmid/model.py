"""A network of PromptMID at work on one pair."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...contract import Floats
from .. import imaging
from ..passes.network import Images
from ..passes.views import Model, TileView
from ..protocol import MatchTask
from .diffusion import Prompt
from .network import DescriptorNetwork
from .prompting import Prompting
from .weights import load


@dataclass(frozen=True)
class PromptModel(Model):
    """A network, the prompts of the pair at hand, and the kind of keypoints that it matches."""

    network: DescriptorNetwork
    prompting: Prompting = field(kw_only=True)
    keypoints: str = "pc-fast"

    def words_for(self, views: list[TileView], size: tuple[int, int]) -> Prompt:
        """See `Prompting`. Tiles of one place share their prompt."""
        return self.network.prompt(self.prompting.marks(views, size).to(self.device))

    @property
    def record(self) -> dict[str, Any]:
        return {"keypoints": self.keypoints, **self.prompting.record}


def open_model(
    task: MatchTask,
    weights: Path | None,
    device: torch.device,
    keypoints: str = "pc-fast",
    forced: tuple[str, ...] | None = None,
    spoiled: bool = False,
) -> PromptModel:
    """The model for a pair. forced, spoiled: see `Prompting`.

    Raises EngineError for unusable weights, OptionError.
    """
    network, calibration = load(weights, device)

    def classify(view: TileView, size: tuple[int, int]) -> Floats:
        optical = Images(*imaging.to_tensor([imaging.patch(task.seen, view.lattice, size)], device))
        return np.asarray(network.classify(optical)[0].double().cpu().numpy())

    prompting = Prompting.of(task, classify, forced, spoiled)
    return PromptModel(
        network,
        device,
        calibration,
        batch_pixels=network.batch_pixels,
        prompting=prompting,
        keypoints=keypoints,
    )
