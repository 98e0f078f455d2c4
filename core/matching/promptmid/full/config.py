"""The sizes of a full PromptMID network; stored beside the weights that were trained for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SIZE = "full"


@dataclass(frozen=True)
class FullConfig:
    """Widths of what is ours; those of the foundation models are their own.

    moments: of the diffusion (0…1, falling, 1 = nothing but noise) at which it is looked into; features are taken
    at the last one, after a denoising step from each to the next. painting: denoising steps of the synthetic
    picture.
    vgg: channels of VGG19's first four levels. sar_fine: of the learnable SAR features at 1/2 and 1/4, of which
    only the first place tie points.
    scales, aggregate, descriptor, window, low: as of `CompactConfig`.
    foundation: digest of the models' files (`folder.digest`); prompts: of the texts (`LandUseTexts.digest`).
    """

    size: str = SIZE
    moments: tuple[float, ...] = (1.0,)
    painting: int = 20
    vgg: tuple[int, int, int, int] = (64, 128, 256, 512)
    sar_fine: tuple[int, int] = (32, 48)
    scales: tuple[int, ...] = (4, 8, 16)
    aggregate: int = 256
    descriptor: int = 128
    window: tuple[int, int] = (3, 3)
    low: int = 32
    foundation: str = ""
    prompts: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> FullConfig:
        """The reverse of `to_json`; lists become tuples. Raises TypeError for unknown fields."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return FullConfig(**fields)
