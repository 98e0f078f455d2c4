"""The compact size: SAR through our own diffusion branch, optical through a small pretrained backbone."""

from __future__ import annotations

import torch
from torch import Tensor

from ..land_use import CLASSES
from ..passes.blocks import levelled
from ..passes.network import Images, TilePairs
from . import backbone, schedule
from .backbone import Backbone
from .config import CompactConfig
from .diffusion import FOLD, DiffusionBranch, Prompt, diffusion_loss, from_latent
from .network import Channels, DescriptorNetwork, Looked
from .plain import PlainBranch

SCALES = (2, 4, 8, 16)


class CompactNetwork(DescriptorNetwork):
    """Frozen parts: the backbone; the diffusion branch where the second stage of training keeps it.

    tokens: (1 + classes, D) features of the general prompt and of the prompt of each class alone, unit length.
    """

    config: CompactConfig

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens: Tensor
        self.register_buffer("tokens", torch.zeros(1 + len(CLASSES), config.text_dim))
        painting, seeing = "diffusion" not in config.without, "foundation" not in config.without
        self.diffusion = DiffusionBranch(config) if painting else None
        self.sar_plain = None if painting else PlainBranch(1, config.widths)
        self.backbone = Backbone() if seeing else None
        self.optical_fine = PlainBranch(3, config.fine if seeing else (*config.fine, *config.widths[2:]))
        sar = dict(zip(SCALES, config.widths))
        if seeing:
            optical = {2: config.fine[0], **backbone.CHANNELS}
            optical[4] += config.fine[1]
        else:
            optical = dict(zip(SCALES, (*config.fine, *config.widths[2:])))
        told = backbone.CHANNELS[16] if seeing else optical[16]
        self.build_heads(Channels(optical, sar, told), config, plain="aggregation" in config.without)

    def look_optical(self, optical: Images) -> Looked:
        """See `DescriptorNetwork`."""
        fine = self.optical_fine(*optical)
        if self.backbone is None:
            return Looked(fine, fine[16])
        seen = self.backbone(optical.values)
        features = {scale: found.to(fine[4].dtype) for scale, found in seen.items()}
        features[4] = torch.cat([features[4], fine[4]], dim=1)
        return Looked({2: fine[2], **features}, seen[16])

    def look_sar(self, sar: Images, words: Prompt, finest: int) -> dict[int, Tensor]:
        """See `DescriptorNetwork`."""
        if self.diffusion is not None:
            return self.diffusion.describe(sar, words, finest).features
        assert self.sar_plain is not None
        found: dict[int, Tensor] = self.sar_plain(levelled(*sar), sar.valid)
        return found

    def told(self, optical: Images) -> Tensor:
        """See `DescriptorNetwork`."""
        if self.backbone is None:
            return self.look_optical(optical).told
        found: Tensor = self.backbone(optical.values)[16]
        return found

    def prompt(self, shown: Tensor) -> Prompt:
        """See `DescriptorNetwork`."""
        marks = torch.cat([torch.ones_like(shown[:, :1]), shown], dim=1)
        return Prompt(self.tokens.expand(len(shown), -1, -1), marks)

    def painting_loss(
        self, pairs: TilePairs, words: Prompt, time: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """See `DescriptorNetwork`. Grey images are painted: of colour ones, the first band."""
        grey = Images(pairs.optical.values[:, :1], pairs.optical.valid)
        return diffusion_loss(self._painter(), TilePairs(grey, pairs.sar), words, time, noise)

    def latent_shape(self, rows: int, columns: int) -> tuple[int, int, int]:
        """See `DescriptorNetwork`."""
        return FOLD**2, rows // FOLD, columns // FOLD

    def painted(self, sar: Images, words: Prompt, noise: Tensor) -> Tensor:
        """See `DescriptorNetwork`."""
        time = torch.full((len(noise),), self.config.noise, device=noise.device)
        velocity = self._painter()(noise, sar, time, words).velocity
        image, _ = schedule.parted(noise, velocity.float(), time)
        return from_latent(image)[:, 0]

    def _painter(self) -> DiffusionBranch:
        if self.diffusion is None:
            raise ValueError("this network has no diffusion branch: it was made for an ablation")
        return self.diffusion
