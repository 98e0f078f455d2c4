"""The whole TAR network: MSFL → TAFE → attention between the images → coarse features for CFDM; MSFL's low-level
branch → local features for its refinement."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..passes.dual_softmax import DualSoftmax
from ..passes.network import Encoded, TilePairs
from .attention import PairAttention
from .cfdm import CoarseHead
from .config import TarConfig
from .local import LocalEncoder
from .msfl import Encoder
from .tafe import TextEnhancement, TextFeatures


class TarNetwork(nn.Module):
    """See the module. sharpness: logarithm of the factor on local correlations before their softmax."""

    def __init__(self, config: TarConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.text = TextEnhancement(config) if config.text else None
        self.attention = PairAttention(config)
        self.coarse_head = CoarseHead(config)
        self.coarse_matcher = DualSoftmax(config.window)
        self.local = LocalEncoder(config)
        self.sharpness = nn.Parameter(torch.tensor(2.5))

    def encode(self, pairs: TilePairs, words: TextFeatures | None) -> Encoded:
        """See `PairNetwork`. words: the text; None leaves TAFE out, for ablation or for want of it."""
        pyramid = self.encoder(pairs)
        high, attended = pyramid.sixteenth, None
        if self.text is not None and words is not None:
            attended = self.text(high, words)
            high = attended.enhanced
        said = None if attended is None else attended.said
        coarse = self.coarse_head(self.attention(high), pyramid.eighth, said)
        valid, mask = pairs.mask()
        return Encoded(coarse, mask, valid, attended)

    def fine(self, pairs: TilePairs, edges: float, words: TextFeatures | None = None) -> tuple[Tensor, Tensor]:
        """See `LocalEncoder`; text takes no part in it."""
        found: tuple[Tensor, Tensor] = self.local(pairs, edges)
        return found
