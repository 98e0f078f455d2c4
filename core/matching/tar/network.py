"""The whole TAR network: MSFL → TAFE → attention between the images → coarse features for CFDM; MSFL's low-level
branch → local features for its refinement."""

from __future__ import annotations

from typing import NamedTuple, Optional

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .attention import PairAttention
from .cfdm import COARSE_CELL, CoarseHead, CoarseMatcher
from .config import TarConfig
from .local import LocalEncoder
from .msfl import Encoder, like
from .tafe import Attended, TextEnhancement, TextFeatures


class Encoded(NamedTuple):
    """Features of B pairs after all attention.

    coarse: (2B, coarse, rows / 8, columns / 8), optical first; mask: (2B, 1, …) share of valid pixels there;
    valid: (2B, 1, rows, columns); text: what TAFE attended to, None without text.
    """

    coarse: Tensor
    mask: Tensor
    valid: Tensor
    text: Optional[Attended]


class TarNetwork(nn.Module):
    """See the module. sharpness: logarithm of the factor on local correlations before their softmax."""

    def __init__(self, config: TarConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.text = TextEnhancement(config) if config.text else None
        self.attention = PairAttention(config)
        self.coarse_head = CoarseHead(config)
        self.coarse_matcher = CoarseMatcher(config)
        self.local = LocalEncoder(config)
        self.sharpness = nn.Parameter(torch.tensor(2.5))

    def encode(
        self, optical: Tensor, optical_valid: Tensor, sar: Tensor, sar_valid: Tensor, text: TextFeatures | None
    ) -> Encoded:
        """Images and validity, sides multiples of 16: optical (B, bands, H, W), the others (B, 1, H, W); 0…255.

        A single optical image stands for B. text: None leaves TAFE out (for ablation, or where the
        network has none).
        """
        pyramid = self.encoder(optical, optical_valid, sar, sar_valid)
        high, attended = pyramid.sixteenth, None
        if self.text is not None and text is not None:
            attended = self.text(high, text)
            high = attended.enhanced
        said = None if attended is None else attended.said
        coarse = self.coarse_head(self.attention(high), pyramid.eighth, said)
        valid = torch.cat([like(optical_valid, len(sar)), sar_valid])
        return Encoded(coarse, functional.avg_pool2d(valid, COARSE_CELL), valid, attended)
