"""Detectors of keypoints under one roof: PC-FAST, SIFT and a plain grid.

PC-FAST is what PromptMID takes (arXiv 2502.18104): FAST corners (E. Rosten and T. Drummond, ECCV 2006) of the
phase-congruency map in place of the image. How the corners are chosen is our reading, made on training pairs
(Sentinel-1 and -2) by the share of optical keypoints that the SAR image repeats within 3 px, beyond chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ...contract import Flags, Floats, OptionError
from ..imaging import fill
from .phase_congruency import phase_congruency
from .spread import evenly

DENSITY = 1 / 40.0
"""Keypoints looked for per valid pixel, where tie points are to lie at them."""
CLEARANCE = 5
"""Pixels that keypoints keep from NoData and from the image's border."""
SMOOTHING = 0.6
"""Pixels of blur of the map before FAST: its ridges are one pixel wide, and FAST's ring is three away."""
FAST_THRESHOLD = 1
"""Of 255. The lowest there is: which corners are strong enough is for `evenly` to say, place by place, so that a
hazy part of the image gives keypoints too."""
FAINT = 1e-3
"""Highest phase congruency up to which an image shows nothing at all."""
SIFT_CONTRAST = 0.01
"""A quarter of D. Lowe's (IJCV 2004), for the same reason."""

Image = npt.NDArray[np.float32]


def _empty() -> Floats:
    return np.empty(0, dtype=np.float64)


@dataclass(frozen=True)
class Keypoints:
    """N keypoints, the strongest first as far as an even spread allows (see `spread.evenly`).

    positions: (N, 2) x, y in pixels, centres at integers, sub-pixel.
    strength: (N,): phase congruency, SIFT's contrast, or 1 on a grid; comparable within one kind only.
    """

    positions: Floats = field(default_factory=lambda: np.empty((0, 2), dtype=np.float64))
    strength: Floats = field(default_factory=_empty)

    def __len__(self) -> int:
        return len(self.positions)


def detect(kind: str, values: Image, valid: Image, count: int, device: torch.device | str = "cpu") -> Keypoints:
    """At most `count` keypoints of a grey image, evenly spread; the same for the same image.

    kind: one of KINDS. values: (rows, columns) 0…255; valid: (rows, columns) 0…1, below one half is NoData.
    device: where phase congruency is computed. An image without structure has no keypoints (but its grid).
    Raises OptionError for an unknown kind or a count below 1.
    """
    if kind not in _DETECTORS:
        raise OptionError(f"There are no keypoints '{kind}'.", f"Choose one of: {', '.join(KINDS)}.")
    if count < 1:
        raise OptionError(f"A count of {count} keypoints is too small.", "Ask for at least 1.")
    known = valid > 0.5
    usable = _usable(known)
    if not usable.any():
        return Keypoints()
    return _DETECTORS[kind](values, known, usable, count, torch.device(device))


def _usable(known: Flags) -> Flags:
    """Pixels far enough from NoData and from the border."""
    kernel = np.ones((2 * CLEARANCE + 1,) * 2, np.uint8)
    inner = cv2.erode(known.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
    return np.asarray(inner) > 0


def _pc_fast(values: Image, known: Flags, usable: Flags, count: int, device: torch.device) -> Keypoints:
    """FAST corners of the phase-congruency map that are brighter than their ring.

    The map is the sum of both moments, which repeats a little better than either alone. FAST finds the candidates;
    the map's own value says how strong they are, which repeats better than FAST's score.
    """
    tensors = [torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32)) for a in (values, known)]
    with torch.inference_mode():
        found = phase_congruency(*(t[None, None].to(device) for t in tensors))
        moments = (found.strength + found.corner)[0, 0].cpu().numpy()
    response = np.asarray(cv2.GaussianBlur(moments, (0, 0), SMOOTHING), np.float32)
    top = float(response[usable].max())
    if top <= FAINT:
        return Keypoints()
    stretched = np.clip(np.rint(response * (255 / top)), 0, 255).astype(np.uint8)
    detector = cv2.FastFeatureDetector.create(FAST_THRESHOLD, True, cv2.FAST_FEATURE_DETECTOR_TYPE_9_16)
    corners = np.array([k.pt for k in detector.detect(stretched, None)], np.float64).reshape(-1, 2)
    column, row = corners.astype(np.int64).T
    brighter = response > cv2.blur(response, (7, 7))
    keep = brighter[row, column] & usable[row, column]
    return _chosen(*_refined(response, corners[keep].astype(np.int64)), usable, count)


