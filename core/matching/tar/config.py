"""The size of a TAR network; stored beside its weights, so that a file of weights says what it belongs to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class TarConfig:
    """Widths and depths. The defaults are the shipped network.

    stem: channels at 1/2. widths, blocks: channels and residual blocks of the trunk at 1/4, 1/8 and 1/16.
    coarse: channels of the features that are matched at 1/8.
    local: channels of the low-level branch at 1/2: of its stems, its trunk, and what is matched; dilations: of
    its residual blocks; weighing: whether it also learns how much each edge counts, and so what edges leave to be
    seen. Matching takes all edges alike: weights learned on images of one satellite mislead on those of others.
    heads, rounds: heads of all attention, rounds of self- and cross-attention between the images.
    window: taps per side (odd) and gap in cells between them of the neighbourhood that a coarse descriptor holds.
    text: whether text features take part; text_dim: their length.
    """

    stem: int = 32
    widths: tuple[int, int, int] = (48, 96, 128)
    blocks: tuple[int, int, int] = (1, 2, 1)
    coarse: int = 64
    local: tuple[int, int, int] = (24, 32, 16)
    dilations: tuple[int, ...] = (1, 2, 4, 8, 2)
    weighing: bool = True
    heads: int = 4
    rounds: int = 1
    window: tuple[int, int] = (3, 2)
    text: bool = True
    text_dim: int = 384

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> TarConfig:
        """The reverse of `to_json`; lists become tuples. Raises TypeError for unknown fields.

        What was written before there was `weighing` is of a network without.
        """
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return TarConfig(**{"weighing": False, **fields})
