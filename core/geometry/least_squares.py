"""Models that are linear in their parameters: shift, similarity, affine and polynomials.

One weighted least-squares solution serves them all. Leaving observations out of it has a closed form (Allen
1974, PRESS): the residual of one is then e / (1 - h), h the diagonal of the hat matrix, and of a group
(I - H)⁻¹ e, H its block of that matrix.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import Floats, InputError, Points
from .curved import Polynomial, monomials
from .frame import Frame, frames
from .transform import Projective, Transform

Array = npt.NDArray[Any]  # float64, or complex128 for the similarity
Groups = npt.NDArray[np.int64]

_RANK_TOLERANCE = 1e-6  # smallest over largest singular value in normalised coordinates
_LEAST_REST = 1e-9  # smallest eigenvalue of what a group leaves; below it, the rest does not determine the fit


@dataclass(frozen=True)
class Solution:
    """coefficients: (K, C). fitted: (N, C) predictions. basis: (N, K) orthonormal, of the weighted design."""

    coefficients: Array
    fitted: Array
    basis: Array


def solve(design: Array, observed: Array, weights: Floats) -> Solution:
    """Weighted least squares of `design` (N, K) on `observed` (N, C) with weights (N,).

    Raises InputError if the design does not determine all coefficients.
    """
    root = np.sqrt(weights)[:, None]
    u, s, vh = np.linalg.svd(design * root, full_matrices=False)
    if s[-1] <= _RANK_TOLERANCE * s[0]:
        raise degenerate()
    coefficients = vh.conj().T @ ((u.conj().T @ (observed * root)) / s[:, None])
    return Solution(coefficients, design @ coefficients, u)


def left_out(basis: Array, residual: Array, groups: Groups) -> Array:
    """Residuals (N, C) of each group of observations, were the fit made without that group.

    basis: (N, K) orthonormal columns of the weighted design; residual: (N, C) weighted, of the fit to all. groups:
    (N,) numbers from 0. NaN where the others do not determine the fit.
    """
    count, width = int(groups.max()) + 1, basis.shape[1]
    rest = np.tile(np.eye(width, dtype=basis.dtype), (count, 1, 1))
    np.subtract.at(rest, groups, basis.conj()[:, :, None] * basis[:, None, :])
    moment = np.zeros((count, width, residual.shape[1]), dtype=np.result_type(basis, residual))
    np.add.at(moment, groups, basis.conj()[:, :, None] * residual[:, None, :])
    possible = np.linalg.eigvalsh(rest)[:, 0] > _LEAST_REST
    change = np.full_like(moment, np.nan)
    change[possible] = np.linalg.solve(rest[possible], moment[possible])  # (I - qqᴴ)⁻¹ = I + q (I - qᴴq)⁻¹ qᴴ
    return np.asarray(residual + (basis[:, None, :] @ change[groups])[:, 0])


def degenerate() -> InputError:
    """The error for points that do not span the plane well enough for the model."""
    return InputError(
        "The GCPs coincide or lie on a line or curve, so they do not determine the transform.",
        "Spread the GCPs over the image or choose a simpler model.",
    )


class Model(ABC):
    """How one transform model is fitted.

    `reference` and `moving` are (N, 2) finite pixel positions, `weights` (N,) positive;
    there are at least `minimum_points` of them.
    """

    name: str
    minimum_points: int

    @abstractmethod
    def fit(self, reference: Points, moving: Points, weights: Floats) -> Transform:
        """Least-squares fit; raises InputError for degenerate points."""

    @abstractmethod
    def leave_out(self, reference: Points, moving: Points, weights: Floats, groups: Groups) -> Points:
        """(N, 2) predicted minus observed, each point predicted from the other groups; NaN where they cannot.

        groups: (N,) numbers from 0.
        """

    def leave_one_out(self, reference: Points, moving: Points, weights: Floats) -> Points:
        """`leave_out` of each point by itself."""
        return self.leave_out(reference, moving, weights, np.arange(len(reference)))


class LinearModel(Model):
    """A model whose normalised moving positions are `offset + design @ coefficients`."""

    @abstractmethod
    def design(self, reference: Points) -> Array:
        """Normalised reference (N, 2) → design matrix (N, K)."""

    @abstractmethod
    def transform(self, coefficients: Array, source: Frame, target: Frame) -> Transform:
        """Coefficients (K, C) of normalised coordinates → transform."""

    def observed(self, reference: Points, moving: Points) -> Array:
        """Normalised positions (N, 2) → what the design explains (N, C)."""
        return moving

    def fit(self, reference: Points, moving: Points, weights: Floats) -> Transform:
        source, target = frames(reference, moving)
        r, m = source.normalise(reference), target.normalise(moving)
        solution = solve(self.design(r), self.observed(r, m), weights)
        return self.transform(solution.coefficients, source, target)

    def leave_out(self, reference: Points, moving: Points, weights: Floats, groups: Groups) -> Points:
        source, target = frames(reference, moving)
        r, m = source.normalise(reference), target.normalise(moving)
        observed = self.observed(r, m)
        solution = solve(self.design(r), observed, weights)
        root = np.sqrt(weights)[:, None]
        residual = left_out(solution.basis, (solution.fitted - observed) * root, groups) / root
        if np.iscomplexobj(residual):
            residual = np.column_stack([residual.real, residual.imag])
        return np.asarray(residual * target.scale, dtype=np.float64)


class Shift(LinearModel):
    """Two parameters: translation."""

    name, minimum_points = "shift", 1

    def design(self, reference: Points) -> Array:
        return np.ones((len(reference), 1))

    def observed(self, reference: Points, moving: Points) -> Array:
        return moving - reference

    def transform(self, coefficients: Array, source: Frame, target: Frame) -> Transform:
        shift = coefficients[0] * source.scale + (np.array(target.centre) - source.centre)
        return Projective(self.name, [[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]])


class Similarity(LinearModel):
    """Four parameters: translation, rotation, scale. As complex numbers z' = a z + b, which cannot shear."""

    name, minimum_points = "similarity", 2

    def design(self, reference: Points) -> Array:
        return np.column_stack([reference[:, 0] + 1j * reference[:, 1], np.ones(len(reference))])

    def observed(self, reference: Points, moving: Points) -> Array:
        return (moving[:, 0] + 1j * moving[:, 1])[:, None]

    def transform(self, coefficients: Array, source: Frame, target: Frame) -> Transform:
        (a,), (b,) = coefficients
        normalised = np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag], [0, 0, 1]])
        return Projective(self.name, target.inverse_matrix @ normalised @ source.matrix)


class PolynomialModel(LinearModel):
    """Affine and poly1 (degree 1: 6 parameters), poly2 (12), poly3 (20)."""

    def __init__(self, name: str, degree: int) -> None:
        self.name = name
        self.degree = degree
        self.minimum_points = (degree + 1) * (degree + 2) // 2

    def design(self, reference: Points) -> Array:
        return monomials(reference, self.degree)

    def transform(self, coefficients: Array, source: Frame, target: Frame) -> Transform:
        if self.degree > 1:
            return Polynomial(self.name, source, target, coefficients)
        constant, by_x, by_y = coefficients
        normalised = np.vstack([np.column_stack([by_x, by_y, constant]), [0, 0, 1]])
        return Projective(self.name, target.inverse_matrix @ normalised @ source.matrix)