def _refined(response: Image, pixels: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Sub-pixel positions (N, 2) by a parabola per axis, half a pixel away at most, and the response (N,) there.

    pixels: (N, 2) x, y, none on the border.
    """
    x, y = pixels.T
    at = response[y, x].astype(np.float64)
    moved, peak = pixels.astype(np.float64), at.copy()
    for axis, (dx, dy) in enumerate(((1, 0), (0, 1))):
        before = response[y - dy, x - dx].astype(np.float64)
        after = response[y + dy, x + dx].astype(np.float64)
        curvature, slope = before - 2 * at + after, (after - before) / 2
        round_top = curvature < -1e-6
        offset = np.where(round_top, -slope / np.where(round_top, curvature, -1.0), 0.0).clip(-0.5, 0.5)
        moved[:, axis] += offset
        peak += slope * offset + 0.5 * curvature * offset**2
    return moved, peak


def _sift(values: Image, known: Flags, usable: Flags, count: int, device: torch.device) -> Keypoints:
    """Extrema of differences of Gaussians (SIFT); one keypoint where SIFT sees several directions."""
    filled = fill(np.asarray(values, np.float32), known.astype(np.float32))
    image = np.clip(np.rint(filled), 0, 255).astype(np.uint8)
    detector = cv2.SIFT.create(contrastThreshold=SIFT_CONTRAST, enable_precise_upscale=True)
    found = detector.detect(image, usable.astype(np.uint8))
    every = np.array([keypoint.pt for keypoint in found], np.float64).reshape(-1, 2)
    positions, which = np.unique(every, axis=0, return_inverse=True)
    strength = np.zeros(len(positions))
    np.maximum.at(strength, which.ravel(), [keypoint.response for keypoint in found])
    rows, columns = usable.shape
    column, row = np.rint(positions).astype(np.int64).T
    keep = usable[row.clip(0, rows - 1), column.clip(0, columns - 1)]
    return _chosen(positions[keep], strength[keep], usable, count)


def _grid(values: Image, known: Flags, usable: Flags, count: int, device: torch.device) -> Keypoints:
    """Equal cells over the part inside the clearance, a keypoint in the middle of each; row by row."""
    height, width = (side - 2 * CLEARANCE for side in usable.shape)
    across = min(count, width, max(1, round((count * width / height) ** 0.5)))
    down = min(height, count // across)
    x, y = (CLEARANCE - 0.5 + (np.arange(n) + 0.5) * side / n for n, side in ((across, width), (down, height)))
    positions = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    column, row = np.rint(positions).astype(np.int64).T
    positions = positions[usable[row, column]]
    return Keypoints(positions, np.ones(len(positions)))


def _chosen(positions: Floats, strength: Floats, usable: Flags, count: int) -> Keypoints:
    chosen = evenly(positions, strength, float(usable.sum()), count)
    return Keypoints(positions[chosen], strength[chosen])


_DETECTORS: dict[str, Callable[[Image, Flags, Flags, int, torch.device], Keypoints]] = {
    "pc-fast": _pc_fast,
    "sift": _sift,
    "grid": _grid,
}
KINDS = tuple(_DETECTORS)


def kind_for(asked: str, own: str) -> str:
    """The kind that `MatchOptions.keypoints` asks of a method whose own is `own`. Raises OptionError."""
    kind = own if asked == "auto" else asked
    if kind not in KINDS:
        raise OptionError(f"There are no keypoints '{kind}'.", f"Choose one of: auto, {', '.join(KINDS)}.")
    return kind
