"""Sarto's own methods as the bench opens them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sarto.core.bench.methods import KEYPOINTS, VARIANTS, MethodOptions, open_method
from sarto.core.bench.protocols import Sample
from sarto.core.contract import RANGES, SILENT, MatchOptions, MatchResult, NoMatchError, OptionError, Reporter
from sarto.core.matching import MatchTask
from sarto.core.matching.keypoints import detect_whole
from sarto.core.matching.promptmid import PromptMidMatcher
from sarto.core.matching.structural import StructuralMatcher
from sarto.core.matching.tar import TarMatcher

from .scene import textured

CLASSES = {"structural": StructuralMatcher, "tar": TarMatcher, "promptmid": PromptMidMatcher}


@pytest.mark.parametrize("name", [*CLASSES, *VARIANTS])
def test_a_method_is_asked_for_its_keypoints(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[MatchOptions] = []
    method = name.partition(":")[0]

    def match(self: object, task: MatchTask, reporter: Reporter = SILENT) -> MatchResult:
        asked.append(task.options)
        raise NoMatchError("Enough.")

    monkeypatch.setattr(CLASSES[method], "match", match)
    image = textured(0, 64)
    with pytest.raises(NoMatchError):
        open_method(name, MethodOptions()).register(
            Sample("p", image, image, np.eye(2, 3)), RANGES["georef"], SILENT
        )
    assert asked == [MatchOptions(method=method, keypoints=KEYPOINTS.get(name, "auto"))]


def test_structural_at_keypoints_finds_tie_points_there() -> None:
    image = textured(1, 128)
    sample = Sample("p", image, image, np.eye(2, 3))
    answer = open_method("structural:pc-fast", MethodOptions()).register(sample, RANGES["georef"], SILENT)
    positions = detect_whole("pc-fast", image, 1.0, torch.device("cpu"), SILENT).positions
    gaps = np.linalg.norm(answer.candidates.reference[:, None] - positions[None], axis=2)
    assert len(gaps) > 10
    assert gaps.min(axis=1).max() < 1e-9
    assert 0 < answer.check_rmse < 1


@pytest.mark.parametrize("name", ["structural:harris", "structural:grid", "tar:pc-fast:sift", "nothing"])
def test_unknown_variants_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match=f"'{name}' is not known"):
        open_method(name, MethodOptions())


def test_weights_are_for_methods_that_have_some() -> None:
    for name in ("structural", "structural:sift"):
        with pytest.raises(OptionError, match="'structural' has no weights"):
            open_method(name, MethodOptions(weights="any.safetensors"))
    assert open_method("tar:sift", MethodOptions(weights="any.safetensors")).name == "tar:sift"
