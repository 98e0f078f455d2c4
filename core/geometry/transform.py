"""What every fitted transform can do, and the linear family in closed form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import InputError, Points, TransformRecord


class Transform(ABC):
    """A fitted transform: reference-grid pixel → moving-grid pixel.

    model: one of `contract.MODELS` but "auto".
    Positions are (x, y) with pixel centres at integers; arrays have shape (…, 2).
    """

    def __init__(self, model: str) -> None:
        self.model = model

    @abstractmethod
    def apply(self, xy: npt.ArrayLike) -> Points:
        """Reference pixels (…, 2) → moving pixels (…, 2); NaN where the transform is not defined."""

    @abstractmethod
    def invert(self, xy: npt.ArrayLike) -> Points:
        """Moving pixels (…, 2) → reference pixels (…, 2); NaN stays NaN.

        Raises InputError where a position has no unique counterpart.
        """

    @abstractmethod
    def jacobian(self, xy: npt.ArrayLike) -> Points:
        """(…, 2, 2) derivative of the moving position (rows x, y) by the reference position.

        A determinant that changes sign within the image means that the transform folds it.
        """

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """JSON-ready parameters that rebuild the transform (see `from_record`)."""

    def residuals(self, reference: npt.ArrayLike, moving: npt.ArrayLike) -> Points:
        """(N, 2) predicted minus observed moving position, pixels."""
        return np.asarray(self.apply(reference) - np.asarray(moving, dtype=np.float64))

    @property
    def matrix(self) -> Points:
        """(3, 3) homogeneous matrix, last element ±1; raises InputError for curved models."""
        raise InputError(f"A {self.model} transform cannot be written as a matrix.")

    def to_record(self) -> TransformRecord:
        """What is stored of the transform."""
        return TransformRecord(self.model, self.parameters())


class Projective(Transform):
    """Shift, similarity, affine, poly1 and homography: one 3 × 3 matrix."""

    def __init__(self, model: str, matrix: npt.ArrayLike) -> None:
        """matrix: (3, 3), reference pixel → moving pixel, column vectors (x, y, 1).

        Its sign matters for a homography: the denominator is positive on the visible side of the horizon.
        Raises InputError for a matrix that collapses the image to a line or a point.
        """
        super().__init__(model)
        m = np.asarray(matrix, dtype=np.float64)
        m = m / (abs(m[2, 2]) or 1.0)
        if not np.isfinite(m).all() or _is_flat(m):
            raise InputError(
                f"The {model} collapses the image to a line or a point.",
                "The GCPs contradict each other or are too close together: correct them or spread them.",
            )
        self._matrix = m

    @property
    def matrix(self) -> Points:
        return self._matrix.copy()

    def apply(self, xy: npt.ArrayLike) -> Points:
        return _project(self._matrix, np.asarray(xy, dtype=np.float64))

    def invert(self, xy: npt.ArrayLike) -> Points:
        moving = np.asarray(xy, dtype=np.float64)
        found = _project(np.linalg.inv(self._matrix), moving)
        refuse_lost(self.model, moving, found)
        return found

    def jacobian(self, xy: npt.ArrayLike) -> Points:
        p = np.asarray(xy, dtype=np.float64)
        m = self._matrix
        image = _project(m, p)
        w = p @ m[2, :2] + m[2, 2]
        return np.asarray((m[:2, :2] - image[..., :, None] * m[2, :2]) / w[..., None, None])

    def parameters(self) -> dict[str, Any]:
        return {"matrix": self._matrix.tolist()}


def _project(matrix: Points, p: Points) -> Points:
    """Apply a homogeneous matrix to (…, 2); NaN on and behind the horizon of a homography."""
    image = p @ matrix[:2, :2].T + matrix[:2, 2]
    if not matrix[2, :2].any():
        return np.asarray(image / matrix[2, 2])
    w = p @ matrix[2, :2] + matrix[2, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where((w > 0)[..., None], image / w[..., None], np.nan))


def _is_flat(matrix: Points) -> bool:
    """Whether the linear part maps the plane onto (almost) a line."""
    linear = matrix[:2, :2] - np.outer(matrix[:2, 2], matrix[2, :2]) / (matrix[2, 2] or 1.0)
    largest, smallest = np.linalg.svd(linear, compute_uv=False)
    return bool(smallest <= 1e-9 * largest)


def refuse_lost(model: str, moving: Points, found: Points) -> None:
    """Raise InputError if a finite position of the moving image got no counterpart."""
    lost = np.isfinite(moving).all(axis=-1) & ~np.isfinite(found).all(axis=-1)
    if not lost.any():
        return
    x, y = moving[lost].reshape(-1, 2)[0]
    raise InputError(
        f"The {model} transform has no unique inverse at pixel ({x:.1f}, {y:.1f}) of the moving image"
        f" ({int(lost.sum())} position(s) in all).",
        "Use a simpler model, or GCPs that cover this part of the image.",
    )
