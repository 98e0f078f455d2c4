"""The whole TAR network: MSFL → TAFE → attention between the images → coarse features for CFDM; MSFL's low-level
branch → local features for its refinement."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..passes.dual_softmax import DualSoftmax
from ..passes.network import Encoded, Kept, coarse_mask
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

    def encode(
        self,
        optical: Tensor,
        optical_valid: Tensor,
        sar: Tensor,
        sar_valid: Tensor,
        words: TextFeatures | None,
        kept: Kept | None = None,
    ) -> Encoded:
        """Images and validity, sides multiples of 16: optical (B, bands, H, W), the others (B, 1, H, W); 0…255.

        A single optical image stands for B. words: the text; None leaves TAFE out (for ablation, or where the
        network has none). kept: see `PairNetwork`.
        """
        pyramid = self.encoder(optical, optical_valid, sar, sar_valid, kept)
        high, attended = pyramid.sixteenth, None
        if self.text is not None and words is not None:
            attended = self.text(high, words)
            high = attended.enhanced
        said = None if attended is None else attended.said
        coarse = self.coarse_head(self.attention(high), pyramid.eighth, said)
        valid, mask = coarse_mask(optical_valid, sar_valid)
        return Encoded(coarse, mask, valid, attended)

    def fine(
        self,
        optical: Tensor,
        optical_valid: Tensor,
        sar: Tensor,
        sar_valid: Tensor,
        edges: float,
        words: TextFeatures | None = None,
        kept: Kept | None = None,
    ) -> tuple[Tensor, Tensor]:
        """See `LocalEncoder`; text takes no part in it."""
        found: tuple[Tensor, Tensor] = self.local(optical, optical_valid, sar, sar_valid, edges, kept)
        return found
