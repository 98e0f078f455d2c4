"""A small library and an encoder whose features can be worked out by hand."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from sarto.core.matching.prompts import Prompt, PromptLibrary
from sarto.core.matching.text import TextBank, build_bank
from sarto.core.matching.text.protocol import Features


class RandomEncoder:
    """The same random direction for the same text, whatever else is encoded."""

    name = "random"
    dimension = 12

    def encode(self, texts: Sequence[str]) -> Features:
        rows = [np.random.default_rng(zlib.crc32(t.encode())).normal(size=self.dimension) for t in texts]
        features = np.array(rows, np.float32).reshape(len(texts), self.dimension)
        return features / np.linalg.norm(features, axis=1, keepdims=True)


def prompt(name: str, looks: int) -> Prompt:
    optical, sar = (tuple(f"{name} {sensor} {n}" for n in range(looks)) for sensor in ("optical", "sar"))
    return Prompt(name, name.title(), optical, sar)


@pytest.fixture
def library() -> PromptLibrary:
    scenes = tuple(
        prompt(name, looks) for name, looks in (("harbour", 2), ("lake", 3), ("desert", 1), ("port", 2))
    )
    return PromptLibrary(scenes, (prompt("water", 2), prompt("road", 1)))


@pytest.fixture
def bank(library: PromptLibrary) -> TextBank:
    return build_bank(library, RandomEncoder())


@pytest.fixture
def encoder() -> RandomEncoder:
    return RandomEncoder()
