"""The sizes of a compact PromptMID network; stored beside its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

PARTS = ("diffusion", "foundation", "aggregation")
"""What the paper's ablation leaves out: D, V and F. Without D or V, a learnable branch of plain convolutions takes
its place; without F, scales are summed alike and nothing attends."""


@dataclass(frozen=True)
class CompactConfig:
    """Widths and depths. The defaults are the shipped network.

    widths: channels of the diffusion model at 1/2, 1/4, 1/8 and 1/16. heads: of its attention.
    time: length of its time embedding. text_dim: length of a prompt's features.
    noise: time at which features are taken from the decoder, 1 = pure noise.
    fine: channels of the learnable optical branch at 1/2 and 1/4.
    scales: which scales are aggregated, of 4, 8, 16. aggregate: channels of MSAA; descriptor: channels of the maps
    that descriptors are read from; window: taps per side (odd) and gap in cells between them of a descriptor.
    low: channels of the low-level features that place tie points.
    without: parts left out, for ablation (`PARTS`).
    encoder, prompts: name of the text encoder and digest of the texts (`LandUseTexts.digest`) of its prompts.
    """

    widths: tuple[int, int, int, int] = (32, 64, 96, 128)
    heads: int = 4
    time: int = 128
    text_dim: int = 384
    noise: float = 1.0
    fine: tuple[int, int] = (24, 48)
    scales: tuple[int, ...] = (4, 8, 16)
    aggregate: int = 64
    descriptor: int = 32
    window: tuple[int, int] = (3, 3)
    low: int = 16
    without: tuple[str, ...] = ()
    encoder: str = ""
    prompts: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> CompactConfig:
        """The reverse of `to_json`; lists become tuples. Raises TypeError for unknown fields."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return CompactConfig(**fields)
