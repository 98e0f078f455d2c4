"""Global pose search: rotation × scale × shift by correlation of whole structure maps.

A grid of rotations and scales is tried on a small copy of the images, every shift at once by FFT. The best few
poses are then refined on larger copies: each step tries 3 × 3 neighbours in rotation and scale, keeps the best,
and halves the step. The whole overlap votes at every step, which is why a pose is found where no single window is
distinctive.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from ...contract import Floats, NoMatchError, Reporter, SearchRange
from ...geometry import affine
from .. import imaging
from ..correlate import correlate, find_peaks
from ..protocol import MatchTask
from .maps import structure_maps

COARSE_SIDES = (384, 256, 192, 128, 96)
"""Longer side of the small copy: the largest whose grid costs no more than the budget."""
COARSE_BUDGET = 2.6e6
"""Pixels correlated per channel in the coarse grid, about 0.2 s on two CPU cores."""
FINE_SIDE = 512
ROUGH_SIDE = 192
"""Longer side of the grid's copies in a rough search, at most."""
ROTATION_STEP = 480.0
"""Degrees × pixels: 5° at 96 pixels moves the image's corner by about four map pixels, just within the peak."""
SCALE_STEP = 9.15
"""Logarithmic scale × pixels: a factor of 1.1 at 96 pixels, for the same reason."""
KEPT = (12, 6, 3)
"""Poses kept after the grid, at the first and at the second refinement."""
MIN_OVERLAP = 0.4
"""Least overlap, as a share of what is possible at a scale."""
BATCH_PIXELS = 2e5
COPY_STEPS = (1.4, 2.0)
"""Further reductions of the moving image, for poses that show it smaller: else its speckle would alias."""


@dataclass(frozen=True)
class Pose:
    """A candidate: affine (2, 3) reference pixel → moving pixel and its score (correlation × √overlap)."""

    transform: Floats
    score: float


@dataclass(frozen=True)
class PoseSearch:
    """Poses from the best down, distinct from each other, and how many were tried.

    candidates: the best poses of the coarse grid before any refinement: the right one is often not the first.
    """

    poses: list[Pose]
    tried: int
    candidates: list[Pose] = field(default_factory=list)


class _Level:
    """Both images reduced by one factor, with the reference's structure map."""

    def __init__(self, task: MatchTask, side: float, device: torch.device) -> None:
        self.factor = max(1.0, max(task.reference.shape) / side)
        reference = imaging.reduce(task.seen, self.factor)
        self.shape = reference.shape
        values, valid = imaging.to_tensor([reference], device)
        self.maps, self.mask = structure_maps(values, valid)
        self._copies = {1.0: imaging.to_tensor([imaging.reduce(task.moving, self.factor)], device)}
        for step in COPY_STEPS:
            if task.search.scale_max > step:
                smaller = imaging.reduce(task.moving, self.factor * step)
                self._copies[step] = imaging.to_tensor([smaller], device)

    def score(self, lattices: Floats, radius: int, reporter: Reporter) -> tuple[Floats, Floats]:
        """Best shift of each lattice (B, 2, 3): scores (B,) and shifts (B, 2) in level pixels."""
        rows, columns = self.shape
        size = (rows + 2 * radius, columns + 2 * radius)
        grown = lattices.copy()
        grown[:, :, 2] -= radius * lattices[:, :, :2].sum(axis=2)
        step = max(1, int(BATCH_PIXELS / (size[0] * size[1])))
        scores, shifts = np.full(len(grown), -1.0), np.zeros((len(grown), 2))
        for group, copy in self._groups(grown, step):
            reporter.check()
            reduced = np.stack([_into_copy(lattice, copy) for lattice in grown[group]])
            values, valid = imaging.warp(*self._copies[copy], reduced, size)
            maps, mask = structure_maps(values, valid)
            surface, share = correlate(self.maps, self.mask, maps, mask)
            share = share / self.mask.mean().clamp_min(1e-6)
            least = torch.from_numpy(MIN_OVERLAP * self._reach(lattices[group])).to(share)[:, None, None]
            weighted = surface * share.clamp(0, 1).sqrt()
            surface = torch.where(share > least, weighted, torch.full_like(surface, -1.0))
            peaks = find_peaks(surface)
            scores[group], shifts[group] = peaks.value.cpu().numpy(), peaks.shift.cpu().numpy()
        return scores, shifts

    def _reach(self, lattices: Floats) -> Floats:
        """Largest share of the reference (B,) that the moving image can cover at each lattice's scale."""
        rows, columns = self._copies[1.0][0].shape[-2:]
        area = rows * columns / np.abs(np.linalg.det(lattices[:, :, :2]))
        share: Floats = np.minimum(1.0, area / (self.shape[0] * self.shape[1]))
        return share

    def _groups(self, lattices: Floats, size: int) -> Iterator[tuple[npt.NDArray[np.intp], float]]:
        """Indices of lattices, `size` at a time, and the copy of the moving image that suits their scale."""
        scales = np.sqrt(np.abs(np.linalg.det(lattices[:, :, :2])))
        suited = np.array([max(c for c in self._copies if c <= max(s * 1.02, 1.0)) for s in scales])
        for copy in self._copies:
            members = np.flatnonzero(suited == copy)
            for start in range(0, len(members), size):
                yield members[start : start + size], copy


