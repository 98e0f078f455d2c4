"""What every text encoder is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]
"""Text features; the last axis is the feature dimension, and its vectors have unit length."""


class TextEncoder(Protocol):
    """A frozen network that turns sentences into directions of a feature space.

    name: which network, for people; a bank's digest tells weights apart.
    dimension: length of a feature vector.
    """

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> Features:
        """Features (N, dimension) of N sentences, each of unit length. Raises EngineError."""
        ...
