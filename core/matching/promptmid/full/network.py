"""The full size: SAR through Stable Diffusion, optical through DINOv2 and VGG19; all else as in `compact`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from ...land_use import CLASSES, load_land_use
from ...passes.blocks import levelled
from ...passes.network import Images, TilePairs
from ..diffusion import Prompt
from ..network import Channels, DescriptorNetwork, Looked
from ..plain import PlainBranch
from .config import FullConfig
from .diffusion import ControlledDiffusion, latent_shape
from .foundation import Foundation
from .vision import VggBranch, tokens


class FullNetwork(DescriptorNetwork):
    """Frozen parts are the foundation models, which are not registered: `state_dict` holds what is trained.

    The ControlNet is trained in the first stage, all else in the second.
    """

    config: FullConfig
    batch_pixels = 1.4e5  # one or two tiles: Stable Diffusion sees them at twice their size

    def __init__(self, config: FullConfig, foundation: Foundation) -> None:
        super().__init__()
        self.config = config
        self.diffusion = ControlledDiffusion(foundation)
        self.optical_fine = VggBranch(config.vgg)
        self.sar_fine = PlainBranch(1, config.sar_fine)
        self._sentences: dict[tuple[str, ...], Tensor] = {}
        coarsest, coarse, _, quarter = foundation.unet_channels
        seen = int(foundation.vision.config.hidden_size)
        _, half, fourth, eighth = config.vgg
        optical = {2: half, 4: fourth, 8: eighth + seen, 16: seen}
        sar = {2: config.sar_fine[0], 4: quarter, 8: coarse, 16: coarsest}
        self.build_heads(Channels(optical, sar, seen), config)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FullNetwork:
        """Moves the foundation models along, as `to` and its like do with all that is registered."""
        for model in self.diffusion.foundation.models:
            kind = next(model.parameters()).dtype
            model._apply(_keeping(fn, kind))  # type: ignore[no-untyped-call]
        self._sentences = {}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def look_optical(self, optical: Images) -> Looked:
        """See `DescriptorNetwork`."""
        fine, seen = self.optical_fine(optical.values), tokens(self.diffusion.foundation.vision, optical.values)
        coarse = functional.avg_pool2d(seen, 2)
        features = {2: fine[2], 4: fine[4], 8: torch.cat([fine[8], seen.to(fine[8].dtype)], dim=1), 16: coarse}
        return Looked(features, coarse)

    def look_sar(self, sar: Images, words: Prompt, finest: int) -> dict[int, Tensor]:
        """See `DescriptorNetwork`."""
        found = self.diffusion.describe(sar, words, self.config.moments)
        if finest <= 2:
            found[2] = self.sar_fine(levelled(*sar), sar.valid)[2]
        return found

    def told(self, optical: Images) -> Tensor:
        """See `DescriptorNetwork`."""
        return functional.avg_pool2d(tokens(self.diffusion.foundation.vision, optical.values), 2)

    def prompt(self, shown: Tensor) -> Prompt:
        """See `DescriptorNetwork`: the words of a sentence, as the text encoder reads them."""
        named = [tuple(name for name, mark in zip(CLASSES, row) if mark > 0) for row in shown.tolist()]
        read = torch.cat([self._read(names) for names in named]).to(shown.device)
        return Prompt(read, read.new_ones(read.shape[:2]))

    def _read(self, names: tuple[str, ...]) -> Tensor:
        """(1, tokens, D) features of the prompt of these classes; kept, for there are few."""
        if names not in self._sentences:
            texts, foundation = load_land_use(), self.diffusion.foundation
            sentence = texts.prompt(names) if names else texts.general
            coded: Any = foundation.tokenizer(
                [sentence],
                padding="max_length",
                max_length=foundation.text.config.max_position_embeddings,
                truncation=True,
                return_tensors="pt",
            )
            with torch.no_grad(), torch.autocast(foundation.text.device.type, enabled=False):
                found = foundation.text(coded.input_ids.to(foundation.text.device)).last_hidden_state
            self._sentences[names] = found.float()
        return self._sentences[names]

    def painting_loss(
        self, pairs: TilePairs, words: Prompt, time: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """See `DescriptorNetwork`."""
        return self.diffusion.loss(pairs, words, time, noise)

    def latent_shape(self, rows: int, columns: int) -> tuple[int, int, int]:
        """See `DescriptorNetwork`."""
        return latent_shape(rows, columns)

    def painted(self, sar: Images, words: Prompt, noise: Tensor) -> Tensor:
        """See `DescriptorNetwork`."""
        return self.diffusion.painted(sar, words, noise, self.config.painting)


def _keeping(fn: Callable[[Tensor], Tensor], kind: torch.dtype) -> Callable[[Tensor], Tensor]:
    """The same, but floating-point tensors keep their precision."""
    return lambda tensor: fn(tensor).to(kind) if tensor.is_floating_point() else fn(tensor)