def _into_copy(lattice: Floats, factor: float) -> Floats:
    """The lattice (2, 3) into the moving image after that alone was reduced by `factor`."""
    moved = lattice / factor
    moved[:, 2] += (0.5 / factor) - 0.5
    return moved


def search_pose(
    task: MatchTask,
    device: torch.device,
    reporter: Reporter,
    looked_at: int = 4 * KEPT[0],
    rough: bool = False,
) -> PoseSearch:
    """Find the best poses within the task's search range.

    looked_at: how many of the grid's best, near copies included; rough: for methods that look closer themselves,
    a grid on copies of `ROUGH_SIDE` at most, refined once on copies a third larger.
    Raises NoMatchError where the images never overlap.
    """
    side, grid = _plan(task, ROUGH_SIDE if rough else COARSE_SIDES[0])
    reporter.progress("Searching the position", 0.1)
    candidates = _search_grid(task, side, grid, looked_at, device, reporter)
    found = candidates[: KEPT[0]]
    reporter.progress("Searching the position", 0.4)
    fine = min(float(max(task.reference.shape)), max(side * 2.0, 192.0), float(FINE_SIDE))
    stages = ((side * 4 / 3, KEPT[1]), (fine, KEPT[2]))
    for stage, (wanted, kept) in enumerate(stages[: 1 if rough else 2]):
        stage_level = _Level(task, min(fine, wanted), device)
        for halving in range(2):
            share = (0.5, 0.2)[stage] / 2**halving
            found = _refine(stage_level, _distinct(found, task)[:kept], task, side, share, reporter)
        reporter.progress("Searching the position", 0.7 + 0.3 * stage)
    return PoseSearch(_distinct(found, task), len(grid), candidates)


def _search_grid(
    task: MatchTask,
    side: float,
    grid: list[tuple[float, float]],
    looked_at: int,
    device: torch.device,
    reporter: Reporter,
) -> list[Pose]:
    """Every rotation and scale of the grid with its best shift; the best of them, distinct."""
    level = _Level(task, side, device)
    middle = affine.centre(level.shape)
    target = (affine.centre(task.moving.shape) + 0.5) / level.factor - 0.5
    lattices = np.stack([affine.similarity(angle, scale, middle, target) for angle, scale in grid])
    radius = max(2, math.ceil(task.max_shift * 1.05 / level.factor) + 1)
    scores, shifts = level.score(lattices, radius, reporter)
    if scores.max() <= -1:
        raise NoMatchError("The two images have no valid pixels in common.", "Check NoData and the search range.")
    best = np.argsort(-scores)[:looked_at]
    found = [
        Pose(affine.enlarge_by(_shifted(lattices[i], shifts[i]), level.factor), float(scores[i])) for i in best
    ]
    return _distinct(found, task)


