"""Models that are linear in their parameters: shift, similarity, affine and polynomials.

One weighted least-squares solution serves them all. Removing one observation from it has a closed form
(Allen 1974, PRESS): the leave-one-out residual is e / (1 - h), h the diagonal of the hat matrix.
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

_RANK_TOLERANCE = 1e-6  # smallest over largest singular value in normalised coordinates
_LEVERAGE_LIMIT = 1.0 - 1e-9  # beyond it the fit does not exist without the point


@dataclass(frozen=True)
class Solution:
    """coefficients: (K, C). fitted: (N, C) predictions. leverage: (N,) diagonal of the hat matrix."""

    coefficients: Array
    fitted: Array
    leverage: Floats


def solve(design: Array, observed: Array, weights: Floats) -> Solution:
    """Weighted least squares of `design` (N, K) on `observed` (N, C) with weights (N,).

    Raises InputError if the design does not determine all coefficients.
    """
    root = np.sqrt(weights)[:, None]
    u, s, vh = np.linalg.svd(design * root, full_matrices=False)
    if s[-1] <= _RANK_TOLERANCE * s[0]:
        raise degenerate()
    coefficients = vh.conj().T @ ((u.conj().T @ (observed * root)) / s[:, None])
    leverage = (np.abs(u) ** 2).sum(axis=1)
    return Solution(coefficients, design @ coefficients, np.asarray(leverage, dtype=np.float64))


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
    def leave_one_out(self, reference: Points, moving: Points, weights: Floats) -> Points:
        """(N, 2) predicted minus observed, each point predicted from the others; NaN where they cannot."""


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

    def leave_one_out(self, reference: Points, moving: Points, weights: Floats) -> Points:
        source, target = frames(reference, moving)
        r, m = source.normalise(reference), target.normalise(moving)
        observed = self.observed(r, m)
        solution = solve(self.design(r), observed, weights)
        slack = np.where(solution.leverage < _LEVERAGE_LIMIT, 1 - solution.leverage, np.nan)
        residual = (solution.fitted - observed) / slack[:, None]
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