def _plan(task: MatchTask, largest: float) -> tuple[float, list[tuple[float, float]]]:
    """The coarse side, no larger than told, and its grid of (degrees, scale)."""
    longest = min(max(task.reference.shape), largest)
    for side in COARSE_SIDES:
        used = min(side, longest)
        grid = pose_grid(task.search, used)
        if len(grid) * used**2 <= COARSE_BUDGET:
            break
    return float(used), grid


def pose_grid(search: SearchRange, side: float) -> list[tuple[float, float]]:
    """Rotations × scales that leave no gap wider than the correlation peak on an image of this side."""
    half = math.ceil(search.rotation_deg / (ROTATION_STEP / side))
    angles = np.linspace(-search.rotation_deg, search.rotation_deg, 2 * half + 1)
    if search.rotation_deg >= 180:
        angles = angles[:-1]
    low, high = math.log(search.scale_min), math.log(search.scale_max)
    scales = np.exp(np.linspace(low, high, max(1, math.ceil((high - low) / (SCALE_STEP / side))) + 1))
    return [(float(a), float(s)) for a in angles for s in scales]


def _shifted(lattice: Floats, shift: Floats) -> Floats:
    """The lattice whose pixel x shows what `lattice` shows at x + shift."""
    moved = lattice.copy()
    moved[:, 2] += lattice[:, :2] @ shift
    return moved


def _distinct(poses: list[Pose], task: MatchTask) -> list[Pose]:
    """Poses from the best down, without near copies of a better one."""
    tolerance = 0.02 * max(task.reference.shape)
    kept: list[Pose] = []
    for pose in sorted(poses, key=lambda p: -p.score):
        shape = task.reference.shape
        if all(affine.grid_distance(pose.transform, k.transform, shape) > tolerance for k in kept):
            kept.append(pose)
    return kept


def _in_range(transform: Floats, task: MatchTask) -> bool:
    """Whether a pose lies within the search range, with a little room for its own error."""
    search = task.search
    angle, scale = affine.angle_and_scale(transform)
    middle = affine.apply(transform, affine.centre(task.reference.shape)) - affine.centre(task.moving.shape)
    room = 2.0 + 0.01 * max(task.reference.shape)
    return (
        abs(angle) <= search.rotation_deg + 1.0
        and search.scale_min / 1.02 <= scale <= search.scale_max * 1.02
        and bool(np.all(np.abs(middle) <= task.max_shift + room))
    )


def _refine(
    level: _Level, poses: list[Pose], task: MatchTask, side: float, share: float, reporter: Reporter
) -> list[Pose]:
    """Try 3 × 3 neighbours in rotation and scale of each pose and keep the best, with a parabola between them."""
    turn, grow = share * ROTATION_STEP / side, share * SCALE_STEP / side
    steps = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    middle = affine.centre(level.shape)
    around = [affine.similarity(i * turn, math.exp(j * grow), middle) for i, j in steps]
    lattices = np.stack(
        [affine.compose(affine.reduce_by(p.transform, level.factor), near) for p in poses for near in around]
    )
    scores, shifts = level.score(lattices, max(2, round(8 * share)), reporter)
    refined = []
    for k, pose in enumerate(poses):
        block = scores[9 * k : 9 * k + 9]
        best = int(block.argmax())
        i, j = steps[best]
        square = block.reshape(3, 3)
        turned = _vertex(square[:, j + 1]) if i == 0 else 0.0
        grown = _vertex(square[i + 1]) if j == 0 else 0.0
        moved = _shifted(lattices[9 * k + best], shifts[9 * k + best])
        moved = affine.compose(moved, affine.similarity(turned * turn, math.exp(grown * grow), middle))
        transform = affine.enlarge_by(moved, level.factor)
        if _in_range(transform, task):
            refined.append(Pose(transform, float(block[best])))
        elif _in_range(pose.transform, task):
            refined.append(pose)
    return refined or poses


def _vertex(values: Floats) -> float:
    """Offset of the maximum of three equidistant values from the middle one."""
    curvature = values[0] - 2 * values[1] + values[2]
    return float(np.clip(0.5 * (values[0] - values[2]) / curvature, -0.6, 0.6)) if curvature < -1e-9 else 0.0
